#!/usr/bin/env python3
"""Libraries of one instruction set each define nothing that the linker could choose for everybody.

A weak symbol (an inline function, a template) that such a library shares with the rest of the
program may be taken from it, and then runs on processors without these instructions. So there are
none, and the few global symbols lie in the namespace of the level.

Usage: level_symbols_test.py LIBRARY...      each named lib<anything>_<level>.a
"""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

WEAK = "WwVvu"
GLOBAL = "TDBRGSi"
# Name, type, value, size; names may contain spaces, value and size are hexadecimal.
SYMBOL = re.compile(r"(?P<name>.*?) (?P<kind>[A-Za-z]) [0-9a-f]+(?: [0-9a-f]+)?")


def violations(level, listing):
    """What breaks the rule in the output of nm --format=posix --demangle --defined-only."""
    for line in listing.splitlines():
        symbol = SYMBOL.fullmatch(line)
        if symbol is None:  # the name of an object file
            continue
        name, kind = symbol["name"], symbol["kind"]
        if kind in WEAK:
            yield f"{level}: weak symbol {name}"
        elif kind in GLOBAL and f"::{level}::" not in name:
            yield f"{level}: global symbol {name} outside of its namespace"


class Symbols(unittest.TestCase):
    def test_what_breaks_the_rule_is_found(self):
        listing = ("libx_avx2.a[a.o]:\n"
                   "lamina::kernels::avx2::f(long) T 0 10\n"
                   "lamina::kernels::(anonymous namespace)::g(float const*, long) t 0 10\n"
                   "lamina::kernels::f(long) T 0 10\n"
                   "float const& std::max<float>(float const&, float const&) W 0 10\n"
                   "table V b f\n")
        self.assertEqual(list(violations("avx2", listing)), [
            "avx2: global symbol lamina::kernels::f(long) outside of its namespace",
            "avx2: weak symbol float const& std::max<float>(float const&, float const&)",
            "avx2: weak symbol table"])

    def test_the_libraries_keep_it(self):
        for library in libraries:
            listing = subprocess.run(
                [os.environ.get("NM", "nm"), "--format=posix", "--demangle", "--defined-only",
                 str(library)], check=True, capture_output=True, text=True).stdout
            level = library.stem.rsplit("_", 1)[1]
            self.assertIn(f"::{level}::minimal_filter", listing)
            self.assertIn(f"::{level}::matrix_product", listing)
            self.assertEqual(list(violations(level, listing)), [])


if __name__ == "__main__":
    libraries = [Path(name) for name in sys.argv[1:]]
    if not libraries:
        sys.exit(__doc__)
    unittest.main(argv=sys.argv[:1])
