#!/usr/bin/env python3
"""The library as others use it: a consumer built against the installed files with pkg-config, with
CMake's find_package, and with lamina as a meson subproject.

Usage: install_test.py SOURCE_ROOT BUILD_ROOT installed|subproject COMPILER...

"installed" installs the build that exists; "subproject" builds the library once more.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

source_root, build_root, part = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
compiler = [word for word in sys.argv[4:] if os.path.basename(word) != "ccache"]
consumer = source_root / "test" / "install" / "consumer"


def run(*command, **environment):
    """Runs a command and gives its output; fails the test with all of it."""
    outcome = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, env={**os.environ, **environment}, check=False)
    if outcome.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{outcome.stdout}")
    return outcome.stdout.strip()


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.root = cls.folder / "root"
        run("meson", "install", "-C", build_root, "--no-rebuild", "--destdir", cls.root)
        cls.library = next(cls.root.rglob("liblamina.so"))
        cls.prefix = next(cls.root.rglob("lamina.hpp")).parents[2]

    def program_says(self, program):
        return run(program, LD_LIBRARY_PATH=str(self.library.parent))

    def test_the_library_has_a_versioned_soname(self):
        self.assertIn("Library soname: [liblamina.so.0]", run("readelf", "-d", self.library))

    def test_every_header_is_installed_and_no_source(self):
        installed = {str(file.relative_to(self.prefix / "include" / "lamina"))
                     for file in (self.prefix / "include" / "lamina").rglob("*") if file.is_file()}
        folders = ["autograd", "nn", "layers", "optim", "serialization", "data", "training"]
        expected = {str(file.relative_to(source_root)) for folder in folders
                    for file in (source_root / folder).rglob("*.hpp")
                    if "tool" not in file.relative_to(source_root).parts} | {"lamina.hpp"}
        self.assertEqual(expected, installed)

    def test_pkg_config(self):
        environment = {"PKG_CONFIG_PATH": str(next(self.root.rglob("lamina.pc")).parent),
                       "PKG_CONFIG_SYSROOT_DIR": str(self.root)}
        flags = run("pkg-config", "--cflags", "--libs", "lamina", **environment).split()
        program = self.folder / "with_pkg_config"
        run(*compiler, "-std=c++20", consumer / "main.cpp", *flags, "-o", program)
        self.assertEqual(EXPECTED, self.program_says(program))

    @unittest.skipUnless(shutil.which("cmake"), "cmake is not installed")
    def test_cmake(self):
        build = self.folder / "with_cmake"
        run("cmake", "-G", "Ninja", "-S", consumer, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_CXX_COMPILER={shutil.which(compiler[0])}")
        run("cmake", "--build", build)
        self.assertEqual(EXPECTED, self.program_says(build / "consumer"))


class Subproject(unittest.TestCase):
    def test_subproject(self):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "consumer"
            shutil.copytree(consumer, source)
            (source / "subprojects").mkdir()
            (source / "subprojects" / "lamina").symlink_to(source_root)
            build = Path(folder) / "build"
            run("meson", "setup", build, source, "--buildtype=release", "--wrap-mode=forcefallback")
            targets = run("ninja", "-C", build, "-t", "targets", "all")
            for unwanted in ("golden_test", "train_mnist", "lamina_bench"):
                self.assertNotIn(unwanted, targets)
            run("ninja", "-C", build)
            self.assertEqual(EXPECTED, run(build / "consumer"))


EXPECTED = "lamina " + next(line.split("'")[1] for line in
                            (source_root / "meson.build").read_text(encoding="utf-8").splitlines()
                            if line.strip().startswith("version: '"))

cases = unittest.defaultTestLoader.loadTestsFromTestCase(
    {"installed": Installed, "subproject": Subproject}[part])
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(cases)
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed - len(result.skipped), 0)} passed, {failed} failed")
sys.exit(failed != 0)
