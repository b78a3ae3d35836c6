"""support/harness.hpp and support/values.hpp for a peer that is programmed in Python: the same arguments, inputs,
clocks, rejection of disturbed samples, and lines of JSON."""
import argparse
import json
import os
import re
import statistics
import time

import numpy as np

TOLERATED_DELAY = 0.02
ENOUGH_SAMPLES = 3
WARM_UPS = 3


# Inputs and checksums ------------------------------------------------------------------------------

def random_bits(stream, count):
    """SplitMix64 (Steele, Lea, Flood 2014) of (stream, index)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15) + np.uint64(stream << 40)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return z ^ (z >> np.uint64(31))


def uniform_values(stream, shape, low=-1.0, high=1.0):
    unit = (random_bits(stream, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) * 2.0**-24
    return (low + (high - low) * unit).astype(np.float32).reshape(shape)


def kernel_values(stream, shape):
    """Of a kernel whose last axis is its outputs."""
    limit = (6.0 * shape[-1] / np.prod(shape)) ** 0.5
    return uniform_values(stream, shape, -limit, limit)


def class_labels(stream, count, classes):
    return (random_bits(stream, count) % np.uint64(classes)).astype(np.int64)


def checksum(values):
    """[sum with pseudo-random signs, norm]."""
    values = np.asarray(values, dtype=np.float64).ravel()
    signs = np.where(random_bits(0, values.size) & np.uint64(1), 1.0, -1.0)
    return [float(signs @ values), float(np.sqrt(values @ values))]


# Measuring -----------------------------------------------------------------------------------------

def run_queue_delay():
    """Seconds that the threads of this process have waited for a CPU; 0 where the kernel does not tell."""
    waited = 0
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/schedstat", encoding="ascii") as file:
                waited += int(file.read().split()[1])
        except (OSError, IndexError):
            pass
    return 1e-9 * waited


def peak_memory():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


class Sampler:
    """Times calls of a function, as the harness in C++ does."""

    def __init__(self, threads):
        self.threads = threads
        self.clean, self.disturbed = [], []

    def take(self, run):
        delay = run_queue_delay()
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        cpu = time.process_time() - cpu
        wall = time.perf_counter() - wall
        disturbed = run_queue_delay() - delay > TOLERATED_DELAY * wall
        (self.disturbed if disturbed else self.clean).append(1e3 * (cpu if self.threads == 1 else wall))
        return wall

    def record(self):
        times = self.clean or self.disturbed
        return {"median": statistics.median(times), "minimum": min(times),
                "samples": len(self.clean) + len(self.disturbed), "disturbed": len(self.disturbed)}


def measured(make, threads, seconds):
    """A case's record; `make` gives its run and its check."""
    run, check = make()
    run()
    checks = check()
    for _ in range(WARM_UPS):
        run()
    sampler, spent = Sampler(threads), 0
    while spent < seconds or len(sampler.clean) + len(sampler.disturbed) < ENOUGH_SAMPLES:
        spent += sampler.take(run)
    return {**sampler.record(), "checks": checks}


def main(program, cases, start, about):
    """`cases` maps names to functions that make (run, check); `start` is told the number of threads."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--benchmark_list_tests", default="false")
    parser.add_argument("--benchmark_filter", default=".")
    parser.add_argument("--benchmark_min_time", type=float, default=0.3)
    options = parser.parse_args()
    if options.benchmark_list_tests == "true":
        print(*cases, sep="\n")
        return
    start(options.threads)
    print(json.dumps({"program": program, "about": about(options.threads)}), flush=True)
    for name, make in cases.items():
        if re.search(options.benchmark_filter, name):
            record = measured(make, options.threads, options.benchmark_min_time)
            print(json.dumps({"program": program, "case": name, "threads": options.threads, **record}), flush=True)
    print(json.dumps({"program": program, "peak_memory": peak_memory()}))
