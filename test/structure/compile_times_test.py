#!/usr/bin/env python3
"""Every file of the library compiles in under 5 seconds of processor time, except in the folders that may
take longer.

Usage: compile_times_test.py SOURCE_ROOT BUILD_ROOT
"""
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_SECONDS = 5.0
EXEMPT = ("autograd/kernels/", "serialization/")
FOLDERS = ("autograd/", "nn/", "layers/", "optim/", "serialization/", "data/", "training/", "lamina.cpp")

source_root, build_root = Path(sys.argv[1]), Path(sys.argv[2])
commands = json.loads((build_root / "compile_commands.json").read_text(encoding="utf-8"))


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


passed = failed = 0
with tempfile.TemporaryDirectory() as folder:
    for entry in commands:
        path = os.path.relpath(os.path.realpath(build_root / entry["file"]), os.path.realpath(source_root))
        if not path.startswith(FOLDERS):
            continue
        words = shlex.split(entry["command"])
        if os.path.basename(words[0]) == "ccache":
            words = words[1:]
        words[words.index("-o") + 1] = os.path.join(folder, "out.o")
        words[words.index("-MF") + 1] = os.path.join(folder, "out.d")
        before = cpu_seconds()
        subprocess.run(words, cwd=entry["directory"], check=True, env={**os.environ, "CCACHE_DISABLE": "1"})
        seconds = cpu_seconds() - before
        slow = seconds >= LIMIT_SECONDS and not path.startswith(EXEMPT)
        print(f"{seconds:5.1f} s {path}{'  TOO SLOW' if slow else ''}", flush=True)
        failed += slow
        passed += not slow
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0 or passed == 0)
