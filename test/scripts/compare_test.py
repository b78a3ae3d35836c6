#!/usr/bin/env python3
"""bench/compare.py with programs that print recorded lines instead of measuring.

Usage: compare_test.py SOURCE_ROOT
"""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

source_root = Path(sys.argv[1])
CHECKS = {"y": [3.0, 10.0]}


def record(program, case, median, checks=None, samples=10, disturbed=0):
    return {"program": program, "case": case, "threads": 1, "median": median, "minimum": median / 2,
            "samples": samples, "disturbed": disturbed, "checks": CHECKS if checks is None else checks}


class Compare(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def program(self, name, records, silent=False):
        """A program that lists and prints these records, and notes that it was called."""
        path = self.folder / name
        lines = [json.dumps({"program": name, "about": {"version": f"{name} 1.2"}}), *map(json.dumps, records)]
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
        programs = ["--lamina", self.program("lamina", ours)]
        if theirs is not None:
            programs += ["--libtorch", self.program("libtorch", theirs)]
        return self.run_programs(*programs, *arguments)

    def run_programs(self, *arguments):
        return subprocess.run([sys.executable, source_root / "bench/compare.py", "--threads", "1", "--rounds", "1",
                               *arguments], text=True, capture_output=True, check=False)

    def rows(self, ours, theirs, *arguments):
        outcome = self.compare(ours, theirs, "--json", *arguments)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        return json.loads(outcome.stdout)

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

    def test_other_results_fail(self):
        for checks in ({"y": [3.002, 10.0]}, {"y": [3.0, 10.002]}, {"y": [None, 10.0]}, {"z": [3.0, 10.0]}):
            outcome = self.compare([record("lamina", "dense/a", 1.0)], [record("libtorch", "dense/a", 1.0, checks)])
            self.assertEqual(outcome.returncode, 1)
            self.assertIn("DIFFERS: dense/a, 1 thread(s)", outcome.stderr)
            self.assertIn("DIFFERS", outcome.stdout)

    def test_results_within_rounding_agree(self):
        outcome = self.compare([record("lamina", "dense/a", 1.0)],
                               [record("libtorch", "dense/a", 1.0, {"y": [3.0005, 10.0]})])
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertRegex(outcome.stdout, r"dense/a +1 +1 \(0\.5\) +1 \(0\.5\) +1\.00 \(1\.00\)  same +-")

    def test_lamina_alone(self):
        outcome = self.compare([record("lamina", "tape/add", 0.0002)], None)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertIn("lamina 1.2", outcome.stdout)
        self.assertRegex(outcome.stdout, r"tape/add +1 +0\.0002 \(0\.0001\) +- +- +- +- +-")

    def test_a_baseline_of_the_same_program(self):
        ours = [record("lamina", "options/a/renorm", 2.0) | {"baseline": 1.6, "times_baseline": 1.25}]
        row, = self.rows(ours, None)
        self.assertEqual(row["times_baseline"], 1.25)
        self.assertRegex(self.compare(ours, None).stdout, r"x plain\n(.*\n)*options/a/renorm .* 1\.25\n")

    def test_disturbed_times_are_marked(self):
        outcome = self.compare([record("lamina", "tape/add", 2.0, disturbed=10)], None)
        self.assertRegex(outcome.stdout, r"tape/add +1 +2 \(1\)~")

    def test_filter_and_quick(self):
        ours = [record("lamina", case, 1.0) for case in ("dense/a", "tape/b", "cnn_layers/nhwc/c")]
        self.assertEqual([row["case"] for row in self.rows(ours, None, "--filter", "tape|cnn")],
                         ["tape/b", "cnn_layers/nhwc/c"])
        self.assertEqual([row["case"] for row in self.rows(ours, None, "--quick")], ["dense/a", "tape/b"])
        self.assertEqual(self.compare(ours, None, "--filter", "nothing").returncode, 2)

    def test_a_case_that_gave_nothing_fails(self):
        silent = self.program("lamina", [record("lamina", "dense/a", 1.0)], silent=True)
        outcome = self.run_programs("--lamina", silent)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("MISSING: dense/a", outcome.stderr)


result = unittest.main(argv=sys.argv[:1], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{result.testsRun - failed} passed, {failed} failed")
sys.exit(failed != 0)
