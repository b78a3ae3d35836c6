#!/usr/bin/env python3
"""The source tree keeps the rules of rules.py, and the rules find what breaks them.

Usage: rules_test.py SOURCE_ROOT
"""
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import rules  # noqa: E402

source_root = Path(sys.argv[1])

CLEAN = {
    "lamina.hpp": "#pragma once\n#include <lamina/data/mnist.hpp>\n#include <lamina/layers/dense.hpp>\n"
                  "#include <lamina/optim/adam.hpp>\n",
    "autograd/tensor/meson.build": "files('tensor.cpp')",
    "autograd/tensor/tensor.hpp": "#pragma once\n#include <vector>\n",
    "autograd/tensor/tensor.cpp": "#include <lamina/autograd/tensor/tensor.hpp>\n",
    "layers/meson.build": "files('dense.cpp')",
    "layers/dense.hpp": "#pragma once\n#include <lamina/autograd/tensor/tensor.hpp>\n",
    "layers/dense.cpp": "#include <fmt/format.h>\n#include <lamina/layers/dense.hpp>\n",
    "optim/adam.hpp": "#pragma once\n",
    "data/mnist.hpp": "#pragma once\n",
    "test/meson.build": "files('layers/dense_test.cpp')",
    "test/layers/dense_test.cpp": "",
}

# What is written into the clean tree -> the file that must be named.
BREACHES = [
    ({"layers/dense.hpp": "#pragma once\n#include <lamina/optim/adam.hpp>\n"}, "layers may not include"),
    ({"autograd/tensor/tensor.hpp": "#pragma once\n#include <lamina/layers/dense.hpp>\n"},
     "autograd/tensor may not include"),
    ({"data/mnist.hpp": "#pragma once\n#include <lamina/layers/dense.hpp>\n"}, "data may not include"),
    ({"layers/dense.cpp": "#include <lamina/layers/none.hpp>\n"}, "does not exist"),
    ({"layers/dense.cpp": '#include "dense.hpp"\n'}, "must be written"),
    ({"layers/dense.cpp": "#include <xtensor/xarray.hpp>\n"}, "may not stand here"),
    ({"layers/dense.cpp": "#include <boost/archive/binary_oarchive.hpp>\n"}, "may not stand here"),
    ({"layers/dense.cpp": "#include <cblas.h>\n"}, "may not stand here"),
    ({"autograd/tensor/tensor.cpp": "#include <omp.h>\n"}, "may not stand here"),
    ({"layers/dense.hpp": "#pragma once\n#include <fmt/format.h>\n"}, "reached from the umbrella"),
    ({"layers/dense.hpp": "#include <vector>\n"}, "#pragma once is missing"),
    ({"layers/dense.hpp": "#pragma once\nusing namespace std;\n"}, "using namespace"),
    ({"layers/forgotten.hpp": "#pragma once\n"}, "lamina.hpp does not include it"),
    ({"layers/forgotten.cpp": ""}, "layers/forgotten.cpp: no meson.build lists it"),
    ({"test/layers/forgotten_test.cpp": ""}, "forgotten_test.cpp: no meson.build lists it"),
    ({"autograd/kernels/meson.build": "files('a.cpp', 'b.cpp')",
      "autograd/kernels/a.cpp": "#include <cblas.h>\n",
      "autograd/kernels/b.cpp": "#include <cblas.h>\n"}, "BLAS belongs into one file"),
]


def violations_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return rules.violations(folder)


class Rules(unittest.TestCase):
    def test_the_source_tree_keeps_them(self):
        self.assertGreater(len(rules.library_files(source_root)), 10)
        found = rules.violations(source_root)
        self.assertFalse(found, "\n" + "\n".join(found))

    def test_a_clean_tree_passes(self):
        self.assertEqual([], violations_of(CLEAN))

    def test_every_breach_is_found(self):
        for files, expected in BREACHES:
            with self.subTest(expected=expected, files=files):
                found = violations_of(CLEAN | files)
                self.assertTrue(any(expected in line for line in found), found)


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
sys.exit(failed != 0)
