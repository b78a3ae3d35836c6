"""What using a library costs: compiling a program that trains, starting it, memory, the library on disk."""
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from comparison.programs import KEPT_MEMORY, Program, warn
from comparison.results import row

# Whether BLAS and OpenMP count, which one library links in and another takes from the system.
ON_DISK = {"cost/library_on_disk": False, "cost/library_on_disk_with_blas_and_openmp": True}
CASES = ("cost/compile_minimal_program", "cost/compile_memory", "cost/start_and_one_step", "cost/start_memory",
         *ON_DISK, "cost/training_memory/cnn")
UNITS = {"cost/compile_minimal_program": "ms", "cost/start_and_one_step": "ms"}
STARTS = 10
TRAINING = "training_step/cnn/nhwc"
BLAS_OR_OPENMP = re.compile(r"lib(openblas|blas|cblas|lapack|atlas|blis|mkl_\w+|gomp|iomp5|omp)[^/]*\.so[^/]*$")


class Side:
    """One library: its minimal program's source, and what the build made of it."""

    def __init__(self, name, build, source, program):
        self.name, self.build, self.source = name, build, source
        self.program = build / program

    @property
    def present(self):
        return self.program.exists()


def launched(build, command, threads, cpus, folder=None):
    """What a command cost, or None where it failed."""
    outcome = subprocess.run([build / "bench/launch", *command], text=True, stdout=subprocess.PIPE, check=False,
                             cwd=folder, env={**os.environ, "CCACHE_DISABLE": "1", "OMP_NUM_THREADS": str(threads)},
                             preexec_fn=lambda: os.sched_setaffinity(0, cpus[:threads]))
    cost = json.loads(outcome.stdout) if outcome.returncode == 0 else {"status": outcome.returncode}
    if cost["status"]:
        warn(f"{command[0]} failed with status {cost['status']}")
        return None
    return cost


def compiled(side, cpus):
    """What the compiler needs for the minimal program, with the flags that the build has."""
    commands = json.loads((side.build / "compile_commands.json").read_text(encoding="utf-8"))
    entry = next(entry for entry in commands if entry["file"].endswith(side.source))
    words = [word for word in shlex.split(entry["command"]) if os.path.basename(word) != "ccache"]
    with tempfile.TemporaryDirectory() as folder:
        words[words.index("-o") + 1] = os.path.join(folder, "out.o")
        words[words.index("-MF") + 1] = os.path.join(folder, "out.d")
        return launched(side.build, words, 1, cpus, entry["directory"])


def needed_libraries(program, within, with_blas_and_openmp):
    """The files of the shared libraries that a program loads: those below a folder, perhaps with BLAS and OpenMP."""
    outcome = subprocess.run(["ldd", program], text=True, stdout=subprocess.PIPE, check=True)
    paths = [Path(word) for word in outcome.stdout.split() if word.startswith("/")]
    return sorted({path.resolve() for path in paths
                   if path.resolve().is_relative_to(within.resolve())
                   or with_blas_and_openmp and BLAS_OR_OPENMP.match(path.name)})


def stripped_size(paths):
    """MiB of files without their symbols."""
    with tempfile.TemporaryDirectory() as folder:
        total = 0
        for path in paths:
            copy = Path(shutil.copy(path, folder))
            subprocess.run(["strip", copy], check=False)
            total += copy.stat().st_size
    return total / 2**20


def library_folder(side):
    """Where the library itself lies, without what it takes from the system."""
    if side.name == "lamina":
        return side.build
    options = json.loads((side.build / "meson-info/intro-buildoptions.json").read_text(encoding="utf-8"))
    return Path(next(option["value"] for option in options if option["name"] == side.name))


def training_memory(programs, name, cpus):
    """The most memory of processes that do training steps for a second: a peer's with either allocator setting."""
    peaks = []
    for environment in ({}, KEPT_MEMORY) if name != "lamina" else ({},):
        program = Program(shlex.join(programs[name].command), environment)
        program.measure([TRAINING], min(2, len(cpus)), cpus, 1)
        peaks.append(None if program.failure else program.peak_memory)
    return peaks


class Samples:
    """Values by case and library, and what failed, as texts."""

    def __init__(self):
        self.values, self.failures = {}, []

    def note(self, case, name, samples, scale=1, kept=list):
        """What a failed attempt left, None, is no sample; of the others `kept` chooses."""
        found = [scale * sample for sample in samples if sample is not None]
        if len(found) < len(samples):
            self.failures.append(f"{name}: {case}, {len(samples) - len(found)} of {len(samples)} times")
        if found:
            self.values.setdefault(case, {})[name] = kept(found)

    def row(self, case, threads):
        """The row of a case; None where lamina has no value."""
        found = self.values.get(case, {})
        if "lamina" not in found:
            return None
        medians = {name: statistics.median(samples) for name, samples in found.items()}
        return row(case, threads, UNITS.get(case, "MiB"), medians.pop("lamina"), medians,
                   {name: min(samples) for name, samples in found.items()})


def note_starts(samples, sides, cpus):
    """The libraries' minimal programs, started in turn."""
    starts = {side.name: [] for side in sides}
    for _ in range(STARTS):
        for side in sides:
            starts[side.name].append(launched(side.build, [side.program], 1, cpus))
    for name, costs in starts.items():
        samples.note("cost/start_and_one_step", name, [cost and cost["seconds"] for cost in costs], 1e3)
        samples.note("cost/start_memory", name, [cost and cost["peak_memory"] for cost in costs])


def note_compilations(samples, sides, cpus, rounds):
    for side in sides:
        costs = [compiled(side, cpus) for _ in range(rounds)]
        samples.note("cost/compile_minimal_program", side.name, [cost and cost["cpu_seconds"] for cost in costs], 1e3)
        samples.note("cost/compile_memory", side.name, [cost and cost["peak_memory"] for cost in costs])


def rows_of(cases, build, programs, cpus, rounds):
    """(rows of these cases, those that gave none, what failed); a peer that was not built is left out."""
    if not cases:
        return [], [], []
    warn("what using the libraries costs")
    build = Path(build).resolve()
    sides = [Side("lamina", build, "bench/minimal.cpp", "bench/lamina_minimal"),
             Side("libtorch", build, "bench/peers/libtorch_minimal.cpp", "bench/peers/libtorch_minimal")]
    sides = [side for side in sides if side.present and side.name in programs]
    samples = Samples()
    if any(case.startswith("cost/start") for case in cases):
        note_starts(samples, sides, cpus)
    if any(case.startswith("cost/compile") for case in cases):
        note_compilations(samples, sides, cpus, min(rounds, 3))
    for side in sides:
        for case in (case for case in ON_DISK if case in cases):
            libraries = needed_libraries(side.program, library_folder(side), ON_DISK[case])
            samples.note(case, side.name, [stripped_size(libraries)])
        if "cost/training_memory/cnn" in cases:
            samples.note("cost/training_memory/cnn", side.name, training_memory(programs, side.name, cpus),
                         kept=lambda peaks: [min(peaks)])
    threads = {"cost/training_memory/cnn": min(2, len(cpus))}
    rows = {case: samples.row(case, threads.get(case, 1)) for case in cases}
    return ([made for made in rows.values() if made], [case for case, made in rows.items() if not made],
            samples.failures)
