"""Figures that are kept, and what has become slower since.

A file holds the name of the CPU, the times of the machine's cases and the rows of --json. Times are
compared as multiples of what the machine could do in the same run, so that another machine, or the same one
in another mood, is no regression: a case with a limit by that limit, any other by the multiply-add peak.
"""
import json
import math
import os

from comparison.results import limit_time
from comparison.table import aligned, cpu_name

TOLERATED = 1.15  # times the baseline, in the median and in the minimum


def write(path, rows, limits):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"cpu": cpu_name(), "limits": limits, "rows": rows}, file, indent=1)
        file.write("\n")


def check_writable(path):
    """Raises OSError where `write` could not; leaves everything as it is."""
    existed = os.path.exists(path)
    with open(path, "a", encoding="utf-8"):
        pass
    if not existed:
        os.remove(path)


def is_text(value):
    return isinstance(value, str)


def is_count(value):
    return isinstance(value, int) and value >= 1


def is_positive(value):
    return isinstance(value, (int, float)) and 0 < value < math.inf


TEXT, COUNT, POSITIVE = ("a text", is_text), ("a whole number from 1 on", is_count), ("a number above 0", is_positive)
# What `changes` looks at in a row.
ROW = {"case": TEXT, "threads": COUNT, "unit": TEXT, "lamina": POSITIVE, "lamina_minimum": POSITIVE,
       "limit": ("a number above 0 or null", lambda value: value is None or is_positive(value))}


def require(value, where, wanted):
    what, holds = wanted
    if not holds(value) or isinstance(value, bool):
        raise ValueError(f"{where} must be {what}; got {json.dumps(value)[:60]}")


def require_items(value, where, kind):
    if not isinstance(value, kind):
        raise ValueError(f"{where} must be {'an object' if kind is dict else 'an array'}; got {json.dumps(value)[:60]}")
    return value.items() if kind is dict else enumerate(value)


def member(value, where, name):
    if name not in value:
        raise ValueError(f"{where} must have '{name}'; got none")
    return value[name]


def check(kept):
    """Raises ValueError where something that is used is not as `write` leaves it."""
    require_items(kept, "the whole", dict)
    require(member(kept, "the whole", "cpu"), "cpu", TEXT)
    for threads, machine in require_items(member(kept, "the whole", "limits"), "limits", dict):
        for case, time in require_items(machine, f"limits of {threads} threads", dict):
            require(time, f"the limit {case} of {threads} threads", POSITIVE)
    for number, row in require_items(member(kept, "the whole", "rows"), "rows", list):
        where = f"row {number}"
        require_items(row, where, dict)
        for name, wanted in ROW.items():
            require(member(row, where, name), f"{name} of {where}", wanted)


def read(path):
    """Raises OSError or ValueError where it is no baseline."""
    with open(path, encoding="utf-8") as file:
        kept = json.load(file)
    check(kept)
    return kept


def machine_factor(now, then, peaks):
    """How many times as long the machine itself takes now, as far as it concerns these rows."""
    if now["unit"] != "ms":
        return 1
    if now["limit"] and then["limit"]:
        return now["limit"] / then["limit"]
    threads = str(now["threads"])
    if threads in peaks[0] and threads in peaks[1]:
        return peaks[0][threads] / peaks[1][threads]
    return 1


def peaks_of(limits):
    """Milliseconds of one GFLOP, by threads."""
    times = {str(threads): limit_time({"machine/fma": 1}, machine) for threads, machine in limits.items()}
    return {threads: time for threads, time in times.items() if time}


def changes(rows, limits, baseline):
    """[(row, row of the baseline, ratio, ratio of the minima)]; a ratio above 1 is slower (or more) than it was."""
    before = {(row["case"], row["threads"]): row for row in baseline["rows"]}
    peaks = peaks_of(limits), peaks_of(baseline["limits"])
    found = []
    for now in rows:
        then = before.get((now["case"], now["threads"]))
        if then is None or then["unit"] != now["unit"]:
            continue
        factor = machine_factor(now, then, peaks)
        found.append((now, then, now["lamina"] / then["lamina"] / factor,
                      now["lamina_minimum"] / then["lamina_minimum"] / factor))
    return found


def is_slower(ratio, ratio_of_minima):
    return min(ratio, ratio_of_minima) > TOLERATED


def table_of(changed, rows, baseline):
    """Text lines: every case beside its baseline, the worst first."""
    cells = [["case", "thr", "baseline", "now", "ratio (min)", ""]]
    for now, then, ratio, ratio_of_minima in sorted(changed, key=lambda change: -change[2]):
        word = "SLOWER" if is_slower(ratio, ratio_of_minima) else \
            "faster" if max(ratio, ratio_of_minima) < 1 / TOLERATED else ""
        cells.append([now["case"], str(now["threads"]), f"{then['lamina']:.3g}", f"{now['lamina']:.3g}",
                      f"{ratio:.2f} ({ratio_of_minima:.2f})", word])
    yield f"baseline    {baseline['cpu']}"
    yield f"now         {cpu_name()}"
    yield "ratio       lamina now over lamina then, each divided by what its machine could do in the same run;"
    yield f"            above 1 is slower; SLOWER: by more than {100 * (TOLERATED - 1):.0f} %, minimum included"
    yield ""
    yield from aligned(cells, (0, 5))
    new = [row for row in rows if not any(row is change[0] for change in changed)]
    if new:
        yield ""
        yield "not in the baseline: " + ", ".join(f"{row['case']} ({row['threads']}T)" for row in new)
