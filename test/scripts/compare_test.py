#!/usr/bin/env python3
"""bench/compare.py and bench/chart.py with programs that print recorded lines instead of measuring, and what a peer
in Python shares with those in C++. No peer is needed.

Usage: compare_test.py SOURCE_ROOT
"""
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

source_root = Path(sys.argv[1])
CHECKS = {"y": [3.0, 10.0]}
FIRST_FILE = "train-images-idx3-ubyte"
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

    def program(self, name, records, silent=False, later=(), status_of_list=0):
        """A program that lists and prints these records, and notes that it was called.

        Each call after the first one takes the next of `later`: other records, a text that is printed as it is, or
        the status that it dies with.
        """
        path, calls = self.folder / name, self.folder / f"{name}.calls"
        calls.write_text("", encoding="utf-8")
        head, tail = {"program": name, "about": {"version": f"{name} 1.2"}}, {"program": name, "peak_memory": 12.5}
        runs = [run if isinstance(run, (int, str)) else [head, *run, tail] for run in (records, *later)]
        cases = [f"{each['case']}/manual_time" for each in records]
        path.write_text(f"""#!{sys.executable} -SE
import json, re, sys
from math import nan
if "--benchmark_list_tests=true" in sys.argv:
    if {status_of_list}:
        sys.exit({status_of_list})
    print(*{cases!r}, sep="\\n")
    sys.exit()
open({str(self.folder / "calls")!r}, "a").write({name[-1]!r})
with open({str(calls)!r}, "r+") as calls:
    number = len(calls.read())
    calls.write(".")
if {silent}:
    sys.exit()
runs = {runs!r}
run = runs[min(number, len(runs) - 1)]
if isinstance(run, int):
    sys.exit(run)
if isinstance(run, str):
    print(run)
    sys.exit()
pattern = next(word.partition("=")[2] for word in sys.argv if word.startswith("--benchmark_filter="))
for line in run:
    if "case" not in line or re.search(pattern, line["case"]):
        print(json.dumps(line))
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
        return self.run_plainly("--threads", "1", "--rounds", "1", *arguments)

    def run_plainly(self, *arguments, **more):
        return subprocess.run([sys.executable, source_root / "bench/compare.py", *arguments], text=True,
                              capture_output=True, check=False, **more)

    def assert_refused(self, expected, *arguments, **more):
        """Before any program was called."""
        (self.folder / "calls").unlink(missing_ok=True)
        outcome = self.run_plainly(*arguments, **more)
        self.assertEqual(outcome.returncode, 2, (arguments, outcome.stdout, outcome.stderr))
        self.assertIn(expected, outcome.stderr.splitlines()[-1])
        self.assertFalse((self.folder / "calls").exists(), "nothing is measured before")
        return outcome

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
        for checks in ({"y": [3.002, 10.0]}, {"y": [3.0, 10.002]}, {"y": [None, 10.0]}, {"y": [math.nan, math.nan]},
                       {"z": [3.0, 10.0]}):
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

    def of_rounds(self, *rounds):
        """The row of a case with a record for each round."""
        ours = self.program("lamina", [rounds[0]], later=[[each] for each in rounds[1:]])
        outcome = self.run_programs("--lamina", ours, "--rounds", str(len(rounds)), "--json")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        row, = json.loads(outcome.stdout)
        return row["lamina"], row["lamina_minimum"], row["times_baseline"], row["lamina_noisy"]

    def test_rounds_with_few_undisturbed_samples_do_not_count_where_others_have_them(self):
        def of(median, samples, disturbed):
            return lamina("tape/add", median, samples=samples, disturbed=disturbed) | {"times_baseline": 3 * median}

        quiet, other = of(2.0, 10, 7), of(4.0, 3, 0)
        self.assertEqual(self.of_rounds(of(100.0, 9, 7), quiet, of(0.1, 5, 5), other), (3.0, 1.0, 9.0, False))
        few = of(6.0, 9, 7)
        self.assertEqual(self.of_rounds(few, of(100.0, 5, 5), few), (6.0, 3.0, 18.0, False))
        self.assertEqual(self.of_rounds(few, of(8.0, 5, 5)), (7.0, 3.0, 21.0, True))

    def test_the_ratio_of_the_minima_meets_the_smallest_minimum_of_all_peers(self):
        case = "convolution/a/nhwc/forward"
        theirs = [record("libtorch", case, 3.0), record("libtorch", "convolution/a/nchw/forward", 4.0) |
                  {"minimum": 0.8}]
        row, = self.rows([lamina(case, 2.0)], theirs)
        self.assertEqual((row["peer_name"], row["peer"], row["ratio"]), ("libtorch nhwc", 3.0, 1.5))
        self.assertEqual((row["peer_minimum_name"], row["peer_minimum"], row["ratio_of_minima"]),
                         ("libtorch nchw", 0.8, 0.8))
        self.assertRegex(self.compare([lamina(case, 2.0)], theirs).stdout,
                         r" 3 \(0\.8\)  libtorch nhwc \(libtorch nchw\) +1\.50 \(0\.80\)")

    def test_the_minimum_in_another_layout_is_none_where_the_layout_is_part_of_the_work(self):
        case = "batch_normalization/a/nhwc/forward"
        theirs = [record("libtorch", case, 3.0), record("libtorch", "batch_normalization/a/nchw/forward", 4.0) |
                  {"minimum": 0.8}]
        row, = self.rows([lamina(case, 2.0)], theirs)
        self.assertEqual((row["peer_minimum"], row["ratio_of_minima"]), (1.5, 1.5))

    def test_results_of_every_round_are_checked(self):
        good, wrong = lamina("dense/a", 1.0), lamina("dense/a", 1.0, checks={"y": [4.0, 10.0]})
        for ours, theirs in (([good, good, wrong], [good]), ([good], [good, wrong, good])):
            outcome = self.run_programs(
                "--lamina", self.program("lamina", [ours[0]], later=[[each] for each in ours[1:]]), "--peer",
                f"libtorch={self.program('libtorch', [theirs[0]], later=[[each] for each in theirs[1:]])}",
                "--rounds", "3")
            self.assertEqual(outcome.returncode, 1)
            self.assertEqual(outcome.stderr.count("DIFFERS: dense/a, 1 thread(s): libtorch: y: "), 1, outcome.stderr)

    def test_a_program_that_dies_in_some_rounds_is_named_and_the_others_go_on(self):
        case = [lamina("dense/a", 1.0)]
        for later, expected in (([3, case, 3, case], "2 of 6 runs, the last of them: status 3"),
                                ([case, [], case], "1 of 6 runs, the last of them: no record of dense/a"),
                                (['{"case": "den', case], "1 of 6 runs, the last of them: a line must be JSON")):
            for dying, other in (("lamina", "libtorch"), ("libtorch", "lamina")):
                programs = {dying: self.program(dying, case, later=later), other: self.program(other, case)}
                outcome = self.run_programs("--lamina", programs["lamina"], "--peer",
                                            f"libtorch={programs['libtorch']}", "--rounds", "5", "--json")
                self.assertEqual(outcome.returncode, 1)
                self.assertIn(f"FAILED: {dying}: {expected}", outcome.stderr)
                self.assertNotIn(f"FAILED: {other}", outcome.stderr)
                row, = json.loads(outcome.stdout)
                self.assertEqual(row["ratio"], 1.0)

    def test_a_peer_that_cannot_list_its_cases_is_named(self):
        case = [lamina("dense/a", 1.0)]
        ours = self.program("lamina", case)
        dying = self.program("libtorch", case, status_of_list=3)
        for peer, expected in ((dying, "1 of 1 runs, the last of them: status 3"),
                               (self.program("empty", []), "1 of 1 runs, the last of them: it listed no case"),
                               ("/no/such", "1 of 1 runs, the last of them: [Errno 2]")):
            outcome = self.run_programs("--lamina", ours, "--peer", f"libtorch={peer}")
            self.assertEqual(outcome.returncode, 1)
            self.assertIn(f"FAILED: libtorch: {expected}", outcome.stderr)
            self.assertRegex(outcome.stdout, r"dense/a +1 +1 \(0\.5\) +- ")
        outcome = self.run_programs("--lamina", dying)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("FAILED: lamina: 1 of 1 runs, the last of them: status 3", outcome.stderr)

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

    def test_numbers_that_measure_nothing_are_refused(self):
        given = self.program("lamina", [lamina("dense/a", 1.0)])
        for option, values in (("--rounds", ("0", "-1", "1.5", "many")),
                               ("--seconds", ("0", "-1", "nan", "inf", "long"))):
            for value in values:
                self.assert_refused(f"{option}: must be a", "--lamina", given, option, value)
        cpus = len(os.sched_getaffinity(0))
        for threads in (str(cpus + 1), f"1,{cpus + 1}"):
            self.assert_refused(f"--threads must be at most {cpus}, the CPUs that may be used; got '{threads}'",
                                "--lamina", given, "--threads", threads)

    def test_a_number_of_threads_is_measured_once(self):
        self.rows([lamina("dense/a", 1.0)], None, "--threads", "1,1")
        self.assertEqual((self.folder / "calls").read_text(), "a")

    def test_without_threads_those_that_the_machine_has_are_taken(self):
        given = self.program("lamina", [lamina("dense/a", 1.0)])
        cpu = min(os.sched_getaffinity(0))
        outcome = self.run_plainly("--lamina", given, "--rounds", "1", "--json",
                                   preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertEqual([row["threads"] for row in json.loads(outcome.stdout)], [1])
        self.assertIn("2 threads left out: only 1 CPU may be used", outcome.stderr)

    def test_peers_without_a_command_or_a_name_of_their_own_are_refused(self):
        given = self.program("lamina", [lamina("dense/a", 1.0)])
        for peers in (["libtorch"], ["libtorch="], [f"={given}"], [f"lamina={given}"], [f"a={given}", f"a={given}"]):
            options = [word for peer in peers for word in ("--peer", peer)]
            self.assert_refused(f"--peer must be NAME=COMMAND with a name of its own; got '{peers[-1]}'",
                                "--lamina", given, *options)

    def test_what_only_accuracy_looks_at_is_refused_without_it(self):
        given = self.program("lamina", [lamina("dense/a", 1.0)])
        for option in ("--seeds", "--steps", "--data"):
            self.assert_refused(f"{option} must stand beside --accuracy", "--lamina", given, option, "1")

    def test_arguments_alone_can_be_checked(self):
        outcome = self.run_plainly("--check-arguments", "--filter", "dense")
        self.assertEqual((outcome.returncode, outcome.stdout, outcome.stderr), (0, "", ""))
        self.assert_refused("--rounds: must be a whole number from 1 on; got '0'", "--check-arguments", "--rounds", "0")

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
            given = self.program("lamina", [lamina("dense/a", 1.0)])
            self.assert_refused(f"--compare must name a baseline; got '{self.kept}': ", "--lamina", given, "--compare",
                                self.kept)

    def test_a_damaged_baseline_is_refused_at_the_start(self):
        outcome = self.compare([*machine(10.0), lamina("dense/a", 1.0)], None, "--write-baseline", str(self.kept))
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        good = json.loads(self.kept.read_text(encoding="utf-8"))
        row, = good["rows"]

        def without(name):
            return {key: value for key, value in row.items() if key != name}

        for damaged, expected in (({**good, "cpu": 5}, "cpu must be a text; got 5"),
                                  ({**good, "limits": []}, "limits must be an object; got []"),
                                  ({**good, "limits": {"1": 5}}, "limits of 1 threads must be an object; got 5"),
                                  ({**good, "limits": {"1": {"machine/fma/a": 0}}},
                                   "the limit machine/fma/a of 1 threads must be a number above 0; got 0"),
                                  ({**good, "rows": 5}, "rows must be an array; got 5"),
                                  ({**good, "rows": [row, 5]}, "row 1 must be an object; got 5"),
                                  ({**good, "rows": [{**row, "unit": None}]}, "unit of row 0 must be a text; got null"),
                                  ({**good, "rows": [{**row, "threads": True}]},
                                   "threads of row 0 must be a whole number from 1 on; got true"),
                                  ({**good, "rows": [{**row, "lamina_minimum": float("nan")}]},
                                   "lamina_minimum of row 0 must be a number above 0; got NaN"),
                                  ({**good, "rows": [{**row, "limit": "1"}]},
                                   "limit of row 0 must be a number above 0 or null; got \"1\""),
                                  *(({**good, "rows": [without(name)]}, f"row 0 must have '{name}'; got none")
                                    for name in ("case", "threads", "unit", "lamina", "lamina_minimum", "limit"))):
            self.kept.write_text(json.dumps(damaged), encoding="utf-8")
            self.assert_refused(f"--compare must name a baseline; got '{self.kept}': {expected}", "--lamina",
                                self.folder / "lamina", "--compare", self.kept)

    def test_the_kept_baseline_of_the_sources_is_one(self):
        outcome = self.run_plainly("--check-arguments", "--compare", cwd=self.folder)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)

    def test_a_place_that_cannot_be_written_is_refused_at_the_start(self):
        given = self.program("lamina", [lamina("dense/a", 1.0)])
        for place in (self.folder / "none/baseline.json", self.folder, ""):
            self.assert_refused(f"--write-baseline must name a file that can be written; got '{place}': ", "--lamina",
                                given, "--write-baseline", place)

    def test_looking_whether_a_file_can_be_written_changes_nothing(self):
        for text in (None, "kept"):
            if text is not None:
                self.kept.write_text(text, encoding="utf-8")
            outcome = self.run_plainly("--check-arguments", "--write-baseline", self.kept)
            self.assertEqual(outcome.returncode, 0, outcome.stderr)
            self.assertEqual(self.kept.read_text(encoding="utf-8") if self.kept.exists() else None, text)

    def test_files_are_meant_from_the_folder_that_is_named(self):
        given = self.program("lamina", [lamina("dense/a", 1.0)])
        for option in ("--write-baseline", "--compare"):
            outcome = self.run_programs("--lamina", given, "--relative-to", self.folder, option, "baseline.json")
            self.assertEqual(outcome.returncode, 0, outcome.stderr)
            self.assertTrue(self.kept.exists())

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

    factor = 1

    def setUp(self):
        super().setUp()
        (self.folder / "bench/peers").mkdir(parents=True)
        (self.folder / "bench/lamina_minimal").touch()
        (self.folder / "bench/peers/libtorch_minimal").touch()
        commands = [{"file": file, "directory": str(self.folder), "command": f"ccache c++ -MF a.d -o a.o {file}"}
                    for file in ("../bench/minimal.cpp", "../bench/peers/libtorch_minimal.cpp")]
        (self.folder / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")

    def launch(self, status=0):
        """`status` is an expression, perhaps of the `number` of the call and the library's `factor`."""
        path = self.folder / "bench/launch"
        path.write_text(f"""#!{sys.executable} -SE
import json, os, sys
assert os.environ["CCACHE_DISABLE"] == "1" and "ccache" not in sys.argv
factor = {self.factor} * (10 if "libtorch" in " ".join(sys.argv) else 1)
with open({str(self.folder / "launches")!r}, "a+") as launches:
    launches.write(".")
    launches.seek(0)
    number = len(launches.read())
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

    def test_a_program_that_fails_now_and_then(self):
        self.launch(status="int(factor == 10 and number < 5)")
        outcome = self.compare([lamina("dense/a", 1.0)], [record("libtorch", "dense/a", 1.0)], "--build",
                               str(self.folder), "--filter", "start_memory", "--json")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("FAILED: libtorch: cost/start_memory, 2 of 10 times", outcome.stderr)
        row, = json.loads(outcome.stdout)
        self.assertEqual((row["lamina"], row["peer"]), (8, 80))

    def test_a_peer_that_fails_is_no_absent_one(self):
        case = [record("libtorch", "training_step/cnn/nhwc", 1.0)]
        outcome = self.run_programs("--lamina", self.program("lamina", case), "--peer",
                                    f"libtorch={self.program('libtorch', case, later=[3])}", "--build", self.folder,
                                    "--filter", "cost/training_memory", "--json")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("FAILED: libtorch: cost/training_memory/cnn, 1 of 2 times", outcome.stderr)
        self.assertEqual(json.loads(outcome.stdout)[0]["peer"], 12.5)

    def test_the_machine_is_measured_for_a_baseline_of_costs_alone(self):
        kept = self.folder / "baseline.json"
        for factor, option in ((1, "--write-baseline"), (2, "--compare")):
            self.factor = factor
            self.launch()
            outcome = self.compare(machine(10.0 * factor), None, "--build", str(self.folder), "--filter",
                                   "^cost/start_and", option, str(kept))
            self.assertEqual(outcome.returncode, 0, outcome.stderr)
            self.assertIn("limits, 1T  FMA ", outcome.stdout)
        self.assertRegex(outcome.stdout, r"cost/start_and_one_step +1 +10 +20 +1\.00 \(1\.00\)")

    def test_libraries_on_disk_without_and_with_blas_and_openmp(self):
        libraries = {"lamina": {"build/liblamina.so.0": 3, "system/libopenblas.so.0": 40, "system/libz.so.1": 7},
                     "libtorch": {"torch/libtorch_cpu.so": 50, "torch/libgomp.so.1": 1, "system/libmkl_core.so.2": 9}}
        (self.folder / "bin").mkdir()
        for name, sizes in libraries.items():
            lines = []
            for path, size in sizes.items():
                file = self.folder / path
                file.parent.mkdir(exist_ok=True)
                # Packages name a file by links.
                real = file.with_name(f"real_{file.name}")
                real.write_bytes(bytes(size << 20))
                file.symlink_to(real)
                lines.append(f"{file.name} => {file} (0x00007)")
            (self.folder / f"{name}.ldd").write_text("\n".join(["linux-vdso.so.1 (0x00007)", *lines]))
        (self.folder / "build/meson-info").mkdir()
        (self.folder / "bench").rename(self.folder / "build/bench")
        options = [{"name": "libtorch", "value": str(self.folder / "torch")}]
        (self.folder / "build/meson-info/intro-buildoptions.json").write_text(json.dumps(options))
        for name, script in (("strip", "exit 0"), ("ldd", f"""case $1 in
*libtorch*) cat {self.folder}/libtorch.ldd ;;
*) cat {self.folder}/lamina.ldd ;;
esac""")):
            (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.folder / "bin" / name).chmod(0o755)
        case = [lamina("dense/a", 1.0)]
        outcome = self.run_plainly("--lamina", self.program("lamina", case), "--peer",
                                   f"libtorch={self.program('libtorch', case)}", "--threads", "1", "--build",
                                   self.folder / "build", "--filter", "cost/library", "--json",
                                   env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"})
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertEqual({row["case"]: (row["lamina"], row["peer"]) for row in json.loads(outcome.stdout)},
                         {"cost/library_on_disk": (3, 51),
                          "cost/library_on_disk_with_blas_and_openmp": (43, 60)})

    def test_memory_of_training(self):
        case = "training_step/cnn/nhwc"
        row, = self.rows([lamina(case, 1.0)], [record("libtorch", case, 1.0)], "--build", str(self.folder), "--filter",
                         "cost/training_memory")
        self.assertEqual((row["lamina"], row["peer"], row["unit"]), (12.5, 12.5, "MiB"))


class Accuracy(Programs):
    """A build folder whose programs need a number of epochs for each model."""

    def setUp(self):
        super().setUp()
        for name in (FIRST_FILE, "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
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

    def options(self, *arguments):
        return ("--lamina", "none", "--accuracy", "--build", self.folder, "--data", self.folder, *arguments)

    def accuracy(self, *arguments):
        return self.run_plainly("--threads", "1", *self.options(*arguments))

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

    def test_a_training_that_dies_is_named(self):
        self.learner("bench/lamina_accuracy", [0.985, 0.991, 0.994, 0, 0], 10, "nhwc")
        self.learner("bench/peers/libtorch_accuracy", [0.992], 100, "nchw")
        outcome = self.accuracy("--seeds", "1", "--json")
        self.assertEqual(outcome.returncode, 1)
        rows = {row["case"]: (row["lamina"], row["peer"]) for row in json.loads(outcome.stdout)}
        self.assertEqual(rows["accuracy/cnn/99.0"], (42.0, 202.0))
        self.assertIsNone(rows["accuracy/cnn/99.3"][1])
        self.assertIn("FAILED: libtorch: 4 of 8 runs, the last of them: status 1", outcome.stderr)

    def test_without_the_files(self):
        (self.folder / FIRST_FILE).unlink()
        for more in ((), ("--check-arguments",)):
            self.assert_refused("--accuracy needs the four files of MNIST (scripts/fetch_mnist.sh, or --data FOLDER); "
                                f"got '{self.folder}', which lacks some", *self.options(*more))

    def test_without_a_build(self):
        self.assert_refused("--accuracy needs --build", "--accuracy", "--data", self.folder)
        outcome = self.accuracy()
        self.assertEqual(outcome.returncode, 2)
        self.assertIn(f"--build must hold bench/lamina_accuracy; got '{self.folder}'", outcome.stderr)

    def test_the_folder_of_the_files_is_relative_to_the_one_that_is_named(self):
        outcome = self.run_plainly("--check-arguments", "--accuracy", "--relative-to", self.folder.parent, "--data",
                                   self.folder.name)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)

    def test_what_it_does_not_look_at_is_refused(self):
        for ignored in (("--filter", "cnn"), ("--quick",), ("--rounds", "2"), ("--seconds", "1"), ("--compare",),
                        ("--compare", "file"), ("--write-baseline", "file")):
            self.assert_refused(f"{ignored[0]} must stand alone, because --accuracy ignores it",
                                *self.options(*ignored))

    def test_numbers_that_train_nothing_are_refused(self):
        for option in ("--seeds", "--steps"):
            for value in ("0", "-1", "few"):
                self.assert_refused(f"{option}: must be a whole number from 1 on; got '{value}'",
                                    *self.options(option, value))


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

    def test_disturbed_samples_are_left_out_where_there_are_others(self):
        sampler = self.harness.Sampler(1)
        sampler.clean, sampler.disturbed = [4.0, 2.0], [1.0, 90.0, 80.0]
        self.assertEqual(sampler.record(), {"median": 3.0, "minimum": 2.0, "samples": 5, "disturbed": 3})
        sampler.clean = []
        self.assertEqual(sampler.record(), {"median": 80.0, "minimum": 1.0, "samples": 3, "disturbed": 3})


result = unittest.main(argv=sys.argv[:1], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
sys.exit(failed != 0)
