"""The rules of the source tree: who may include whom, and what every file must be listed in.

violations(root) returns one line per breach, "file: what". Only text is read, nothing is compiled.
"""
import re
from pathlib import Path

# Folder -> folders it may include, besides itself.
ARROWS = {
    "autograd/tensor": [],
    "autograd/kernels": ["autograd/tensor"],
    "autograd": ["autograd/tensor", "autograd/kernels"],
    "nn": ["autograd/tensor", "autograd/kernels", "autograd"],
    "layers": ["autograd/tensor", "autograd/kernels", "autograd", "nn"],
    "optim": ["autograd/tensor", "autograd/kernels", "autograd", "nn"],
    "serialization": ["autograd/tensor", "autograd/kernels", "autograd", "nn"],
    "data": ["autograd/tensor"],
    "training": ["autograd/tensor", "autograd/kernels", "autograd", "nn", "layers", "optim",
                 "serialization", "data"],
}
UMBRELLA = ""  # lamina.hpp and lamina.cpp, in the root: may include everything

# Third-party headers -> where they may stand: path prefixes.
THIRD_PARTY = {
    r"xtensor/|xtl/": ["autograd/tensor/", "autograd/kernels/", "nn/initializers"],
    r"xtensor-blas/": ["nn/initializers"],
    r"xsimd/": ["autograd/kernels/"],
    r"boost/(archive|serialization)/": ["serialization/"],
    r"cblas\.h|lapacke?\.h|openblas": ["autograd/kernels/"],
    r"omp\.h": [],
}
# Headers that <lamina/lamina.hpp> leaves out: internal ones, and opt-in ones that bring other libraries.
NOT_IN_UMBRELLA = re.compile(r"autograd/kernels/|.*/detail/|autograd/tensor/xtensor|serialization/boost|serialization/tool/")
# What makes a user's file slow to compile; never behind <lamina/lamina.hpp>.
HEAVY = re.compile(r"xtensor|xtl/|xsimd/|boost/|cblas|fmt/|nlohmann/|zlib\.h|Random123/|CLI/|"
                   r"(regex|iostream|filesystem|thread|cmath)$")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SOURCE_NAME = re.compile(r"'([^']+\.cpp)'")


def folder_of(path):
    """The folder of ARROWS a library file belongs to; None for a file of no library folder."""
    for folder in sorted(ARROWS, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return UMBRELLA if "/" not in path else None


def library_files(root):
    """Relative path -> list of (opening character, included name)."""
    tops = sorted({folder.split("/")[0] for folder in ARROWS})
    files = [file for top in tops for file in (root / top).rglob("*.[hc]pp")]
    files += [file for file in (root / "lamina.hpp", root / "lamina.cpp") if file.exists()]
    return {str(file.relative_to(root)): INCLUDE.findall(file.read_text(encoding="utf-8"))
            for file in files}


def include_violations(root, path, includes):
    folder = folder_of(path)
    for opening, name in includes:
        if opening == '"':
            yield f'{path}: "{name}" must be written <lamina/...>'
        if not name.startswith("lamina/"):
            continue
        target = name.removeprefix("lamina/")
        if not (root / target).exists():
            yield f"{path}: <{name}> does not exist"
            continue
        if not target.endswith(".hpp"):
            yield f"{path}: <{name}> is no header"
        target_folder = folder_of(target)
        if folder == UMBRELLA or target_folder == folder:
            continue
        if target_folder not in ARROWS[folder]:
            yield f"{path}: {folder} may not include <{name}>"


def third_party_violations(files):
    blas = set()
    for path, includes in files.items():
        for _, name in includes:
            for pattern, places in THIRD_PARTY.items():
                if re.match(pattern, name) and not path.startswith(tuple(places) or ("\0",)):
                    yield f"{path}: <{name}> may not stand here"
            if re.match(r"cblas\.h", name):
                blas.add(path)
    if len(blas) > 1:
        yield f"{', '.join(sorted(blas))}: BLAS belongs into one file"


def umbrella_violations(files):
    """Heavy headers that <lamina/lamina.hpp> brings along, and public ones that it forgets."""
    waiting, seen = [("lamina.hpp", "lamina.hpp")], set()
    while waiting:
        path, way = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for _, name in files.get(path, []):
            if HEAVY.match(name):
                yield f"{path}: <{name}> is reached from the umbrella header: {way}"
            if name.startswith("lamina/"):
                target = name.removeprefix("lamina/")
                waiting.append((target, f"{way} -> {target}"))
    for path in files:
        if path.endswith(".hpp") and path not in seen and not NOT_IN_UMBRELLA.match(path):
            yield f"{path}: lamina.hpp does not include it"


def listed_sources(root, top):
    """Every .cpp that some meson.build under `top` names."""
    listed = set()
    for build in (root / top).rglob("meson.build"):
        for name in SOURCE_NAME.findall(build.read_text(encoding="utf-8")):
            listed.add(str((build.parent / name).relative_to(root)))
    return listed


def listing_violations(root, files):
    tops = sorted({folder.split("/")[0] for folder in ARROWS})
    listed = set().union(*(listed_sources(root, top) for top in tops))
    for path in files:
        if path.endswith(".cpp") and "/" in path and path not in listed:
            yield f"{path}: no meson.build lists it"
    for top in ("test", "examples", "bench"):
        listed = listed_sources(root, top)
        # Programs that other builds compile, such as consumers, have a build description of their own.
        for file in (root / top).rglob("*.cpp"):
            path = str(file.relative_to(root))
            if path not in listed and not (file.parent / "CMakeLists.txt").exists():
                yield f"{path}: no meson.build lists it"


def violations(root):
    root = Path(root)
    files = library_files(root)
    found = []
    for path, includes in files.items():
        found += include_violations(root, path, includes)
        if path.endswith(".hpp"):
            text = (root / path).read_text(encoding="utf-8")
            if "#pragma once" not in text:
                found.append(f"{path}: #pragma once is missing")
            if "using namespace" in text:
                found.append(f"{path}: a header must not have 'using namespace'")
    found += third_party_violations(files)
    found += umbrella_violations(files)
    found += listing_violations(root, files)
    return found
