#!/usr/bin/env python3
"""Draws the rows of compare.py (its --json, or a kept baseline) as an SVG: how many times faster than the best peer.

    scripts/bench.sh --json > rows.json
    python3 bench/chart.py rows.json docs/images/performance.svg --leave-out '^convolution/.*nchw'
"""
import argparse
import json
import math
import re
from xml.sax.saxutils import escape

# (title, beginning of the case); a row belongs to the first that fits.
GROUPS = (("Training steps", "training_step/"), ("Batch normalization", "batch_normalization/"),
          ("Batch normalization with what follows it", "fused_blocks/"),
          ("Batch normalization with options", "batch_normalization_options/"), ("Convolution", "convolution/"),
          ("Dense", "dense/"), ("Small operations", "tape/"), ("Training to an accuracy", "accuracy/"),
          ("What using it costs", "cost/"))
COLORS = {1: "#56b4e9", 2: "#0072b2"}
WORSE = "#d55e00"
LEFT, WIDTH, TOP, ROW, BAR = 360, 430, 84, 26, 9
STEPS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100)


def pairs(rows):
    """[(title, [(label, {threads: row})])] of the rows that have a peer, in the order of GROUPS."""
    found = {title: {} for title, _ in GROUPS}
    for row in rows:
        if row["ratio"] is None:
            continue
        title, beginning = next((group for group in GROUPS if row["case"].startswith(group[1])), (None, ""))
        if title:
            label = row["case"].removeprefix(beginning).replace("/", " ").replace("_", " ")
            found[title].setdefault(label, {})[row["threads"]] = row
    return [(title, list(cases.items())) for title, cases in found.items() if cases]


class Scale:
    """A logarithmic axis of ratios between two of STEPS."""

    def __init__(self, ratios):
        low, high = min([*ratios, 0.9]), max([*ratios, 2.1])
        self.low = max((step for step in STEPS if step <= low), default=STEPS[0])
        self.high = min((step for step in STEPS if step >= high), default=STEPS[-1])

    def __call__(self, ratio):
        ratio = min(max(ratio, self.low), self.high)
        return LEFT + WIDTH * math.log(ratio / self.low) / math.log(self.high / self.low)

    @property
    def steps(self):
        return [step for step in STEPS if self.low <= step <= self.high]


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def bar(scale, y, row):
    begin, end = sorted((scale(1), scale(row["ratio"])))
    color = COLORS.get(row["threads"], COLORS[2]) if row["ratio"] >= 1 else WORSE
    words = f"{row['ratio']:.1f} {row['peer_name']}" if row["ratio"] < 10 else f"{row['ratio']:.0f} {row['peer_name']}"
    return [f'<rect x="{begin:.1f}" y="{y:.1f}" width="{max(end - begin, 1):.1f}" height="{BAR}" fill="{color}"/>',
            text(max(end, scale(1)) + 5, y + BAR - 0.5, words, more=' font-size="10" fill="#555"')]


def legend(threads):
    parts, x = [], LEFT
    for count in threads:
        parts += [f'<rect x="{x}" y="36" width="14" height="{BAR}" fill="{COLORS.get(count, COLORS[2])}"/>',
                  text(x + 19, 45, f"{count} thread" + "s" * (count > 1))]
        x += 95
    return parts + [f'<rect x="{x}" y="36" width="14" height="{BAR}" fill="{WORSE}"/>', text(x + 19, 45, "slower")]


def chart(rows, cpu=None):
    """The picture as text."""
    groups = pairs(rows)
    shown = [row for _, cases in groups for _, by_threads in cases for row in by_threads.values()]
    if not shown:
        raise SystemExit("no row has a peer: there is nothing to draw")
    scale = Scale([row["ratio"] for row in shown])
    body, y = [], TOP
    for title, cases in groups:
        body.append(text(12, y + 14, title, more=' font-weight="bold"'))
        y += ROW
        for label, by_threads in cases:
            body.append(text(LEFT - 8, y + 13, label, "end"))
            offset = 0 if len(by_threads) > 1 else (BAR + 1) / 2
            for number, threads in enumerate(sorted(by_threads)):
                body += bar(scale, y + offset + number * (BAR + 1), by_threads[threads])
            y += ROW
        y += 8
    height = y + 30
    grid = []
    for step in scale.steps:
        color, width = ("#333", 1.5) if step == 1 else ("#e3e3e3", 1)
        grid.append(f'<path d="M{scale(step):.1f} {TOP - 8}V{y}" stroke="{color}" stroke-width="{width}" fill="none"/>')
        for at in (TOP - 14, y + 16):
            grid.append(text(scale(step), at, f"{step:g}", "middle"))
    head = [text(12, 22, "How many times faster than the best peer (what using it costs: how many times less)",
                 more=' font-size="15" font-weight="bold"')]
    if cpu:
        head.append(text(12, 45, cpu, more=' fill="#555"'))
    threads = sorted({row["threads"] for row in shown})
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 190}" height="{height}" viewBox="0 0 '
        f'{LEFT + WIDTH + 190} {height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>', *head, *legend(threads), *grid, *body, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("rows", nargs="+", help="files of JSON: arrays of rows, or a baseline")
    parser.add_argument("picture", help="the SVG to write")
    parser.add_argument("--leave-out", metavar="REGEX", help="cases that are not drawn")
    options = parser.parse_args()
    rows, cpu = [], None
    for path in options.rows:
        try:
            with open(path, encoding="utf-8") as file:
                read = json.load(file)
            if isinstance(read, dict):
                rows, cpu = rows + read["rows"], read["cpu"]
            else:
                rows += read
        except (OSError, ValueError, TypeError, KeyError) as error:
            parser.error(f"'{path}' must be rows of --json, or a baseline; got: {error!r}")
    drawn = [row for row in rows if not (options.leave_out and re.search(options.leave_out, row["case"]))]
    with open(options.picture, "w", encoding="utf-8") as file:
        file.write(chart(drawn, cpu))


if __name__ == "__main__":
    main()
