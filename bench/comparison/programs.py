"""The programs that are compared: how they are called, and the lines that they print (bench/support/harness.hpp)."""
import json
import os
import re
import shlex
import subprocess
import sys

# glibc gives memory back to the system unless it is told not to; lamina keeps it by itself.
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1000000000000",
               "MALLOC_TOP_PAD_": "268435456"}


def warn(text):
    print(text, file=sys.stderr, flush=True)


class Program:
    def __init__(self, command, environment):
        self.command = shlex.split(str(command))
        self.environment = {**os.environ, **environment}
        self.about = {}  # by threads
        self.peak_memory = None  # MiB, of the last process

    def lines(self, threads, cpus, arguments):
        outcome = subprocess.run(
            [*self.command, "--threads", str(threads), *arguments], text=True, stdout=subprocess.PIPE,
            env={**self.environment, "OMP_NUM_THREADS": str(threads)}, check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus[:threads]))
        if outcome.returncode:
            warn(f"{self.command[-1]} failed with status {outcome.returncode}")
        return [line for line in outcome.stdout.splitlines() if line]

    def cases(self, cpus):
        return [line.removesuffix("/manual_time") for line in self.lines(1, cpus, ["--benchmark_list_tests=true"])
                if not line.startswith("{")]

    def measure(self, names, threads, cpus, seconds):
        """The records of these cases, by name."""
        only = "^(" + "|".join(re.escape(name) for name in names) + ")(/manual_time)?$"
        records = {}
        for line in self.lines(threads, cpus, [f"--benchmark_filter={only}", f"--benchmark_min_time={seconds}"]):
            record = json.loads(line)
            if "about" in record:
                self.about[threads] = record["about"]
            elif "peak_memory" in record:
                self.peak_memory = record["peak_memory"]
            else:
                records[record["case"]] = record
        return records
