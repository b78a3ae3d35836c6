#!/usr/bin/env python3
"""bench/compare.py and bench/chart.py with programs that print recorded lines instead of measuring, and what a peer
in Python shares with those in C++. No peer is needed.

Usage: compare_test.py SOURCE_ROOT
"""
import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

source_root = Path(sys.argv[1])
CHECKS = {"y": [3.0, 10.0]}
KEYS = {"case", "threads", "lamina", "peer_name", "peer", "ratio", "limit_share"}


def record(program, case, median, checks=None, samples=10, disturbed=0, limit=None):
    return {"program": program, "case": case, "threads": 1, "median": median, "minimum": median / 2, "samples": samples,
            "disturbed": disturbed, "limit": limit or {}, "checks": CHECKS if checks is None else checks}


def lamina(case, median, **more):
    return record("lamina", case, median, **more)


def machine(gflop, copy=None):
    """A machine that needs so many milliseconds for a GFLOP, and for copying a tensor of 100 bytes."""
    found = [lamina("machine/fma/baseline", 3 * gflop), lamina("machine/fma/avx2", gflop)]
    if copy is not None:
        found += [lamina("machine/copy/100/ordinary", 2 * copy), lamina("machine/copy/100/non_temporal", copy)]
    return found


class Programs(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def program(self, name, records, silent=False):
        """A program that lists and prints these records, and notes that it was called."""
        path = self.folder / name
        lines = [json.dumps({"program": name, "about": {"version": f"{name} 1.2"}}), *map(json.dumps, records),
                 json.dumps({"program": name, "peak_memory": 12.5})]
        cases = [f"{each['case']}/manual_time" for each in records]
        path.write_text(f"""#!{sys.executable} -SE
import json, re, sys
if "--benchmark_list_tests=true" in sys.argv:
    print(*{cases!r}, sep="\\n")
    sys.exit()
open({str(self.folder / "calls")!r}, "a").write({name[-1]!r})
if {silent}:
    sys.exit()
pattern = next(word.partition("=")[2] for word in sys.argv if word.startswith("--benchmark_filter="))
for line in {lines!r}:
    if "case" not in json.loads(line) or re.search(pattern, json.loads(line)["case"]):
        print(line)
""", encoding="utf-8")
        path.chmod(0o755)
        return path

    def compare(self, ours, theirs, *arguments):
        """With the records of libtorch, or of several peers by name."""
        programs = ["--lamina", self.program("lamina", ours)]
        peers = theirs if isinstance(theirs, dict) else {"libtorch": theirs} if theirs is not None else {}
        for name, records in peers.items():
            programs += ["--peer", f"{name}={self.program(name, records)}"]
        return self.run_programs(*programs, *arguments)

    def run_programs(self, *arguments):
        return subprocess.run([sys.executable, source_root / "bench/compare.py", "--threads", "1", "--rounds", "1",
                               *arguments], text=True, capture_output=True, check=False)

    def rows(self, ours, theirs, *arguments):
        outcome = self.compare(ours, theirs, "--json", *arguments)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        return json.loads(outcome.stdout)


class Compare(Programs):
    def test_ratio_and_order(self):
        row, = self.rows([record("lamina", "dense/a/forward", 2.0)], [record("libtorch", "dense/a/forward", 3.0)],
                         "--rounds", "3")
        self.assertEqual((row["lamina"], row["peer"], row["ratio"]), (2.0, 3.0, 1.5))
        self.assertEqual((row["lamina_minimum"], row["peer_minimum"], row["ratio_of_minima"]), (1.0, 1.5, 1.5))
        self.assertEqual((self.folder / "calls").read_text(), "ahhaah")

    def test_a_convolution_meets_the_better_layout(self):
        theirs = [record("libtorch", f"convolution/a/{layout}/forward", median)
                  for layout, median in (("nhwc", 4.0), ("nchw", 3.0))]
        row, = self.rows([record("lamina", "convolution/a/nhwc/forward", 1.0)], theirs)
        self.assertEqual((row["peer"], row["peer_name"]), (3.0, "libtorch nchw"))

    def test_batch_normalization_meets_its_own_layout(self):
        theirs = [record("libtorch", f"batch_normalization/a/{layout}/forward", median)
                  for layout, median in (("nhwc", 4.0), ("nchw", 3.0))]
        row, = self.rows([record("lamina", "batch_normalization/a/nhwc/forward", 1.0)], theirs)
        self.assertEqual((row["peer"], row["peer_name"]), (4.0, "libtorch nhwc"))
        self.assertEqual(row["peers"], {"libtorch nchw": 3.0, "libtorch nhwc": 4.0})

    def test_the_best_of_several_peers(self):
        case = "convolution/a/nhwc/forward"
        theirs = {"libtorch": [record("libtorch", case, 4.0)],
                  "onednn": [record("onednn", case, 5.0), record("onednn", "convolution/a/blocked/forward", 2.0)]}
        row, = self.rows([lamina(case, 1.0)], theirs)
        self.assertEqual((row["peer_name"], row["peer"], row["ratio"]), ("onednn blocked", 2.0, 2.0))
        self.assertRegex(self.compare([lamina(case, 1.0)], theirs).stdout,
                         r"a/nhwc/forward .* onednn blocked .* same .* libtorch nhwc 4\n")

    def test_a_variant_is_the_same_work(self):
        theirs = [record("tensorflow", f"training_step/mlp@{variant}", median)
                  for variant, median in (("function", 4.0), ("xla", 3.0))]
        row, = self.rows([lamina("training_step/mlp", 1.0)], {"tensorflow": theirs}, "--filter", "mlp$")
        self.assertEqual((row["peer_name"], row["peer"]), ("tensorflow xla", 3.0))
        self.assertEqual(row["differences"], [])

    def test_a_blocked_layout_is_checked_and_no_opponent_of_batch_normalization(self):
        theirs = {"onednn": [record("onednn", "batch_normalization/a/blocked/forward", 2.0, {"y": [4.0, 10.0]})]}
        outcome = self.compare([lamina("batch_normalization/a/nhwc/forward", 1.0)], theirs)
        self.assertIn("DIFFERS: batch_normalization/a/nhwc/forward, 1 thread(s): onednn blocked: y", outcome.stderr)
        self.assertRegex(outcome.stdout, r"a/nhwc/forward +1 +1 \(0\.5\) +- +- .* onednn blocked 2\n")

    def test_the_keys_of_a_row(self):
        for theirs in (None, [record("libtorch", "dense/a", 2.0)]):
            row, = self.rows([lamina("dense/a", 1.0)], theirs)
            self.assertLessEqual(KEYS, row.keys())

    def test_a_minimum_below_the_resolution_of_the_clock(self):
        ours = {**lamina("dense/a", 1.0), "minimum": 0}
        row, = self.rows([ours], [record("libtorch", "dense/a", 4.0)])
        self.assertEqual((row["lamina_minimum"], row["ratio_of_minima"]), (1.0, 2.0))

    def test_the_share_of_the_limit(self):
        ours = [*machine(gflop=10.0, copy=4.0), lamina("dense/a", 2.0, limit={"machine/fma": 0.1}),
                lamina("batch_normalization/a", 10.0, limit={"machine/copy/100": 2}),
                lamina("batch_normalization/b", 10.0, limit={"machine/copy/200": 1}), lamina("tape/a", 1.0)]
        shares = {row["case"]: row["limit_share"] for row in self.rows(ours, None)}
        self.assertEqual(shares, {"dense/a": 0.5, "batch_normalization/a": 0.8, "batch_normalization/b": None,
                                  "tape/a": None})
        shown = self.compare(ours, None, "--filter", "dense").stdout
        self.assertRegex(shown, r"dense/a +1 +2 \(1\) .* 50 % ")
        self.assertIn("limits, 1T  FMA baseline 33 GFLOP/s, avx2 100 GFLOP/s\n", shown)

    def test_other_results_fail(self):
        for checks in ({"y": [3.002, 10.0]}, {"y": [3.0, 10.002]}, {"y": [None, 10.0]}, {"z": [3.0, 10.0]}):
            outcome = self.compare([record("lamina", "dense/a", 1.0)], [record("libtorch", "dense/a", 1.0, checks)])
            self.assertEqual(outcome.returncode, 1)
            self.assertIn("DIFFERS: dense/a, 1 thread(s)", outcome.stderr)
            self.assertIn("DIFFERS", outcome.stdout)

    def test_behind_a_relu_a_little_more_is_allowed(self):
        case = "fused_blocks/bn_relu/a/nhwc"
        for checks, status in (({"y": [3.05, 10.0]}, 0), ({"y": [3.15, 10.0]}, 1)):
            outcome = self.compare([lamina(case, 1.0)], [record("libtorch", case, 1.0, checks)])
            self.assertEqual(outcome.returncode, status, outcome.stderr)

    def test_results_within_rounding_agree(self):
        outcome = self.compare([record("lamina", "dense/a", 1.0)],
                               [record("libtorch", "dense/a", 1.0, {"y": [3.0005, 10.0]})])
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertRegex(outcome.stdout, r"dense/a +1 +1 \(0\.5\) +1 \(0\.5\)  libtorch +1\.00 \(1\.00\) +-  same +-")

    def test_lamina_alone(self):
        outcome = self.compare([record("lamina", "tape/add", 0.0002)], None)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertIn("lamina 1.2", outcome.stdout)
        self.assertRegex(outcome.stdout, r"tape/add +1 +0\.0002 \(0\.0001\) +- +- +- +- +- +- +-")

    def test_a_baseline_of_the_same_program(self):
        ours = [record("lamina", "options/a/renorm", 2.0) | {"baseline": 1.6, "times_baseline": 1.25}]
        row, = self.rows(ours, None)
        self.assertEqual(row["times_baseline"], 1.25)
        self.assertRegex(self.compare(ours, None).stdout, r"x plain .*\n(.*\n)*options/a/renorm .* 1\.25  -\n")

    def test_disturbed_times_are_marked(self):
        outcome = self.compare([record("lamina", "tape/add", 2.0, disturbed=10)], None)
        self.assertRegex(outcome.stdout, r"tape/add +1 +2 \(1\)~")

    def test_filter_and_quick(self):
        ours = [record("lamina", case, 1.0) for case in ("dense/a", "tape/b", "cnn_layers/nhwc/c")]
        self.assertEqual([row["case"] for row in self.rows(ours, None, "--filter", "tape|cnn")],
                         ["tape/b", "cnn_layers/nhwc/c"])
        self.assertEqual([row["case"] for row in self.rows(ours, None, "--quick")], ["dense/a", "tape/b"])
        self.assertEqual(self.compare(ours, None, "--filter", "nothing").returncode, 2)

    def test_quick_starts_tensorflow_once(self):
        for name, calls in (("tensorflow", "awa"), ("onednn", "anna")):
            (self.folder / "calls").unlink(missing_ok=True)
            self.rows([lamina("dense/a", 1.0)], {name: [record(name, "dense/a", 1.0)]}, "--quick", "--rounds", "2")
            self.assertEqual((self.folder / "calls").read_text(), calls)

    def test_a_case_that_gave_nothing_fails(self):
        silent = self.program("lamina", [record("lamina", "dense/a", 1.0)], silent=True)
        outcome = self.run_programs("--lamina", silent)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("MISSING: lamina: dense/a", outcome.stderr)

    def test_what_cannot_be_meant_is_said_in_one_line(self):
        given = self.program("lamina", [])
        for arguments, expected in ((["--lamina", "/no/such"], "--lamina must name a program; got '/no/such'"),
                                    (["--lamina", ""], "--lamina must name a program; got ''"),
                                    (["--lamina", given, "--filter", "("],
                                     "--filter must be a regular expression; got '('"),
                                    (["--lamina", given, "--threads", "0"], "--threads must be numbers from 1 on"),
                                    (["--lamina", given, "--thread", "2"], "unrecognized arguments: --thread 2")):
            outcome = self.run_programs(*arguments)
            self.assertNotEqual(outcome.returncode, 0)
            self.assertIn(expected, outcome.stderr.splitlines()[-1])

    def test_a_peer_that_gave_nothing_fails(self):
        ours = self.program("lamina", [lamina("dense/a", 1.0)])
        silent = self.program("libtorch", [record("libtorch", "dense/a", 1.0)], silent=True)
        outcome = self.run_programs("--lamina", ours, "--peer", f"libtorch={silent}")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("MISSING: libtorch: dense/a", outcome.stderr)

    def test_costs_of_programs_that_were_not_built(self):
        outcome = self.compare([lamina("dense/a", 1.0)], None, "--build", str(self.folder), "--filter", "cost/start_m")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("MISSING: cost/start_memory", outcome.stderr)


class Baseline(Programs):
    def setUp(self):
        super().setUp()
        self.kept = self.folder / "baseline.json"

    def changed(self, before, now, *arguments):
        outcome = self.compare(before, None, "--write-baseline", str(self.kept))
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        return self.compare(now, None, "--compare", str(self.kept), *arguments)

    def test_nothing_changed(self):
        cases = [*machine(10.0), lamina("dense/a", 2.0, limit={"machine/fma": 0.1})]
        outcome = self.changed(cases, cases)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertRegex(outcome.stdout, r"dense/a +1 +2 +2 +1\.00 \(1\.00\)\n")
        self.assertNotIn("SLOWER:", outcome.stderr)

    def test_a_file_that_is_no_baseline(self):
        for text in (None, "{", "[1]", "{}"):
            self.kept.unlink(missing_ok=True)
            if text is not None:
                self.kept.write_text(text, encoding="utf-8")
            outcome = self.compare([], None, "--compare", str(self.kept))
            self.assertNotEqual(outcome.returncode, 0)
            self.assertRegex(outcome.stderr, r"\A--compare: '.*' must be a baseline; got: .*\n\Z")

    def test_a_regression(self):
        before = [*machine(10.0), lamina("dense/a", 2.0, limit={"machine/fma": 0.1}), lamina("tape/a", 1.0)]
        now = [*machine(10.0), lamina("dense/a", 3.0, limit={"machine/fma": 0.1}), lamina("tape/a", 0.5)]
        outcome = self.changed(before, now)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("SLOWER: dense/a, 1 thread(s): 1.50 times the baseline", outcome.stderr)
        self.assertRegex(outcome.stdout, r"dense/a +1 +2 +3 +1\.50 \(1\.50\)  SLOWER\n")
        self.assertRegex(outcome.stdout, r"tape/a .* 0\.50 \(0\.50\)  faster\n")

    def test_a_slower_machine_is_no_regression(self):
        before = [*machine(10.0, 4.0), lamina("dense/a", 2.0, limit={"machine/fma": 0.1}), lamina("tape/a", 1.0),
                  lamina("batch_normalization/a", 5.0, limit={"machine/copy/100": 1})]
        now = [*machine(20.0, 12.0), lamina("dense/a", 4.0, limit={"machine/fma": 0.1}), lamina("tape/a", 2.0),
               lamina("batch_normalization/a", 15.0, limit={"machine/copy/100": 1})]
        outcome = self.changed(before, now)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertEqual(outcome.stdout.count("1.00 (1.00)"), 3)
        self.assertEqual(self.changed(now, before).returncode, 0, "nor is a faster one")

    def test_a_slow_median_beside_an_old_minimum_is_noise(self):
        noisy = lamina("tape/a", 2.0) | {"minimum": 0.5}
        self.assertEqual(self.changed([*machine(10.0), lamina("tape/a", 1.0)], [*machine(10.0), noisy]).returncode, 0)

    def test_json_has_the_ratio_and_new_cases_are_named(self):
        before, now = [lamina("tape/a", 1.0)], [lamina("tape/a", 1.1), lamina("tape/b", 1.0)]
        rows = json.loads(self.changed(before, now, "--json").stdout)
        self.assertAlmostEqual(rows[0]["baseline_ratio"], 1.1)
        self.assertNotIn("baseline_ratio", rows[1])
        self.assertIn("not in the baseline: tape/b (1T)\n", self.changed(before, now).stdout)

    def test_the_file_names_the_cpu(self):
        self.changed([*machine(10.0), lamina("tape/a", 1.0)], [lamina("tape/a", 1.0)])
        kept = json.loads(self.kept.read_text(encoding="utf-8"))
        self.assertTrue(kept["cpu"])
        self.assertEqual(kept["limits"]["1"]["machine/fma/avx2"], 10.0)
        self.assertEqual([row["case"] for row in kept["rows"]], ["tape/a"])


class Chart(Programs):
    def drawn(self, rows, *arguments):
        given, picture = self.folder / "rows.json", self.folder / "picture.svg"
        given.write_text(json.dumps(rows), encoding="utf-8")
        outcome = subprocess.run([sys.executable, source_root / "bench/chart.py", given, picture,
                                  *arguments], text=True, capture_output=True, check=False)
        return outcome, ElementTree.parse(picture).getroot() if outcome.returncode == 0 else None

    def bars(self, picture):
        """(width, color) of every bar, without the legend."""
        rectangles = [each.attrib for each in picture if each.tag.endswith("rect") and "x" in each.attrib]
        return [(float(each["width"]), each["fill"]) for each in rectangles if float(each["y"]) > 40]

    def test_bars_are_as_long_as_the_logarithm_of_the_ratio(self):
        ours = [lamina("dense/a", 1.0), lamina("dense/b", 1.0), lamina("tape/c", 1.0), lamina("tape/alone", 1.0)]
        theirs = [record("libtorch", "dense/a", 2.0), record("libtorch", "dense/b", 4.0),
                  record("libtorch", "tape/c", 0.5)]
        outcome, picture = self.drawn(self.rows(ours, theirs))
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        (two, faster), (four, _), (half, slower) = self.bars(picture)
        self.assertAlmostEqual(four, 2 * two, delta=0.2)
        self.assertAlmostEqual(half, two, delta=0.2)
        self.assertNotEqual(faster, slower)
        words = [each.text for each in picture if each.tag.endswith("text")]
        self.assertIn("Dense", words)
        self.assertIn("2.0 libtorch", words)
        self.assertNotIn("alone", words)

    def test_a_kept_baseline_is_drawn_with_its_cpu(self):
        row, = self.rows([lamina("dense/a", 1.0)], [record("libtorch", "dense/a", 2.0)])
        outcome, picture = self.drawn({"cpu": "a <fast> one", "limits": {}, "rows": [row]})
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertIn("a <fast> one", [each.text for each in picture])

    def test_a_file_without_rows(self):
        outcome, _ = self.drawn({"cpu": "x"})
        self.assertIn("must be rows of --json, or a baseline; got: KeyError('rows')", outcome.stderr)

    def test_nothing_to_draw(self):
        outcome, _ = self.drawn(self.rows([lamina("dense/a", 1.0)], None))
        self.assertIn("nothing to draw", outcome.stderr)

    def test_cases_are_left_out(self):
        ours = [lamina("dense/a", 1.0), lamina("dense/b", 1.0)]
        rows = self.rows(ours, [record("libtorch", "dense/a", 2.0), record("libtorch", "dense/b", 2.0)])
        self.assertEqual(len(self.bars(self.drawn(rows, "--leave-out", "/a$")[1])), 1)


class Costs(Programs):
    """A build folder whose launcher prints recorded costs, one after the other."""

    def setUp(self):
        super().setUp()
        (self.folder / "bench/peers").mkdir(parents=True)
        (self.folder / "bench/lamina_minimal").touch()
        (self.folder / "bench/peers/libtorch_minimal").touch()
        commands = [{"file": file, "directory": str(self.folder), "command": f"ccache c++ -MF a.d -o a.o {file}"}
                    for file in ("../bench/minimal.cpp", "../bench/peers/libtorch_minimal.cpp")]
        (self.folder / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")

    def launch(self, status=0):
        path = self.folder / "bench/launch"
        path.write_text(f"""#!{sys.executable} -SE
import json, os, sys
assert os.environ["CCACHE_DISABLE"] == "1" and "ccache" not in sys.argv
factor = 10 if "libtorch" in " ".join(sys.argv) else 1
print(json.dumps({{"status": {status}, "seconds": 0.01 * factor, "cpu_seconds": 0.5 * factor,
                  "peak_memory": 8 * factor}}))
""", encoding="utf-8")
        path.chmod(0o755)

    def test_starts_and_compilations(self):
        self.launch()
        rows = self.rows([lamina("dense/a", 1.0)], [record("libtorch", "dense/a", 1.0)], "--build", str(self.folder),
                         "--filter", "cost/(start|compile)")
        found = {row["case"]: (row["lamina"], row["peer"], row["ratio"], row["unit"]) for row in rows}
        self.assertEqual(found, {"cost/start_and_one_step": (10.0, 100.0, 10.0, "ms"),
                                 "cost/start_memory": (8, 80, 10.0, "MiB"),
                                 "cost/compile_minimal_program": (500.0, 5000.0, 10.0, "ms"),
                                 "cost/compile_memory": (8, 80, 10.0, "MiB")})

    def test_a_program_that_fails(self):
        self.launch(status=1)
        outcome = self.compare([lamina("dense/a", 1.0)], None, "--build", str(self.folder), "--filter", "start_memory")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("MISSING: cost/start_memory", outcome.stderr)

    def test_memory_of_training(self):
        case = "training_step/cnn/nhwc"
        row, = self.rows([lamina(case, 1.0)], [record("libtorch", case, 1.0)], "--build", str(self.folder), "--filter",
                         "cost/training_memory")
        self.assertEqual((row["lamina"], row["peer"], row["unit"]), (12.5, 12.5, "MiB"))


class Accuracy(Programs):
    """A build folder whose programs need a number of epochs for each model."""

    def setUp(self):
        super().setUp()
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                     "t10k-labels-idx1-ubyte"):
            (self.folder / name).touch()
        (self.folder / "bench/peers").mkdir(parents=True)

    def learner(self, name, accuracies, seconds, better):
        """Reaches an accuracy with each number of epochs; takes seconds for each, more in the worse layout."""
        path = self.folder / name
        path.write_text(f"""#!{sys.executable} -SE
import json, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
epochs, seed = int(given["--epochs"]), int(given["--seed"])
slow = given["--model"] == "cnn" and given["--layout"] != {better!r}
seconds = {seconds} * epochs * (2 if slow else 1) + seed
print(json.dumps({{"accuracy": {accuracies!r}[epochs - 1], "seconds": seconds, "cpu_seconds": 2 * seconds}}))
""", encoding="utf-8")
        path.chmod(0o755)

    def accuracy(self, *arguments):
        return self.run_programs("--lamina", "none", "--accuracy", "--build", self.folder, "--data", self.folder,
                                 *arguments)

    def test_the_shortest_training_that_reaches_the_goal(self):
        self.learner("bench/lamina_accuracy", [0.985, 0.991, 0.994, 0, 0], 10, "nhwc")
        self.learner("bench/peers/libtorch_accuracy", [0.992, 0.9935, 0, 0, 0], 100, "nchw")
        outcome = self.accuracy("--json")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        rows = {row["case"]: row for row in json.loads(outcome.stdout)}
        # One thread: processor time. The median of three seeds is the second.
        self.assertEqual({case: (row["lamina"], row["peer"], row["unit"]) for case, row in rows.items()},
                         {"accuracy/cnn/99.0": (44.0, 204.0, "s"), "accuracy/cnn/99.3": (64.0, 404.0, "s"),
                          "accuracy/mlp/98.0": (24.0, 204.0, "s")})
        self.assertEqual(rows["accuracy/cnn/99.0"]["seeds"],
                         {"lamina": [42.0, 44.0, 46.0], "libtorch": [202.0, 204.0, 206.0]})

    def test_a_goal_that_is_not_reached(self):
        self.learner("bench/lamina_accuracy", [0.985] * 5, 10, "nhwc")
        outcome = self.accuracy("--seeds", "1")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("lamina: accuracy/cnn/99.0 was not reached with 1 of 1 seeds", outcome.stderr)
        self.assertIn("NOTICE: there is no libtorch", outcome.stderr)
        self.assertRegex(outcome.stdout, r"accuracy/mlp/98\.0 \[s\] +1 +22 \(22\) +- ")

    def test_without_the_files(self):
        outcome = self.accuracy("--data", self.folder / "none")
        self.assertEqual(outcome.returncode, 2)
        self.assertIn("scripts/fetch_mnist.sh", outcome.stderr)


@unittest.skipUnless(importlib.util.find_spec("numpy"), "no NumPy")
class PythonHarness(Programs):
    def setUp(self):
        super().setUp()
        sys.path.insert(0, str(source_root / "bench/peers"))
        self.addCleanup(sys.path.remove, sys.path[0])
        import python_harness
        self.harness = python_harness

    def test_inputs_are_those_of_the_programs_in_cpp(self):
        # The first numbers of SplitMix64 from 0, as its authors publish them.
        self.assertEqual([int(bits) for bits in self.harness.random_bits(0, 3)],
                         [0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f])
        value, scale = self.harness.checksum([1.0, 2.0, 2.0])
        self.assertEqual((value, scale), (1.0 - 2.0 + 2.0, 3.0))
        self.assertTrue((abs(self.harness.kernel_values(1, (6, 4))) <= 1).all())

    def test_the_protocol(self):
        path = self.folder / "peer.py"
        path.write_text(f"""import sys
sys.path.insert(0, {str(source_root / "bench/peers")!r})
import python_harness
calls = []
def case():
    return lambda: calls.append(1), lambda: {{"calls": [len(calls), 1.0]}}
about = lambda threads: {{"threads": str(threads)}}
python_harness.main("peer", {{"a/b": case, "c": case}}, lambda threads: None, about)
""", encoding="utf-8")

        def printed(*arguments):
            return subprocess.run([sys.executable, path, *arguments], text=True, capture_output=True,
                                  check=True).stdout.splitlines()

        self.assertEqual(printed("--benchmark_list_tests=true"), ["a/b", "c"])
        about, measured, end = map(json.loads, printed("--threads", "2", "--benchmark_filter=^(a/b)(/manual_time)?$",
                                                       "--benchmark_min_time=0.001"))
        self.assertEqual(about, {"program": "peer", "about": {"threads": "2"}})
        self.assertEqual((measured["case"], measured["threads"]), ("a/b", 2))
        self.assertEqual(measured["checks"], {"calls": [1, 1.0]}, "checked after the first run")
        self.assertGreaterEqual(measured["samples"], 3)
        self.assertLessEqual(measured["minimum"], measured["median"])
        self.assertGreater(end["peak_memory"], 1)


result = unittest.main(argv=sys.argv[:1], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
sys.exit(failed != 0)
