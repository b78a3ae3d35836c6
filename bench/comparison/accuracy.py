"""Seconds of training until a network reaches a given accuracy on the real MNIST (bench/support/mnist_recipe.hpp).

The recipe's learning rate ends at 0, so how long it takes is a matter of how many epochs it is told: for every
seed the smallest number that reaches the goal counts, with the seconds that this run took. Libraries begin with
the same weights and see the same batches, one after the other for every seed, order swapped.
"""
import json
import math
import os
import subprocess
from pathlib import Path

from comparison.programs import KEPT_MEMORY, warn
from comparison.results import row
from comparison.table import table_of

GOALS = (("cnn", 0.990), ("cnn", 0.993), ("mlp", 0.980))
MOST_EPOCHS = 5
TRIAL_STEPS = 20
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def mnist_folder(given):
    """Where the four files lie, or None."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(given) if given else cache / "lamina"
    return folder if all((folder / name).exists() for name in FILES) else None


class Runner:
    """Trains with the programs of a build folder; what was trained once is remembered."""

    def __init__(self, build, data, steps, cpus):
        programs = {"lamina": Path(build) / "bench/lamina_accuracy",
                    "libtorch": Path(build) / "bench/peers/libtorch_accuracy"}
        self.programs = {name: path for name, path in programs.items() if path.exists()}
        self.data, self.steps, self.cpus = data, steps, cpus
        self.known, self.layouts = {}, {}

    def run(self, name, model, layout, epochs, seed, threads, steps):
        """The record that the program prints."""
        key = (name, model, layout, epochs, seed, threads, steps)
        if key not in self.known:
            command = [self.programs[name], "--model", model, "--layout", layout, "--epochs", str(epochs), "--seed",
                       str(seed), "--threads", str(threads), "--data", self.data, "--steps", str(steps or 0)]
            kept = {} if name == "lamina" else KEPT_MEMORY
            outcome = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True,
                                     env={**os.environ, **kept, "OMP_NUM_THREADS": str(threads)},
                                     preexec_fn=lambda: os.sched_setaffinity(0, self.cpus[:threads]))
            self.known[key] = json.loads(outcome.stdout)
        return self.known[key]

    def layout(self, name, model, threads):
        """The one in which a library trains faster, from a few steps of each."""
        if model == "mlp":
            return "nhwc"
        if (name, threads) not in self.layouts:
            self.layouts[name, threads] = min(
                ("nhwc", "nchw"),
                key=lambda layout: self.run(name, model, layout, 1, 1, threads, TRIAL_STEPS)["seconds"])
        return self.layouts[name, threads]

    def trained(self, name, model, epochs, seed, threads):
        record = self.run(name, model, self.layout(name, model, threads), epochs, seed, threads, self.steps)
        seconds = record["cpu_seconds" if threads == 1 else "seconds"]
        warn(f"{name}: {model}, {epochs} epochs, seed {seed}, {threads} thread(s): "
             f"{100 * record['accuracy']:.2f} % in {seconds:.1f} s")
        return record["accuracy"], seconds

    def seconds_to(self, name, model, goal, seed, threads):
        """Of the shortest training that reaches the goal; None where the longest does not."""
        for epochs in range(1, MOST_EPOCHS + 1):
            accuracy, seconds = self.trained(name, model, epochs, seed, threads)
            if accuracy >= goal:
                return seconds
        return None


def rows_of(runner, seeds, threads):
    """One row per goal, in seconds: the median over the seeds, of which one that never got there took forever."""
    rows = []
    for model, goal in GOALS:
        found = {name: [] for name in runner.programs}
        for seed in range(1, seeds + 1):
            for name in list(runner.programs)[::-1 if seed % 2 else 1]:
                found[name].append(runner.seconds_to(name, model, goal, seed, threads))
        case = f"accuracy/{model}/{100 * goal:.1f}"
        for name, times in found.items():
            if None in times:
                warn(f"{name}: {case} was not reached with {times.count(None)} of {seeds} seeds")
        sorted_times = {name: sorted(math.inf if time is None else time for time in times)
                        for name, times in found.items()}
        medians = {name: times[len(times) // 2] for name, times in sorted_times.items()
                   if times[len(times) // 2] < math.inf}
        if "lamina" not in medians:
            continue
        made = row(case, threads, "s", medians["lamina"],
                   {name: value for name, value in medians.items() if name != "lamina"},
                   {name: sorted_times[name][0] for name in medians})
        made["seeds"] = found
        rows.append(made)
    return rows


def main(options, thread_counts, cpus):
    data = mnist_folder(options.data)
    if data is None or not options.build:
        warn("--accuracy needs --build and the four files of MNIST: scripts/fetch_mnist.sh, or --data FOLDER")
        return 2
    runner = Runner(options.build, data, options.steps, cpus)
    if "libtorch" not in runner.programs:
        warn("NOTICE: there is no libtorch: lamina is measured alone.")
    rows = [each for threads in thread_counts for each in rows_of(runner, options.seeds, threads)]
    print(json.dumps(rows, indent=1) if options.json else "\n".join(table_of(rows)))
    return 0 if len(rows) == len(GOALS) * len(thread_counts) else 1
