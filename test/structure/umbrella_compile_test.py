#!/usr/bin/env python3
"""A file with only #include <lamina/lamina.hpp> and an empty main compiles in under 3 seconds, without
a warning, and needs no third-party header.

Usage: umbrella_compile_test.py INCLUDE_FOLDER COMPILER...
"""
import os
import resource
import subprocess
import sys
import tempfile

LIMIT_SECONDS = 3.0

include_folder, *compiler = sys.argv[1:]
if os.path.basename(compiler[0]) == "ccache":
    compiler = compiler[1:]


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


with tempfile.TemporaryDirectory() as folder:
    source = os.path.join(folder, "main.cpp")
    with open(source, "w", encoding="utf-8") as file:
        file.write("#include <lamina/lamina.hpp>\nint main() {}\n")
    command = [*compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-I", include_folder, "-c", source,
               "-o", os.path.join(folder, "main.o")]
    times = []
    # Processor time, so that other tests at the same moment do not count; the first run warms the disk.
    for _ in range(2):
        before = cpu_seconds()
        subprocess.run(command, check=True, env={**os.environ, "CCACHE_DISABLE": "1"})
        times.append(cpu_seconds() - before)

print(f"#include <lamina/lamina.hpp>: {min(times):.2f} s, allowed {LIMIT_SECONDS} s")
sys.exit(min(times) >= LIMIT_SECONDS)
