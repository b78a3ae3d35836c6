#!/usr/bin/env python3
"""Sums the test cases of a meson test log: "N passed, N failed" is the last line, exit status 1 on any
failure or when nothing ran.

A Boost.Test program counts with its cases; a script that prints a line "N passed, N failed" with
those; any other test is one. A program that fails otherwise (a crash, a leak) is one failure more.
"""
import json
import re
import sys

BOOST_TOTAL = re.compile(r"^\s*(\d+) test cases? out of (\d+) (.+)$", re.MULTILINE)
SCRIPT_TOTAL = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)


def counts(test):
    """(passed, failed) of one test of the log."""
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    output = test.get("stdout", "") + "\n" + test.get("stderr", "")
    passed = failed = 0
    boost = BOOST_TOTAL.findall(output)
    script = SCRIPT_TOTAL.findall(output)
    if boost:
        for number, _, outcome in boost:
            if outcome.startswith("passed"):
                passed += int(number)
            elif outcome.startswith(("failed", "aborted")):
                failed += int(number)
    elif script:
        passed, failed = (int(number) for number in script[-1])
    elif good:
        passed = 1
    if not good and failed == 0:
        failed = 1
    return passed, failed


def main():
    passed = failed = 0
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            tests = [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        tests = []
    for test in tests:
        if test["result"] == "SKIP":
            print(f"{test['name']}: skipped")
            continue
        one_passed, one_failed = counts(test)
        if one_failed:
            print(f"{test['name']}: {one_passed} passed, {one_failed} failed ({test['result']})")
        passed += one_passed
        failed += one_failed
    if passed + failed == 0:
        print("no test was run")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


sys.exit(main())
