#!/usr/bin/env python3
"""lamina-checkpoint on good, damaged and foreign files, and scripts/read_checkpoint.py on what it writes.

Usage: checkpoint_tool_test.py LAMINA_CHECKPOINT SOURCE_ROOT
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

program, source_root = sys.argv[1], Path(sys.argv[2])
golden = source_root / "test" / "golden" / "interchange"
# Another locale would draw other histograms.
environment = {**os.environ, "LC_ALL": "C.UTF-8"}


def run(*arguments, **more):
    return subprocess.run([program, *map(str, arguments)], text=True, capture_output=True, check=False,
                          env={**environment, **more})


def read_by_python(*arguments):
    return subprocess.run([sys.executable, source_root / "scripts" / "read_checkpoint.py", *arguments], text=True,
                          capture_output=True, check=False)


class CheckpointTool(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def succeed(self, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refuse(self, message, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr, f"lamina-checkpoint: {message}\n")

    def converted(self, source, name):
        self.succeed("convert", source, self.folder / name)
        return self.folder / name

    def damaged(self, source, at, name="damaged.lamina"):
        content = bytearray(source.read_bytes())
        content[at] ^= 1
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def test_inspect(self):
        lines = self.succeed("inspect", golden / "keras.npz").splitlines()
        self.assertEqual(lines[0], f"{golden / 'keras.npz'}: npz, 3028 bytes, 8 tensors with 163 elements")
        self.assertEqual(lines[1].split(), ["tensor", "type", "shape", "minimum", "maximum", "mean", "deviation",
                                            "CRC32C", "histogram"])
        self.assertEqual(len(lines), 10)
        self.assertRegex(lines[-1], r"^  sequential/dense/kernel +float32  \(27, 4\) .*[\u2581-\u2588]")
        self.assertEqual(len(self.succeed("inspect", golden / "keras.npz", "--only", "*/dense/*").splitlines()), 4)
        self.assertRegex(self.succeed("inspect", golden / "pytorch.safetensors"), r'\n  \(metadata\) format  "pt"\n\Z')
        ascii_only = run("inspect", golden / "keras.npz", LC_ALL="C")
        self.assertTrue(ascii_only.stdout.isascii())

    def test_inspect_counts_what_is_no_number(self):
        found = json.loads(self.succeed("inspect", golden / "numpy.npz", "--json"))[0]
        self.assertEqual((found["format"], found["bytes"]), ("npz", 1580))
        tensors = {tensor["name"]: tensor for tensor in found["tensors"]}
        self.assertEqual(tensors["f4"]["shape"], [2, 3])
        self.assertEqual((tensors["f4"]["infinite"], tensors["f4"]["nan"]), (1, 0))
        self.assertEqual((tensors["f8"]["infinite"], tensors["f8"]["nan"]), (0, 1))
        self.assertEqual((tensors["f4"]["minimum"], tensors["f4"]["maximum"], tensors["f4"]["mean"]), (0, 6, 3.2))
        self.assertAlmostEqual(tensors["f4"]["deviation"], 2.3151673805580453)
        self.assertEqual(sum(tensors["u1"]["histogram"]), 300)
        self.assertIn("1 NaN", self.succeed("inspect", golden / "numpy.npz"))

    def test_every_way_of_conversion_keeps_everything(self):
        for source in ("numpy.npz", "pytorch.safetensors"):
            first = self.converted(golden / source, "a.lamina")
            second = self.converted(first, "b.safetensors")
            third = self.converted(second, "c.npz")
            fourth = self.converted(third, "d.lamina")
            self.assertEqual(first.read_bytes(), fourth.read_bytes())
            self.assertRegex(self.succeed("diff", golden / source, third), r"^same: \d values\n$")
            for file in (first, second, third, fourth):
                self.succeed("verify", file)
        small = self.folder / "small.npz"
        self.succeed("convert", golden / "numpy.npz", small, "--compress")
        self.assertLess(small.stat().st_size, (golden / "numpy.npz").stat().st_size)
        self.succeed("diff", golden / "numpy.npz", small)

    def test_convert_below_a_prefix(self):
        out = self.folder / "dense.safetensors"
        self.assertEqual(self.succeed("convert", golden / "keras.npz", out, "--below", "sequential/dense/"),
                         f"{out}: 2 values\n")
        names = [tensor["name"] for tensor in json.loads(self.succeed("inspect", out, "--json"))[0]["tensors"]]
        self.assertEqual(names, ["bias", "kernel"])
        done = json.loads(self.succeed("convert", golden / "keras.npz", out, "--json"))
        self.assertEqual((done["values"], done["architecture_left_behind"]), (8, False))
        self.refuse(f"[lamina-checkpoint] --below must be the beginning of names in '{golden / 'keras.npz'}'; got 'x'",
                    "convert", golden / "keras.npz", out, "--below", "x")

    def test_verify_names_every_problem(self):
        good = self.converted(golden / "numpy.npz", "good.lamina")
        self.assertEqual(self.succeed("verify", good), f"good     {good} (lamina, 5 values, {good.stat().st_size} bytes)\n")
        content = bytearray(good.read_bytes())
        content[-1] ^= 1
        content[content.index(b"\x00\x00\x80?")] ^= 1
        bad = self.folder / "bad.lamina"
        bad.write_bytes(content)
        done = run("verify", good, bad, self.folder / "none")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertTrue(lines[0].startswith("good "))
        self.assertRegex(lines[1], r"damaged .*'f4'.* as its checksum says; got damaged data")
        self.assertRegex(lines[2], r"damaged .*'u1'.* as its checksum says; got damaged data")
        self.assertRegex(lines[3], r"damaged .*none' must be a readable file")
        verdicts = json.loads(run("verify", good, bad, "--json").stdout)
        self.assertEqual([(each["good"], len(each["problems"])) for each in verdicts], [(True, 0), (False, 2)])
        self.assertEqual(run("verify", self.damaged(golden / "keras.npz", 200, "x.npz")).returncode, 1)

    def test_diff(self):
        torch = golden / "pytorch.safetensors"
        same = self.converted(torch, "same.npz")
        self.assertEqual(self.succeed("diff", torch, same), "same: 9 values\n")
        content = bytearray(torch.read_bytes())
        content[-1] ^= 0x80
        other = self.folder / "other.safetensors"
        other.write_bytes(content)
        done = run("diff", torch, other)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertRegex(done.stdout, r"^4\.weight  1 of 108 elements differ, most by [\d.e-]+ \(.* and .* at 107\)\n$")
        self.assertEqual(run("diff", torch, other, "--tolerance", "10").returncode, 0)
        done = run("diff", torch, golden / "keras.npz", "--json")
        found = json.loads(done.stdout)
        self.assertEqual((done.returncode, found["same"], len(found["differences"])), (1, False, 17))
        self.assertEqual(found["differences"][0], {"name": "0.bias", "what": f"only in {torch}"})

    def test_errors_are_one_line(self):
        foreign = self.folder / "foreign"
        foreign.write_text("no such thing")
        self.refuse(f"[lamina-checkpoint] '{foreign}' must be a checkpoint, a safetensors or an npz file; "
                    "got another beginning", "inspect", foreign)
        self.refuse(f"[lamina-checkpoint] '{foreign}.x' must be a readable file; got 'No such file or directory' "
                    "from open", "diff", f"{foreign}.x", foreign)
        self.refuse("[lamina-checkpoint] the target must end in .lamina, .safetensors or .npz; got 'x.txt'",
                    "convert", golden / "keras.npz", "x.txt")
        self.refuse("[lamina-checkpoint] --compress needs a target .npz; got 'x.lamina'",
                    "convert", golden / "keras.npz", "x.lamina", "--compress")
        for arguments in ([], ["explode"], ["inspect"], ["diff", "a"], ["diff", "a", "b", "--tolerance", "-1"]):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(run("--help").returncode, 0)

    def test_every_damage_is_found(self):
        good = self.converted(golden / "numpy.npz", "good.lamina")
        for at in range(0, good.stat().st_size, 41):
            damaged = self.damaged(good, at)
            done = run("verify", damaged)
            self.assertEqual((done.returncode, done.stderr), (1, ""), f"byte {at}")
            self.assertRegex(done.stdout, r"\Adamaged  .* must .*\n\Z")
            done = run("inspect", damaged)  # reads what it shows: zeros between tensors may be anything
            if done.returncode != 0:
                self.assertEqual((done.returncode, done.stdout), (2, ""), f"byte {at}")
                self.assertRegex(done.stderr, r"\Alamina-checkpoint: \[.*\n\Z")

    def test_a_reader_of_python_alone(self):
        good = self.converted(golden / "numpy.npz", "good.lamina")
        done = read_by_python(good)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("  f4  <f4 (2, 3)\n", done.stdout)
        self.assertIn("  group/i8  <i8 ()\n", done.stdout)
        self.assertIn("  nothing  <f4 (0, 5)\n", done.stdout)
        done = read_by_python(self.damaged(good, 70))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Aread_checkpoint.py: .* the file must .*\n\Z")


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
sys.exit(failed != 0)
