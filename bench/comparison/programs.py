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
    """One of them. A run that fails does not stop the comparison, but is counted."""

    def __init__(self, command, environment):
        self.command = shlex.split(str(command))
        self.environment = {**os.environ, **environment}
        self.about = {}  # by threads
        self.peak_memory = None  # MiB, of the last process
        self.runs = 0
        self.failures = {}  # what was wrong, by the number of the run

    def fail(self, what):
        if self.runs not in self.failures:
            warn(f"{self.command[-1]} failed: {what}")
            self.failures[self.runs] = what

    @property
    def failure(self):
        """How often and how it failed, or None."""
        if not self.failures:
            return None
        return f"{len(self.failures)} of {self.runs} runs, the last of them: {list(self.failures.values())[-1]}"

    def lines(self, threads, cpus, arguments):
        self.runs += 1
        try:
            outcome = subprocess.run(
                [*self.command, "--threads", str(threads), *arguments], text=True, stdout=subprocess.PIPE,
                env={**self.environment, "OMP_NUM_THREADS": str(threads)}, check=False,
                preexec_fn=lambda: os.sched_setaffinity(0, cpus[:threads]))
        except OSError as error:
            self.fail(str(error))
            return []
        if outcome.returncode:
            self.fail(f"status {outcome.returncode}")
        return [line for line in outcome.stdout.splitlines() if line]

    def records(self, threads, cpus, arguments):
        """The JSON objects that it prints."""
        found = []
        for line in self.lines(threads, cpus, arguments):
            try:
                found.append(json.loads(line))
            except ValueError:
                self.fail(f"a line must be JSON; got '{line}'")
        return found

    def cases(self, cpus):
        found = [line.removesuffix("/manual_time") for line in self.lines(1, cpus, ["--benchmark_list_tests=true"])
                 if not line.startswith("{")]
        if not found:
            self.fail("it listed no case")
        return found

    def measure(self, names, threads, cpus, seconds):
        """The records of these cases, by name."""
        only = "^(" + "|".join(re.escape(name) for name in names) + ")(/manual_time)?$"
        found = {}
        for record in self.records(threads, cpus, [f"--benchmark_filter={only}", f"--benchmark_min_time={seconds}"]):
            if "about" in record:
                self.about[threads] = record["about"]
            elif "peak_memory" in record:
                self.peak_memory = record["peak_memory"]
            else:
                found[record["case"]] = record
        lacking = [name for name in names if name not in found]
        if lacking:
            self.fail(f"no record of {lacking[0]}" + (f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""))
        return found
