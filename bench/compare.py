#!/usr/bin/env python3
"""Runs lamina_bench and its peers alternately, checks that all computed the same, prints them side by side.

Every group of cases runs in a fresh process of each program, round after round, with the order swapped in
every second round; all processes are bound to the same CPUs. A time is the median over the rounds of the
medians within them; in parentheses the smallest minimum. A ratio above 1 means that lamina is faster than the
best peer. "~" marks times of which fewer than three samples were undisturbed: they wait for a quieter machine.

Where a library may choose the layout of images (convolutions, whole networks), every peer counts with its
best one; batch normalization, alone or with what follows, is compared in the same layout. "limit": which share
of the machine's limit lamina reaches, from the least work and the machine's cases of the same run. "x plain":
the time over that of the same layer without options, measured in turn. "others": the remaining programs.
"""
import argparse
import json
import os
import re
import shlex
import shutil
import sys
import time

from comparison import accuracy, baseline, costs
from comparison.programs import KEPT_MEMORY, Program, warn
from comparison.results import Result, is_machine, rows_of, work_of
from comparison.table import header, table_of

MACHINE_SECONDS = 0.1  # are enough for a case of the machine
QUICK_SECONDS = 110  # after them --quick does with one round
# --quick leaves out the network's single layers, convolutions that no network of the benchmark has, and what takes
# long without being anybody's best.
NOT_QUICK = re.compile(r"cnn_layers/|convolution/(?!128x32x14x14|64x32x14x14|32x64x56x56|128x1x28x28)"
                       r"|cost/compile|fused_blocks/.*/nchw|batch_normalization_options/64x|training_step/cnn/nhwc@xla")


def group_of(case):
    """Cases of one group run in one process. Starting Python takes long: what TensorFlow does is one group."""
    words = work_of(case).split("/")
    alone = words[0] in ("machine", "training_step", "batch_normalization_options")
    return words[0] if alone else "/".join(words[:2])


def grouped(names):
    groups = {}
    for name in names:
        groups.setdefault(group_of(name), []).append(name)
    return groups


class Comparison:
    """Measures the groups with all programs in turn."""

    def __init__(self, programs, options, cpus):
        self.programs, self.options, self.cpus = programs, options, cpus
        self.start = time.monotonic()
        cases = {name: [case for case in program.cases(cpus) if not (options.quick and NOT_QUICK.match(case))]
                 for name, program in programs.items()}
        ours = [case for case in cases["lamina"] if is_machine(case) or re.search(options.filter, case)]
        works = {work_of(case) for case in ours}
        self.groups = {name: grouped(ours if name == "lamina" else [case for case in listed if work_of(case) in works])
                       for name, listed in cases.items()}
        self.rows, self.limits, self.missing = [], {}, []

    @property
    def found_any(self):
        return any(group != "machine" for group in self.groups["lamina"])

    def measure_group(self, group, threads, results):
        warn(f"[{time.monotonic() - self.start:4.0f} s] {threads} thread(s): {group}")
        seconds = min(self.options.seconds, MACHINE_SECONDS) if group == "machine" else self.options.seconds
        for turn in range(self.options.rounds):
            if turn > 0 and self.options.quick and time.monotonic() - self.start > QUICK_SECONDS:
                return
            for name in list(self.programs)[::-1 if turn % 2 else 1]:
                # Half a minute of every round goes into starting it.
                if name == "tensorflow" and self.options.quick and turn > 0:
                    continue
                names = self.groups[name].get(group, [])
                records = self.programs[name].measure(names, threads, self.cpus, seconds) if names else {}
                for case in names:
                    if case in records:
                        results[name].setdefault(case, Result()).add(records[case])

    def measure(self, threads):
        results = {name: {} for name in self.programs}
        for group in self.groups["lamina"]:
            self.measure_group(group, threads, results)
        self.rows += rows_of(results, threads)
        self.limits[str(threads)] = {case: result.median for case, result in results["lamina"].items()
                                     if is_machine(case)}
        self.missing += [f"{name}: {case}, {threads} thread(s)" for name in self.programs
                         for group in self.groups["lamina"] for case in self.groups[name].get(group, [])
                         if case not in results[name]]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--lamina", required=True, help="path of lamina_bench")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                        help="a program that does the same work; may be repeated")
    parser.add_argument("--build", help="the build folder, for what using the libraries costs")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--quick", action="store_true", help="two short rounds, without single layers of the network")
    parser.add_argument("--json", action="store_true", help="an array of objects instead of the table")
    parser.add_argument("--rounds", type=int, help="how often each program runs each case")
    parser.add_argument("--seconds", type=float, help="of measuring, per case and round")
    parser.add_argument("--threads", default="1,2", help="comma-separated thread counts (default: 1,2)")
    parser.add_argument("--compare", nargs="?", const="bench/baseline.json", metavar="FILE",
                        help="shows what has become slower since (default: bench/baseline.json)")
    parser.add_argument("--write-baseline", nargs="?", const="bench/baseline.json", metavar="FILE",
                        help="keeps the figures of this run (default: bench/baseline.json)")
    parser.add_argument("--accuracy", action="store_true",
                        help="instead of all that: seconds of training to a given accuracy on the real MNIST")
    parser.add_argument("--seeds", type=int, default=3, help="of --accuracy (default: 3)")
    parser.add_argument("--steps", type=int, help="of every epoch of --accuracy, to try it out")
    parser.add_argument("--data", help="the folder of MNIST for --accuracy (default: ~/.cache/lamina)")
    options = parser.parse_args()
    try:
        re.compile(options.filter)
    except re.error as error:
        parser.error(f"--filter must be a regular expression; got '{options.filter}': {error}")
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", options.threads):
        parser.error(f"--threads must be numbers from 1 on, with commas; got '{options.threads}'")
    if not options.accuracy and not shutil.which(next(iter(shlex.split(options.lamina)), "")):
        parser.error(f"--lamina must name a program; got '{options.lamina}'")
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.03 if options.quick else 0.3)
    return options


