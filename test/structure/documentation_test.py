#!/usr/bin/env python3
"""The C++ in README.md and CONTRIBUTING.md compiles, and the files that they and docs/ name or link exist.

A block with a main function is a program. Any other is tried as declarations, then as statements, behind
#include <lamina/lamina.hpp> and using namespace lamina.

Usage: documentation_test.py SOURCE_ROOT INCLUDE_FOLDER COMPILER...
"""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

source_root, include_folder = Path(sys.argv[1]), sys.argv[2]
compiler = [word for word in sys.argv[3:] if os.path.basename(word) != "ccache"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]  # the code in docs/ is run: documentation_examples.py
HEAD = "#include <lamina/lamina.hpp>\n"

BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"`((?:autograd|nn|layers|optim|serialization|data|training|examples|bench|test|scripts)"
                        r"/[\w./-]+|[\w-]+\.md)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def compile_errors(text):
    outcome = subprocess.run([*compiler, "-std=c++20", "-fsyntax-only", "-I", include_folder, "-x", "c++", "-"],
                             input=text, text=True, capture_output=True, check=False)
    return outcome.stderr if outcome.returncode else ""


def errors_of(block):
    """What the compiler says about a block in its best reading; empty when it compiles."""
    if "int main(" in block:
        return compile_errors(block)
    includes = "".join(re.findall(r"^#include.*\n", block, re.MULTILINE))
    code = re.sub(r"^#include.*\n", "", block, flags=re.MULTILINE)
    opening = HEAD + includes + "namespace documentation {\nusing namespace lamina;\n"
    as_declarations = compile_errors(opening + code + "}\n")
    if not as_declarations:
        return ""
    as_statements = compile_errors(opening + "void example() {\n" + code + "}\n}\n")
    return as_statements and f"as declarations:\n{as_declarations}\nas statements:\n{as_statements}"


class Documentation(unittest.TestCase):
    def documents(self):
        for name in DOCUMENTS:
            if (source_root / name).exists():
                yield name, (source_root / name).read_text(encoding="utf-8")

    def all_documents(self):
        yield from self.documents()
        for path in sorted(source_root.glob("docs/*.md")):
            yield f"docs/{path.name}", path.read_text(encoding="utf-8")

    def test_code_compiles(self):
        for name, text in self.documents():
            for number, block in enumerate(BLOCK.findall(text), 1):
                with self.subTest(document=name, block=number):
                    errors = errors_of(block)
                    self.assertFalse(errors, f"{name}, C++ block {number}:\n{errors}")

    def test_named_files_exist(self):
        for name, text in self.all_documents():
            for path in NAMED_FILE.findall(text):
                with self.subTest(document=name, path=path):
                    self.assertTrue((source_root / path).exists(), f"{name} names {path}")

    def test_linked_files_exist(self):
        for name, text in self.all_documents():
            for path in LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
                with self.subTest(document=name, path=path):
                    self.assertTrue((source_root / name).parent.joinpath(path).exists(),
                                    f"{name} links {path}")

    def test_what_does_not_compile_is_found(self):
        self.assertEqual("", errors_of("Tensor<float> x({2, 3}, 1.0F);\nx.shape();\n"))
        self.assertNotEqual("", errors_of("Tensor<float> x({2, 3}, 1.0F);\nx.no_such_member();\n"))


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
sys.exit(failed != 0)
