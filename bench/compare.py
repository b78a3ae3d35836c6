#!/usr/bin/env python3
"""Runs lamina_bench and its peers alternately, checks that all computed the same, prints them side by side.

Every group of cases runs in a fresh process of each program, round after round, with the order swapped in
every second round; all processes are bound to the same CPUs. A time is the median over the rounds of the
medians within them; in parentheses the smallest minimum. A ratio above 1 means that lamina is faster than the
best peer. Samples during which threads waited for a CPU are left out; "~" marks times of which fewer than three
others are left: they wait for a quieter machine.

A program that dies does not stop the run, but is named at the end; then the status is 1, as it is when results
differ or something has become slower. The results of every round are compared.

Where a library may choose the layout of images (convolutions, whole networks), every peer counts with its
best one; batch normalization, alone or with what follows, is compared in the same layout. "limit": which share
of the machine's limit lamina reaches, from the least work and the machine's cases of the same run. "x plain":
the time over that of the same layer without options, measured in turn. "others": the remaining programs.
"""
import json
import os
import re
import sys
import time

from comparison import accuracy, baseline, costs
from comparison.arguments import arguments
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
        self.rows, self.limits, self.missing, self.failures = [], {}, [], []

    @property
    def found_any(self):
        return any(group != "machine" for group in self.groups["lamina"])

    def complaints(self):
        """What must not be overlooked, as lines."""
        failures = [f"{name}: {program.failure}" for name, program in self.programs.items() if program.failure]
        return [f"DIFFERS: {row['case']}, {row['threads']} thread(s): {text}"
                for row in self.rows for text in row["differences"] or []] \
            + [f"MISSING: {text}" for text in self.missing] \
            + [f"FAILED: {text}" for text in failures + self.failures]

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

    def measure(self, threads, groups):
        results = {name: {} for name in self.programs}
        for group in groups:
            self.measure_group(group, threads, results)
        self.rows += rows_of(results, threads)
        self.limits[str(threads)] = {case: result.median for case, result in results["lamina"].items()
                                     if is_machine(case)}
        self.missing += [f"{name}: {case}, {threads} thread(s)" for name in self.programs
                         for group in groups for case in self.groups[name].get(group, [])
                         if case not in results[name]]


def measure_all(comparison, options, programs, cpus):
    """Everything that was asked for; False where that is no case."""
    wanted_costs = [case for case in costs.CASES if options.build and re.search(options.filter, case)
                    and not (options.quick and NOT_QUICK.match(case))]
    if not comparison.found_any and not wanted_costs:
        warn(f"no case matches '{options.filter}'")
        return False
    if comparison.found_any:
        for threads in options.threads:
            comparison.measure(threads, comparison.groups["lamina"])
    rows, missing, failures = costs.rows_of(wanted_costs, options.build, programs, cpus, options.rounds)
    # A baseline's times are multiples of what the machine can do with as many threads.
    if options.kept or options.write_baseline:
        for threads in {row["threads"] for row in rows} - {int(threads) for threads in comparison.limits}:
            comparison.measure(threads, [group for group in comparison.groups["lamina"] if group == "machine"])
    comparison.rows += rows
    comparison.missing += missing
    comparison.failures += failures
    comparison.rows.sort(key=lambda row: row["threads"])
    return True


def main():
    options = arguments(__doc__.splitlines()[0])
    if options.check_arguments:
        return 0
    cpus = sorted(os.sched_getaffinity(0))
    if options.accuracy:
        return accuracy.main(options, cpus)
    programs = {"lamina": Program(options.lamina, {})}
    for text in options.peer:
        name, _, command = text.partition("=")
        programs[name] = Program(command, KEPT_MEMORY)
    load = os.getloadavg()
    comparison = Comparison(programs, options, cpus)
    if not measure_all(comparison, options, programs, cpus):
        wrong = comparison.complaints()
        for text in wrong:
            warn(text)
        return 1 if wrong else 2
    rows, limits = comparison.rows, comparison.limits
    changed = baseline.changes(rows, limits, options.kept) if options.kept else []
    for now, then, ratio, _ in changed:
        now |= {"baseline": then["lamina"], "baseline_ratio": ratio}
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print("\n".join([*header(programs, options, cpus, load, limits), "", *table_of(rows)]))
        if options.kept:
            print("\n".join(["", *baseline.table_of(changed, rows, options.kept)]))
    if options.write_baseline:
        baseline.write(options.write_baseline, rows, limits)
    wrong = comparison.complaints()
    wrong += [f"SLOWER: {now['case']}, {now['threads']} thread(s): {ratio:.2f} times the baseline"
              for now, _, ratio, ratio_of_minima in changed if baseline.is_slower(ratio, ratio_of_minima)]
    for text in wrong:
        warn(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
