#!/usr/bin/env python3
"""The C++ of a documentation page as one program, whose output is what the page says it is; that of README.md,
whose blocks are functions, as a header.

The first block of a page is seen by all the others; each of these stands in braces of its own. What a
statement with std::cout prints stands in the comment behind it and in the comment lines that follow it or
the brace that ends its loop:

  std::cout << x.shape() << "\\n";  // (2, 3)

Usage: documentation_examples.py generate PAGE...            writes the program to standard output
       documentation_examples.py check PROGRAM PAGE...       runs it and compares
       documentation_examples.py functions PAGE              writes its functions; main() becomes ten_lines()
"""
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r"^#include.*\n", re.MULTILINE)
END_OF_STATEMENT = re.compile(r";\s*(?://\s?(.*))?$")
MARK = "@@ block "


def blocks_of(page):
    """(line of the page, code) of every block."""
    text = Path(page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(1)) + 1, found.group(1)


def expected_output(code):
    expected, printing, listing = [], False, False
    for line in code.splitlines():
        comment = re.match(r"\s*//\s?(.*)$", line)
        if listing and comment:
            expected.append(comment.group(1).rstrip())
            continue
        listing = listing and line.strip() == "}"
        printing = printing or "std::cout" in line
        end = END_OF_STATEMENT.search(line)
        if printing and end:
            expected += [end.group(1).rstrip()] if end.group(1) else []
            printing, listing = False, True
    return expected


# Comments that are output, and comments that are not.
SAMPLE = """int i = 0;  // none
for (; i < 2; ++i) {
  std::cout << i
            << "\\n";
}
// 0
// 1
// the end
std::cout << i << "\\n";  // 2

// none
"""


def program(pages):
    includes, functions, calls = set(), [], []
    for number, page in enumerate(pages):
        lines = [f"void page_{number}() {{"]
        for index, (line, code) in enumerate(blocks_of(page)):
            includes.update(INCLUDE.findall(code))
            lines.append(f'std::cout << "{MARK}{Path(page).name}:{line}\\n";')
            text = f'#line {line} "{page}"\n' + INCLUDE.sub("\n", code)
            lines.append(text if index == 0 else "{\n" + text + "}")
        functions.append("\n".join(lines) + "\n}\n")
        calls.append(f"page_{number}();")
    head = "#include <lamina/lamina.hpp>\n#include <iostream>\n" + "".join(sorted(includes))
    return (head + "\nusing namespace lamina;\nnamespace {\n" + "".join(functions) + "}\n\nint main() {\n"
            + "std::cout << std::boolalpha << std::unitbuf;\n" + "\n".join(calls) + "\n}\n")


def functions(page):
    lines = ["#pragma once", "#include <lamina/lamina.hpp>", "namespace readme {", "using namespace lamina;"]
    for line, code in blocks_of(page):
        code = INCLUDE.sub("\n", code).replace("int main()", "inline int ten_lines()")
        code = re.sub(r"^void ", "inline void ", code, flags=re.MULTILINE)
        if "ten_lines" in code:  # only main may end without a value
            code = re.sub(r"^}$", "  return 0;\n}", code, flags=re.MULTILINE)
        lines.append(f'#line {line} "{page}"\n{code}')
    return "\n".join([*lines, "}", ""])


def check(executable, pages):
    run = subprocess.run([executable], capture_output=True, text=True, check=False)
    printed = {}
    for part in run.stdout.split(MARK)[1:]:
        name, *output = part.rstrip("\n").split("\n")
        printed[name] = [line.rstrip() for line in output]
    passed, failed = 1, 0
    if expected_output(SAMPLE) != ["0", "1", "the end", "2"]:
        passed, failed = 0, 1
        print(f"the sample is read as {expected_output(SAMPLE)}")
    for page in pages:
        for line, code in blocks_of(page):
            name, expected = f"{Path(page).name}:{line}", expected_output(code)
            if printed.get(name) == expected:
                passed += 1
                continue
            failed += 1
            print(f"{name}\n  printed:  {printed.get(name)}\n  the page: {expected}")
    if run.returncode != 0:
        failed += 1
        print(f"the program ended with status {run.returncode}\n{run.stderr}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if sys.argv[1] == "generate":
    print(program(sys.argv[2:]), end="")
elif sys.argv[1] == "functions":
    print(functions(sys.argv[2]), end="")
else:
    sys.exit(1 if check(sys.argv[2], sys.argv[3:]) else 0)
