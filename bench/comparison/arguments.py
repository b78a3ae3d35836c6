"""The command line of compare.py: whatever cannot be meant, or would have no effect, is refused before any work.

Needs nothing but Python: scripts/bench.sh asks for the check (--check-arguments) before it installs anything.
"""
import argparse
import math
import os
import re
import shlex
import shutil
from pathlib import Path

from comparison import accuracy, baseline
from comparison.programs import warn

KEPT = Path(__file__).resolve().parents[1] / "baseline.json"
DEFAULT_THREADS = (1, 2)
# What only one of the two ways to measure looks at.
OF_TIMES = ("filter", "quick", "rounds", "seconds", "compare", "write_baseline")
OF_ACCURACY = ("seeds", "steps", "data")


def count(text):
    if not re.fullmatch(r"0*[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on; got '{text}'")
    return int(text)


def duration(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number above 0; got '{text}'")
    return seconds


def parser_of(description):
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--lamina", help="path of lamina_bench")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                        help="a program that does the same work; may be repeated")
    parser.add_argument("--build", help="the build folder, for what using the libraries costs")
    parser.add_argument("--filter", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--quick", action="store_true", default=None,
                        help="two short rounds, without single layers of the network")
    parser.add_argument("--json", action="store_true", help="an array of objects instead of the table")
    parser.add_argument("--rounds", type=count, help="how often each program runs each case")
    parser.add_argument("--seconds", type=duration, help="of measuring, per case and round")
    parser.add_argument("--threads", help="comma-separated thread counts (default: 1,2)")
    parser.add_argument("--compare", nargs="?", const=KEPT, metavar="FILE",
                        help="shows what has become slower since (default: bench/baseline.json)")
    parser.add_argument("--write-baseline", nargs="?", const=KEPT, metavar="FILE",
                        help="keeps the figures of this run (default: bench/baseline.json)")
    parser.add_argument("--accuracy", action="store_true",
                        help="instead of all that: seconds of training to a given accuracy on the real MNIST")
    parser.add_argument("--seeds", type=count, help="of --accuracy (default: 3)")
    parser.add_argument("--steps", type=count, help="of every epoch of --accuracy, to try it out")
    parser.add_argument("--data", help="the folder of MNIST for --accuracy (default: ~/.cache/lamina)")
    parser.add_argument("--relative-to", default="", metavar="FOLDER",
                        help="where the files of --compare, --write-baseline and --data are meant from (default: here)")
    parser.add_argument("--check-arguments", action="store_true",
                        help="refuses wrong arguments, and does nothing else; needs no --lamina and no --build")
    return parser


def option_of(name):
    return "--" + name.replace("_", "-")


def refuse_what_has_no_effect(parser, options):
    for name in OF_TIMES if options.accuracy else OF_ACCURACY:
        if getattr(options, name) is not None:
            parser.error(f"{option_of(name)} must stand alone, because --accuracy ignores it; got both"
                         if options.accuracy else
                         f"{option_of(name)} must stand beside --accuracy, which alone looks at it; got no --accuracy")


def thread_counts(parser, text):
    """Each asked-for number of threads once; of the default ones those that this machine has CPUs for."""
    most = len(os.sched_getaffinity(0))
    if text is None:
        for threads in DEFAULT_THREADS:
            if threads > most:
                warn(f"{threads} threads left out: only {most} CPU may be used")
        return [threads for threads in DEFAULT_THREADS if threads <= most]
    if not re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*", text):
        parser.error(f"--threads must be numbers from 1 on, with commas; got '{text}'")
    threads = list(dict.fromkeys(map(int, text.split(","))))
    if max(threads) > most:
        parser.error(f"--threads must be at most {most}, the CPUs that may be used; got '{text}'")
    return threads


def check_programs(parser, options):
    if not options.accuracy and not shutil.which(next(iter(shlex.split(options.lamina or "")), "")):
        parser.error(f"--lamina must name a program; got '{options.lamina or ''}'")
    if options.accuracy and not options.build:
        parser.error("--accuracy needs --build, the folder with the programs that train; got none")
    names = {"lamina"}
    for peer in options.peer:
        name, _, command = peer.partition("=")
        if not command.strip() or name in names | {""}:
            parser.error(f"--peer must be NAME=COMMAND with a name of its own; got '{peer}'")
        names.add(name)


def check_files(parser, options):
    """Makes paths of what is relative, and sets `kept` to the baseline that is compared with."""
    for name in ("compare", "write_baseline", "data"):
        if getattr(options, name) is not None:
            setattr(options, name, os.path.join(options.relative_to, getattr(options, name)))
    options.kept = None
    if options.compare is not None:
        try:
            options.kept = baseline.read(options.compare)
        except (OSError, ValueError) as error:
            parser.error(f"--compare must name a baseline; got '{options.compare}': {error}")
    if options.write_baseline is not None:
        try:
            baseline.check_writable(options.write_baseline)
        except OSError as error:
            parser.error("--write-baseline must name a file that can be written; "
                         f"got '{options.write_baseline}': {error}")
    if options.accuracy:
        folder = accuracy.mnist_folder(options.data)
        if not accuracy.has_mnist(folder):
            parser.error("--accuracy needs the four files of MNIST (scripts/fetch_mnist.sh, or --data FOLDER); "
                         f"got '{folder}', which lacks some")
        options.data = folder


def arguments(description):
    """The options with their defaults; `threads` is a list, `kept` a baseline or None."""
    parser = parser_of(description)
    options = parser.parse_args()
    refuse_what_has_no_effect(parser, options)
    try:
        re.compile(options.filter or "")
    except re.error as error:
        parser.error(f"--filter must be a regular expression; got '{options.filter}': {error}")
    options.threads = thread_counts(parser, options.threads)
    if not options.check_arguments:
        check_programs(parser, options)
    check_files(parser, options)
    options.filter = options.filter or ""
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.03 if options.quick else 0.3)
    options.seeds = options.seeds or 3
    return options
