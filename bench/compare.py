#!/usr/bin/env python3
"""Runs lamina_bench and its peer alternately, checks that both computed the same, prints them side by side.

Every group of cases runs in a fresh process of each program, round after round, with the order swapped in
every second round; all processes are bound to the same CPUs. A time is the median over the rounds of the
medians within them; in parentheses the smallest minimum. A ratio above 1 means that lamina is faster. "~"
marks times of which fewer than three samples were undisturbed: they wait for a quieter machine.

Where a library may choose the layout of images (convolutions, whole networks), the peer counts with its
better one; batch normalization is compared in the same layout. "x plain": the time over that of the same
layer without options, measured in turn.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

TOLERANCE = 1e-4  # of a checksum, relative to the norm of the values
LAYOUT = re.compile(r"/(nhwc|nchw)(?=/|$)")
# libtorch keeps its memory only when glibc is told to; lamina does so by itself.
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1000000000000",
               "MALLOC_TOP_PAD_": "268435456"}


def warn(text):
    print(text, file=sys.stderr, flush=True)


class Program:
    def __init__(self, path, environment):
        self.path = path
        self.environment = {**os.environ, **environment}
        self.about = {}

    def lines(self, threads, cpus, arguments):
        outcome = subprocess.run(
            [self.path, "--threads", str(threads), *arguments], text=True, stdout=subprocess.PIPE,
            env={**self.environment, "OMP_NUM_THREADS": str(threads)}, check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus[:threads]))
        if outcome.returncode:
            warn(f"{self.path} failed with status {outcome.returncode}")
        return outcome.stdout.splitlines()

    def cases(self, pattern):
        names = [line.removesuffix("/manual_time") for line in
                 self.lines(1, sorted(os.sched_getaffinity(0)), ["--benchmark_list_tests=true"])
                 if not line.startswith("{")]
        return [name for name in names if re.search(pattern, name)]

    def measure(self, names, threads, cpus, seconds):
        """The records of these cases, by name."""
        only = "^(" + "|".join(re.escape(name) for name in names) + ")(/manual_time)?$"
        records = {}
        for line in self.lines(threads, cpus, [f"--benchmark_filter={only}", f"--benchmark_min_time={seconds}"]):
            record = json.loads(line)
            if "about" in record:
                self.about[threads] = record["about"]
            else:
                records[record["case"]] = record
        return records


def grouped(names):
    """Cases that run in one process: those that agree in the first two words of the name."""
    groups = {}
    for name in names:
        groups.setdefault("/".join(name.split("/")[:2]), []).append(name)
    return groups


class Result:
    """What the rounds of one case gave."""

    def __init__(self):
        self.records = []

    def add(self, record):
        self.records.append(record)

    @property
    def median(self):
        return statistics.median(record["median"] for record in self.records)

    @property
    def minimum(self):
        return min(record["minimum"] for record in self.records)

    @property
    def times_baseline(self):
        """How many times its baseline the case took; None where it has none."""
        quotients = [record["times_baseline"] for record in self.records if "times_baseline" in record]
        return statistics.median(quotients) if quotients else None

    @property
    def noisy(self):
        return sum(record["samples"] - record["disturbed"] for record in self.records) < 3

    @property
    def checks(self):
        return self.records[0]["checks"]


def differences(ours, theirs):
    """Which checks disagree; an empty list when both computed the same."""
    found = []
    if ours.keys() != theirs.keys():
        return [f"checks {sorted(ours)} against {sorted(theirs)}"]
    for name, (value, scale) in ours.items():
        other, other_scale = theirs[name]
        numbers = (value, scale, other, other_scale)
        if None in numbers or abs(value - other) > TOLERANCE * max(scale, other_scale, 1e-30) \
                or abs(scale - other_scale) > TOLERANCE * max(scale, other_scale):
            found.append(f"{name}: {value} (size {scale}) against {other} (size {other_scale})")
    return found


def peer_of(case, results):
    """(name, result) of what the case is compared with."""
    candidates = [case]
    if not case.startswith("batch_normalization/"):
        candidates += [LAYOUT.sub("/" + layout, case) for layout in ("nhwc", "nchw")]
    there = [name for name in dict.fromkeys(candidates) if name in results]
    if not there:
        return None
    best = min(there, key=lambda name: results[name].median)
    layout = LAYOUT.search(best)
    return ("libtorch " + layout.group(1) if layout else "libtorch"), results[best]


def rows_of(results, threads):
    """One row per case of lamina, in the format of --json; times in milliseconds."""
    ours, theirs = results["lamina", threads], results.get(("libtorch", threads), {})
    rows = []
    for case, result in ours.items():
        row = {"case": case, "threads": threads, "lamina": result.median, "lamina_minimum": result.minimum,
               "lamina_noisy": result.noisy}
        if result.times_baseline is not None:
            row["times_baseline"] = result.times_baseline
        peer = peer_of(case, theirs)
        if peer:
            name, other = peer
            row |= {"peer_name": name, "peer": other.median, "peer_minimum": other.minimum,
                    "peer_noisy": other.noisy, "ratio": other.median / result.median,
                    "ratio_of_minima": other.minimum / result.minimum}
        if case in theirs:
            row["differences"] = differences(result.checks, theirs[case].checks)
        rows.append(row)
    return rows


def table_of(rows):
    """Text lines of the table."""
    def time_cell(row, name):
        if name not in row:
            return "-"
        return f"{row[name]:.3g} ({row[name + '_minimum']:.3g})" + ("~" if row[name + "_noisy"] else "")

    cells = [["case", "thr", "lamina ms (min)", "libtorch ms (min)", "layout", "ratio (min)", "result",
              "x plain"]]
    for row in rows:
        layout = row.get("peer_name", "-").removeprefix("libtorch").strip()
        ratio = f"{row['ratio']:.2f} ({row['ratio_of_minima']:.2f})" if "ratio" in row else "-"
        same = {True: "same", False: "DIFFERS"}[not row["differences"]] if "differences" in row else "-"
        cells.append([row["case"], str(row["threads"]), time_cell(row, "lamina"), time_cell(row, "peer"),
                      layout, ratio, same, f"{row['times_baseline']:.2f}" if "times_baseline" in row else "-"])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) if column in (0, 4, 6) else cell.rjust(width)
                       for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in cells]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def header(programs, options, cpus, load):
    with open("/proc/meminfo", encoding="utf-8") as info:
        memory = int(info.readline().split()[1]) >> 20
    yield f"CPU         {cpu_name()}, {os.cpu_count()} CPUs, {memory} GiB, {platform.system()} {platform.release()}"
    yield f"binding     thread k of every program on CPU {', '.join(map(str, cpus))}"
    yield f"load        {load[0]:.1f} at the start, {os.getloadavg()[0]:.1f} at the end (besides one program at a time)"
    yield f"rounds      {options.rounds}, {options.seconds} s per case and round"
    yield "clock       1 thread: CPU time of the process; more: wall time"
    for program in programs.values():
        about = {}
        for facts in program.about.values():
            for name, value in facts.items():
                if value not in about.setdefault(name, []):
                    about[name].append(value)
        yield ""
        for name in ("version", "threads", "BLAS", "allocator", "compiler"):
            yield f"{name:<11} {' / '.join(about.get(name, ['?']))}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lamina", required=True, help="path of lamina_bench")
    parser.add_argument("--libtorch", help="path of libtorch_bench")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--quick", action="store_true", help="two short rounds, without the network's single layers")
    parser.add_argument("--json", action="store_true", help="an array of objects instead of the table")
    parser.add_argument("--rounds", type=int, help="how often each program runs each case")
    parser.add_argument("--seconds", type=float, help="of measuring, per case and round")
    parser.add_argument("--threads", default="1,2", help="comma-separated thread counts (default: 1,2)")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.03 if options.quick else 0.3)
    return options


def main():
    options = arguments()
    programs = {"lamina": Program(options.lamina, {})}
    if options.libtorch:
        programs["libtorch"] = Program(options.libtorch, KEPT_MEMORY)
    groups = {name: grouped(program.cases(options.filter)) for name, program in programs.items()}
    wanted = [group for group in groups["lamina"] if not (options.quick and group.startswith("cnn_layers"))]
    if not wanted:
        warn(f"no case matches '{options.filter}'")
        return 2
    cpus = sorted(os.sched_getaffinity(0))
    load, start = os.getloadavg(), time.monotonic()
    rows, results = [], {}
    for threads in map(int, options.threads.split(",")):
        if threads > len(cpus):
            warn(f"{threads} threads left out: only {len(cpus)} CPUs")
            continue
        for group in wanted:
            warn(f"[{time.monotonic() - start:4.0f} s] {threads} thread(s): {group}")
            for turn in range(options.rounds):
                for name in list(programs)[::-1 if turn % 2 else 1]:
                    here = results.setdefault((name, threads), {})
                    names = groups[name].get(group, [])
                    records = programs[name].measure(names, threads, cpus, options.seconds) if names else {}
                    for case in names:
                        if case in records:
                            here.setdefault(case, Result()).add(records[case])
        rows += rows_of(results, threads)
    rows.sort(key=lambda row: row["threads"])
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print("\n".join([*header(programs, options, cpus, load), "", *table_of(rows)]))
    different = [f"{row['case']}, {row['threads']} thread(s): {text}"
                 for row in rows for text in row.get("differences", [])]
    for text in different:
        warn(f"DIFFERS: {text}")
    missing = [case for case in sum((groups["lamina"][group] for group in wanted), [])
               if case not in (row["case"] for row in rows)]
    for case in missing:
        warn(f"MISSING: {case}")
    return 1 if different or missing else 0


if __name__ == "__main__":
    sys.exit(main())