def thread_counts(options, cpus):
    for threads in map(int, options.threads.split(",")):
        if threads <= len(cpus):
            yield threads
        else:
            warn(f"{threads} threads left out: only {len(cpus)} CPUs")


def complaints(rows, missing):
    """What must not be overlooked, as lines."""
    return [f"DIFFERS: {row['case']}, {row['threads']} thread(s): {text}"
            for row in rows for text in row["differences"] or []] + [f"MISSING: {text}" for text in missing]


def measured(programs, options, cpus):
    """The comparison with all its rows, or None where no case was asked for."""
    comparison = Comparison(programs, options, cpus)
    wanted_costs = [case for case in costs.CASES if options.build and re.search(options.filter, case)
                    and not (options.quick and NOT_QUICK.match(case))]
    if not comparison.found_any and not wanted_costs:
        warn(f"no case matches '{options.filter}'")
        return None
    if comparison.found_any:
        for threads in thread_counts(options, cpus):
            comparison.measure(threads)
    rows, missing = costs.rows_of(wanted_costs, options.build, programs, cpus, options.rounds)
    comparison.rows += rows
    comparison.missing += missing
    comparison.rows.sort(key=lambda row: row["threads"])
    return comparison


def main():
    options = arguments()
    cpus = sorted(os.sched_getaffinity(0))
    if options.accuracy:
        return accuracy.main(options, list(thread_counts(options, cpus)), cpus)
    kept = baseline.read(options.compare) if options.compare else None
    programs = {"lamina": Program(options.lamina, {})}
    for text in options.peer:
        name, _, command = text.partition("=")
        programs[name] = Program(command, KEPT_MEMORY)
    load = os.getloadavg()
    comparison = measured(programs, options, cpus)
    if comparison is None:
        return 2
    rows, limits = comparison.rows, comparison.limits
    changed = baseline.changes(rows, limits, kept) if kept else []
    for now, then, ratio, _ in changed:
        now |= {"baseline": then["lamina"], "baseline_ratio": ratio}
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print("\n".join([*header(programs, options, cpus, load, limits), "", *table_of(rows)]))
        if kept:
            print("\n".join(["", *baseline.table_of(changed, rows, kept)]))
    if options.write_baseline:
        baseline.write(options.write_baseline, rows, limits)
    wrong = complaints(rows, comparison.missing)
    wrong += [f"SLOWER: {now['case']}, {now['threads']} thread(s): {ratio:.2f} times the baseline"
              for now, _, ratio, ratio_of_minima in changed if baseline.is_slower(ratio, ratio_of_minima)]
    for text in wrong:
        warn(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
