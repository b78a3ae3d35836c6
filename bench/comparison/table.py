"""The table for people, and what stands above it."""
import os
import platform


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def aligned(cells, left):
    """Lines of a table whose first row is the head; `left` are the columns that begin at the left."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) if column in left else cell.rjust(width)
                       for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in cells]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def others_of(row):
    """The best time of every program that is not the best peer."""
    best = (row["peer_name"] or "").partition(" ")[0]
    found = {}
    for name, value in sorted(row["peers"].items(), key=lambda item: item[1]):
        found.setdefault(name.partition(" ")[0], f"{name} {value:.3g}")
    return ", ".join(text for program, text in found.items() if program != best) or "-"


def which(row):
    """The peer with the best median, and that with the smallest minimum where that is another one."""
    if row["peer_name"] == row["peer_minimum_name"]:
        return row["peer_name"] or "-"
    return f"{row['peer_name']} ({row['peer_minimum_name']})"


def table_of(rows):
    """Text lines of the table."""
    def time_cell(row, name):
        if row[name] is None:
            return "-"
        return f"{row[name]:.3g} ({row[name + '_minimum']:.3g})" + ("~" if row[name + "_noisy"] else "")

    cells = [["case", "thr", "lamina (min)", "best peer (min)", "which", "ratio (min)", "limit", "result", "x plain",
              "others"]]
    for row in rows:
        same = "-" if row["differences"] is None else "DIFFERS" if row["differences"] else "same"
        unit = "" if row["unit"] == "ms" else f" [{row['unit']}]"
        cells.append([row["case"] + unit, str(row["threads"]), time_cell(row, "lamina"), time_cell(row, "peer"),
                      which(row),
                      "-" if row["ratio"] is None else f"{row['ratio']:.2f} ({row['ratio_of_minima']:.2f})",
                      "-" if row["limit_share"] is None else f"{100 * row['limit_share']:.0f} %", same,
                      "-" if row["times_baseline"] is None else f"{row['times_baseline']:.2f}", others_of(row)])
    return aligned(cells, (0, 4, 7, 9))


def rate(case, milliseconds):
    """A case of the machine as people name it: "copy 51 MB 33.1 GB/s"."""
    kind, what = case.split("/")[1:3]
    if kind == "fma":
        return f"{what} {1 / milliseconds * 1e3:.0f} GFLOP/s"
    tensors = {"read": 1, "copy": 2, "sum": 3}[kind]
    return f"{kind} {int(what) / 1e6:.0f} MB {tensors * int(what) / 1e6 / milliseconds:.0f} GB/s"


def limit_lines(limits):
    """Lines about the machine's limits, by threads; of each pass over memory its fastest way."""
    for threads, machine in limits.items():
        fastest = {}
        for case, milliseconds in machine.items():
            key = case if case.startswith("machine/fma") else case.rpartition("/")[0]
            fastest[key] = min(milliseconds, fastest.get(key, milliseconds))
        for kind in ("fma", "read", "copy", "sum"):
            texts = [rate(case, milliseconds) for case, milliseconds in fastest.items()
                     if case.startswith(f"machine/{kind}/")]
            if texts:
                yield f"limits, {threads}T  {'FMA ' if kind == 'fma' else ''}{', '.join(texts)}"


def header(programs, options, cpus, load, limits):
    with open("/proc/meminfo", encoding="utf-8") as info:
        memory = int(info.readline().split()[1]) >> 20
    yield f"CPU         {cpu_name()}, {os.cpu_count()} CPUs, {memory} GiB, {platform.system()} {platform.release()}"
    yield f"binding     working thread k of every program on CPU {', '.join(map(str, cpus))}"
    if "tensorflow" in programs:
        yield "            (TensorFlow's threads are many: all of them on the same CPUs)"
    yield f"load        {load[0]:.1f} at the start, {os.getloadavg()[0]:.1f} at the end (besides one program at a time)"
    yield f"rounds      {options.rounds}, {options.seconds} s per case and round"
    yield "clock       1 thread: CPU time of the process; more: wall time; milliseconds"
    if not os.path.exists("/proc/self/schedstat"):
        yield "NOTICE      no /proc/self/schedstat: disturbed repetitions could not be rejected"
    yield from limit_lines(limits)
    for program in programs.values():
        about = {}
        for facts in program.about.values():
            for name, value in facts.items():
                if value not in about.setdefault(name, []):
                    about[name].append(value)
        if not about:
            continue
        yield ""
        for name in ("version", "threads", "BLAS", "allocator", "compiler"):
            yield f"{name:<11} {' / '.join(about.get(name, ['?']))}"
