"""Seconds of training until a network reaches a given accuracy on the real MNIST (bench/support/mnist_recipe.hpp).

The recipe's learning rate ends at 0, so how long it takes is a matter of how many epochs it is told: for every
seed the smallest number that reaches the goal counts, with the seconds that this run took. Libraries begin with
the same weights and see the same batches, one after the other for every seed, order swapped.
"""
import json
import math
import os
import shlex
from pathlib import Path

from comparison.programs import KEPT_MEMORY, Program, warn
from comparison.results import row
from comparison.table import table_of

GOALS = (("cnn", 0.990), ("cnn", 0.993), ("mlp", 0.980))
MOST_EPOCHS = 5
TRIAL_STEPS = 20
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def mnist_folder(given):
    """Where the four files should lie."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "lamina"


def has_mnist(folder):
    return all((folder / name).exists() for name in FILES)


class Runner:
    """Trains with the programs of a build folder; what was trained once is remembered."""

    def __init__(self, build, data, steps, cpus):
        paths = {"lamina": Path(build) / "bench/lamina_accuracy",
                 "libtorch": Path(build) / "bench/peers/libtorch_accuracy"}
        self.programs = {name: Program(shlex.quote(str(path)), {} if name == "lamina" else KEPT_MEMORY)
                         for name, path in paths.items() if path.exists()}
        self.data, self.steps, self.cpus = data, steps, cpus
        self.known, self.layouts = {}, {}

    def run(self, name, model, layout, epochs, seed, threads, steps):
        """The record that the program prints, or None where it failed."""
        key = (name, model, layout, epochs, seed, threads, steps)
        if key not in self.known:
            records = self.programs[name].records(
                threads, self.cpus, ["--model", model, "--layout", layout, "--epochs", str(epochs), "--seed", str(seed),
                                     "--data", str(self.data), "--steps", str(steps or 0)])
            self.known[key] = records[-1] if records else None
        return self.known[key]

    def layout(self, name, model, threads):
        """The one in which a library trains faster, from a few steps of each."""
        if model == "mlp":
            return "nhwc"
        if (name, threads) not in self.layouts:
            trials = {layout: self.run(name, model, layout, 1, 1, threads, TRIAL_STEPS) for layout in ("nhwc", "nchw")}
            self.layouts[name, threads] = min(
                trials, key=lambda layout: trials[layout]["seconds"] if trials[layout] else math.inf)
        return self.layouts[name, threads]

    def trained(self, name, model, epochs, seed, threads):
        """(accuracy, seconds), or None where the program failed."""
        record = self.run(name, model, self.layout(name, model, threads), epochs, seed, threads, self.steps)
        if record is None:
            return None
        seconds = record["cpu_seconds" if threads == 1 else "seconds"]
        warn(f"{name}: {model}, {epochs} epochs, seed {seed}, {threads} thread(s): "
             f"{100 * record['accuracy']:.2f} % in {seconds:.1f} s")
        return record["accuracy"], seconds

    def seconds_to(self, name, model, goal, seed, threads):
        """Of the shortest training that reaches the goal; None where none does."""
        for epochs in range(1, MOST_EPOCHS + 1):
            found = self.trained(name, model, epochs, seed, threads)
            if found and found[0] >= goal:
                return found[1]
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


def main(options, cpus):
    runner = Runner(options.build, options.data, options.steps, cpus)
    if "lamina" not in runner.programs:
        warn(f"--build must hold bench/lamina_accuracy; got '{options.build}', which does not")
        return 2
    if "libtorch" not in runner.programs:
        warn("NOTICE: there is no libtorch: lamina is measured alone.")
    rows = [each for threads in options.threads for each in rows_of(runner, options.seeds, threads)]
    print(json.dumps(rows, indent=1) if options.json else "\n".join(table_of(rows)))
    failures = [f"FAILED: {name}: {program.failure}" for name, program in runner.programs.items() if program.failure]
    for text in failures:
        warn(text)
    return 0 if not failures and len(rows) == len(GOALS) * len(options.threads) else 1
