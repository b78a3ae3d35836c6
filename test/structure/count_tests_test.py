#!/usr/bin/env python3
"""scripts/count_tests.py counts every failure, also those that no counter mentions.

Usage: count_tests_test.py SOURCE_ROOT
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

counter = Path(sys.argv[1]) / "scripts" / "count_tests.py"


def verdict(*tests):
    """Exit status and last line for the tests of a log."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.json")
        with open(log, "w", encoding="utf-8") as file:
            for result, stdout in tests:
                file.write(json.dumps({"name": "t", "result": result, "stdout": stdout}) + "\n")
        outcome = subprocess.run([sys.executable, counter, log], text=True, capture_output=True,
                                 check=False)
        return outcome.returncode, outcome.stdout.splitlines()[-1]


class Counts(unittest.TestCase):
    def test_boost_totals_are_summed(self):
        self.assertEqual((0, "5 passed, 0 failed"),
                         verdict(("OK", "  3 test cases out of 3 passed\n  9 assertions out of 9 passed\n"),
                                 ("OK", "  2 test cases out of 2 passed\n")))

    def test_boost_failures_and_aborts_are_failures(self):
        output = "  1 test case out of 4 passed\n  2 test cases out of 4 failed\n  1 test case out of 4 aborted\n"
        self.assertEqual((1, "1 passed, 3 failed"), verdict(("FAIL", output)))

    def test_scripts_count_with_what_they_say(self):
        self.assertEqual((0, "4 passed, 0 failed"), verdict(("OK", "...\n4 passed, 0 failed\n")))

    def test_anything_else_is_one_test(self):
        self.assertEqual((0, "1 passed, 0 failed"), verdict(("OK", "fine")))
        self.assertEqual((1, "0 passed, 1 failed"), verdict(("FAIL", "golden: 7 compared")))

    def test_a_leak_or_crash_after_all_cases_passed_is_a_failure(self):
        self.assertEqual((1, "3 passed, 1 failed"), verdict(("FAIL", "  3 test cases out of 3 passed\n")))
        self.assertEqual((1, "0 passed, 1 failed"), verdict(("TIMEOUT", "")))

    def test_nothing_run_is_no_success(self):
        self.assertEqual((1, "0 passed, 0 failed"), verdict())


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
sys.exit(failed != 0)
