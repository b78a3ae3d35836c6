#!/usr/bin/env python3
"""Copies the public headers to the include folder, called by meson install.

Usage: install_headers.py SOURCE_ROOT INCLUDE_FOLDER (relative to the prefix, or absolute)
"""
import os
import shutil
import sys
from pathlib import Path

FOLDERS = ["autograd", "nn", "layers", "optim", "serialization", "data", "training"]

source_root, include_folder = Path(sys.argv[1]), sys.argv[2]
if os.path.isabs(include_folder):
    target_root = Path(os.environ.get("DESTDIR", "") + include_folder)
else:
    target_root = Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"]) / include_folder
target_root /= "lamina"

headers = [source_root / "lamina.hpp"]
for folder in FOLDERS:
    headers += sorted(header for header in (source_root / folder).rglob("*.hpp")
                      if "tool" not in header.relative_to(source_root).parts)  # those of programs
for header in headers:
    target = target_root / header.relative_to(source_root)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(header, target)
    target.chmod(0o644)
if "MESON_INSTALL_QUIET" not in os.environ:
    print(f"Installing {len(headers)} headers to {target_root}")
