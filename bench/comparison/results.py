"""What the rounds gave: medians, the best peer, the share of the machine's limit, and one row per case.

The case of a peer has lamina's name, perhaps another layout in it, perhaps a variant behind it:
"training_step/mlp@xla" is another way of TensorFlow to do the work "training_step/mlp".
"""
import re
import statistics

TOLERANCE = 1e-4  # of a checksum, relative to the norm of the values
# Behind ReLU and pooling rounding decides on which side of a corner a value lies. Peers that sum 200,000 values of a
# channel in float have means that are off by some 1e-6, and send the gradients of dozens of elements elsewhere.
TOLERANCE_WITH_CORNERS = 1e-2
ENOUGH = 3  # samples of a case during which no thread waited for a CPU
LAYOUT = re.compile(r"/(nhwc|nchw|blocked)(?=/|$)")
# Here the layout is part of the work: what comes before and after has it too.
FIXED_LAYOUT = ("batch_normalization/", "fused_blocks/")


def undisturbed(record):
    """How many of its samples are; its times come from these where there are any."""
    return record["samples"] - record["disturbed"]


class Result:
    """What the rounds of one case gave."""

    def __init__(self):
        self.records = []

    def add(self, record):
        self.records.append(record)

    @property
    def noisy(self):
        return sum(map(undisturbed, self.records)) < ENOUGH

    @property
    def counted(self):
        """The records whose times count: of rounds with enough undisturbed samples, or else with any."""
        for least in () if self.noisy else (ENOUGH, 1):
            found = [record for record in self.records if undisturbed(record) >= least]
            if found:
                return found
        return self.records

    @property
    def median(self):
        return statistics.median(record["median"] for record in self.counted)

    @property
    def minimum(self):
        return min(record["minimum"] for record in self.counted)

    @property
    def times_baseline(self):
        """How many times its baseline the case took; None where it has none."""
        quotients = [record["times_baseline"] for record in self.counted if "times_baseline" in record]
        return statistics.median(quotients) if quotients else None

    @property
    def limit(self):
        return self.records[0].get("limit", {})

    @property
    def checks(self):
        """Of every round; an empty list where the case has none."""
        found = [record["checks"] for record in self.records]
        return found if any(found) else []


def is_machine(case):
    return case.startswith("machine/")


def limit_time(limit, machine):
    """The least milliseconds, from the times of the machine's cases; None where they do not tell."""
    total = 0
    for name, count in limit.items():
        times = [time for case, time in machine.items() if case == name or case.startswith(name + "/")]
        if not times:
            return None
        total += count * min(times)
    return total or None


def differences_of_a_round(case, ours, theirs):
    """{name: how these checks disagree}; empty when both computed the same."""
    tolerance = TOLERANCE_WITH_CORNERS if case.startswith("fused_blocks/") else TOLERANCE
    found = {}
    if ours.keys() != theirs.keys():
        return {"": f"checks {sorted(ours)} against {sorted(theirs)}"}
    for name, (value, scale) in ours.items():
        other, other_scale = theirs[name]
        numbers = (value, scale, other, other_scale)
        # A NaN, which some programs print, agrees with nothing either.
        if None in numbers or not abs(value - other) <= tolerance * max(scale, other_scale, 1e-30) \
                or not abs(scale - other_scale) <= tolerance * max(scale, other_scale):
            found[name] = f"{name}: {value} (size {scale}) against {other} (size {other_scale})"
    return found


def differences(case, ours, theirs):
    """How each check that disagrees in some round does so first; ours and theirs are the checks of all rounds."""
    found = {}
    for mine, other in [(ours[0], other) for other in theirs] + [(mine, theirs[0]) for mine in ours[1:]]:
        for name, text in differences_of_a_round(case, mine, other).items():
            found.setdefault(name, text)
    return list(found.values())


def work_of(case):
    """What is computed, in whatever layout and way."""
    return LAYOUT.sub("/*", case.partition("@")[0])


class Peer:
    """One peer's result for the work of a case of lamina."""

    def __init__(self, case, program, name, result):
        work, _, variant = name.partition("@")
        layout = LAYOUT.search(work)
        self.program = program
        self.name = " ".join(filter(None, [program, layout and layout.group(1), variant]))
        self.result = result
        self.same_work = work_of(name) == work_of(case)
        self.same_layout = work == case
        # A library keeps its own layout only inside itself: the numbers are the same.
        self.comparable = self.same_layout or self.same_work and bool(layout) and layout.group(1) == "blocked"
        self.opponent = self.same_layout or self.same_work and not case.startswith(FIXED_LAYOUT)


def peers_of(case, results):
    """Those that did the work of this case, the fastest first; `results` by program and case."""
    found = [Peer(case, program, name, result) for program, cases in results.items()
             for name, result in cases.items()]
    return sorted((peer for peer in found if peer.same_work), key=lambda peer: peer.result.median)


def row(case, threads, unit, lamina, peers, minima=None):
    """A row in the format of --json; `peers` maps names to values, `minima` the names (and "lamina") to minima.

    The best median and the smallest minimum may be different peers'. A minimum of 0 is less than the clock of the
    processor's time can tell: the median stands for it.
    """
    minima = {"lamina": lamina, **peers, **{name: least for name, least in (minima or {}).items() if least}}
    best, least = min(peers, key=peers.get, default=None), min(peers, key=minima.get, default=None)
    return {"case": case, "threads": threads, "unit": unit,
            "lamina": lamina, "lamina_minimum": minima["lamina"], "lamina_noisy": False,
            "peer_name": best, "peer": peers.get(best), "peer_noisy": False,
            "peer_minimum_name": least, "peer_minimum": minima.get(least),
            "ratio": peers[best] / lamina if best else None,
            "ratio_of_minima": minima[least] / minima["lamina"] if best else None,
            "limit": None, "limit_share": None, "times_baseline": None, "peers": dict(peers), "differences": None}


def rows_of(results, threads):
    """One row per case of lamina, in milliseconds; `results` by program and case."""
    ours = results["lamina"]
    theirs = {program: cases for program, cases in results.items() if program != "lamina"}
    machine = {case: result.median for case, result in ours.items() if is_machine(case)}
    rows = []
    for case, result in ours.items():
        if is_machine(case):
            continue
        peers = peers_of(case, theirs)
        opponents = [peer for peer in peers if peer.opponent]
        made = row(case, threads, "ms", result.median, {peer.name: peer.result.median for peer in opponents},
                   {"lamina": result.minimum, **{peer.name: peer.result.minimum for peer in opponents}})
        made["lamina_noisy"] = result.noisy
        made["peer_noisy"] = bool(opponents) and opponents[0].result.noisy
        made["limit"] = limit_time(result.limit, machine)
        made["limit_share"] = made["limit"] and made["limit"] / result.median
        made["times_baseline"] = result.times_baseline
        made["peers"] = {peer.name: peer.result.median for peer in peers}
        compared = [peer for peer in peers if peer.comparable and peer.result.checks]
        if result.checks and compared:
            made["differences"] = [f"{peer.name}: {text}" for peer in compared
                                   for text in differences(case, result.checks, peer.result.checks)]
        rows.append(made)
    return rows
