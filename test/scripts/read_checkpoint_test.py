#!/usr/bin/env python3
"""scripts/read_checkpoint.py: what it says about files of every kind, every damage that it must refuse, and
that docs/checkpoint_format.md tells all that it reads.

Usage: read_checkpoint_test.py SOURCE_ROOT
"""
import importlib.util
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

source_root = Path(sys.argv[1])
script = source_root / "scripts" / "read_checkpoint.py"
golden = source_root / "test" / "golden" / "checkpoints"
page = (source_root / "docs" / "checkpoint_format.md").read_text(encoding="utf-8")

specification = importlib.util.spec_from_file_location("read_checkpoint", script)
reader = importlib.util.module_from_spec(specification)
sys.dont_write_bytecode = True
specification.loader.exec_module(reader)


def run(*arguments):
    return subprocess.run([sys.executable, script, *arguments], text=True, capture_output=True, check=False)


def u32(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def u64(*numbers):
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def text(content):
    return u32(len(content.encode())) + content.encode()


def tensor(name, content, shape, kind=1, offset=0, count=None, crc=None):
    return (text(name) + u32(kind, len(shape)) + u64(*shape) + u64(offset, len(content) if count is None else count)
            + u32(reader.crc32c(content) if crc is None else crc))


def manifest(tensors=(), values=(), modules=()):
    return text("0.1.0") + b"".join(u32(len(part)) + b"".join(part) for part in (modules, tensors, values))


def sealed(manifest_bytes, body=b"", padding=b"\0"):
    """A file with the header that fits."""
    start = reader.aligned(64 + len(manifest_bytes))
    header = struct.pack("<8sIIQQQQIII", b"\x89LMN\r\n\x1a\n", 1, 0x01020304, start + len(body), len(manifest_bytes),
                         start, len(body), 0, reader.crc32c(manifest_bytes), 0)
    header += u32(reader.crc32c(header))
    return (header + manifest_bytes).ljust(start, padding) + body


class ReadCheckpoint(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def file(self, content):
        path = self.folder / "file.lamina"
        path.write_bytes(content)
        return path

    def refuse(self, what, content):
        with self.assertRaises(ValueError) as caught:
            reader.read(self.file(content))
        self.assertEqual(str(caught.exception), f"the file must {what}")

    def test_tensors_and_values_of_every_kind(self):
        library, modules, tensors, values = reader.read(golden / "every_kind.lamina")
        self.assertEqual((library, modules), ("0.1.0", []))
        self.assertEqual({name: entry[:2] for name, entry in tensors.items()}, {
            "empty": ("<f4", (0, 5)), "f32": ("<f4", (2, 3)), "f64": ("<f8", (3,)), "i64": ("<i8", (2, 2)),
            "nan": ("<f4", (1,)), "scalar": ("<f4", ()), "u8": ("|u1", (5,))})
        for kind, shape, content in tensors.values():
            self.assertEqual(len(content), int(kind[2]) * reader.math.prod(shape))
        self.assertEqual(values, {"integer": -2**63, "number": 0.1, "text": "caf\u00e9"})

    def test_modules_and_metadata(self):
        _, modules, tensors, values = reader.read(golden / "model_float32.lamina")
        self.assertEqual([module[2] for module in modules], ["sequential", "conv2d", "batch_normalization", "relu",
                                                             "flatten", "dropout", "dense"])
        self.assertEqual([module[1] for module in modules][:3], ["", "conv2d", "batch_normalization"])
        options = {name: numbers for name, _, numbers, _ in modules[1][4]}
        self.assertEqual(options["filters"], [3])
        self.assertEqual(values["metadata/author"], "lamina")
        self.assertEqual(tensors["model/conv2d.kernel"][1], (3, 3, 2, 3))

    def test_every_golden_file(self):
        for path in sorted(golden.glob("*.lamina")):
            with self.subTest(path=path.name):
                self.assertEqual(reader.read(path)[0], "0.1.0")

    def test_what_is_printed(self):
        done = run(golden / "model_float32.lamina")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], f"{golden / 'model_float32.lamina'}: written by lamina 0.1.0")
        self.assertEqual(lines[1], "  module (root): sequential, 0 options")
        self.assertRegex(lines[2], r"^  module conv2d: conv2d, \d+ options$")
        for line in ("  model/conv2d.kernel  <f4 (3, 3, 2, 3)", "  model/batch_normalization.updates  1",
                     "  metadata/author  'lamina'"):
            self.assertIn(line, lines)
        for arguments in ([], ["a", "b", "c"]):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout, done.stderr.strip()), (1, "", reader.__doc__.strip()))
        done = run(self.folder / "none")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Aread_checkpoint.py: .*none: .*No such file.*\n\Z")
        done = run(self.file(b"PK"))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Aread_checkpoint.py: .* the file must begin with the mark of checkpoints\n\Z")

    @unittest.skipIf(importlib.util.find_spec("numpy") is None, "not installed: numpy")
    def test_npz(self):
        import numpy
        for name in ("every_kind", "model_float64"):
            done = run(golden / f"{name}.lamina", self.folder / "out.npz")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            tensors = reader.read(golden / f"{name}.lamina")[2]
            found = numpy.load(self.folder / "out.npz")
            self.assertEqual(sorted(found), sorted(tensors))
            for name_of_tensor, (kind, shape, content) in tensors.items():
                array = found[name_of_tensor]
                self.assertEqual((array.dtype.str, array.shape, array.tobytes()), (kind, shape, content))

    def test_every_bit_and_every_cut_is_noticed(self):
        good = (golden / "every_kind.lamina").read_bytes()
        refused = 0
        for at in range(len(good)):
            for content in [good[:at], *(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1:] for bit in range(8))]:
                with self.assertRaises(ValueError):
                    reader.read(self.file(content))
                refused += 1
        print(f"{refused} damaged files refused by scripts/read_checkpoint.py")
        with self.assertRaises(ValueError):
            reader.read(self.file(good + b"\0"))

    def test_what_checksums_do_not_tell(self):
        four = bytes(range(4))
        self.assertEqual(reader.read(self.file(sealed(manifest([tensor("a", four, (1,))]), four)))[2],
                         {"a": ("<f4", (1,), four)})
        good = sealed(manifest())
        self.refuse("begin with the mark of checkpoints", good[:63])
        self.refuse("be as long as its header says", good[:24] + u64(1000) + good[32:])
        self.refuse("have a header of version 1 that fits the rest", good[:8] + u32(2) + good[12:])
        self.refuse("hold its whole manifest", sealed(manifest()[:-1]))
        self.refuse("hold its whole manifest", sealed(text("0.1.0") + u32(0, 2**32 - 1)))
        self.refuse("end its manifest with the last value", sealed(manifest() + b"\0"))
        self.refuse("hold values of known kinds; got 4", sealed(manifest(values=[text("v") + u32(4) + u64(0)])))
        number = [text(name) + u32(1) + u64(0) for name in "ab"]
        self.refuse("have its names in ascending order, each once", sealed(manifest(values=number[::-1])))
        self.refuse("have its names in ascending order, each once",
                    sealed(manifest([tensor("a", b"", (0,)), tensor("a", b"", (0,))])))
        self.refuse("have 'a' in its place", sealed(manifest([tensor("a", four, (1,), offset=64)]), four))
        self.refuse("have 'a' in its place", sealed(manifest([tensor("a", four, (2,), count=8)]), four))
        self.refuse("have 'a' as its checksum says", sealed(manifest([tensor("a", four, (1,), crc=0)]), four))
        for wrong in (tensor("a", four, (2,)), tensor("a", four, (1,), kind=5), tensor("a", four, (1,), kind=2)):
            self.refuse("have as many bytes for 'a' as its shape tells", sealed(manifest([wrong]), four))
        ending = "end with its last tensor, and have zeros between its parts"
        self.refuse(ending, sealed(manifest([tensor("a", four, (1,))]), four + b"\0"))
        self.refuse(ending, sealed(manifest([tensor("a", four, (1,))]), four, padding=b"\1"))
        two = manifest([tensor("a", four, (1,)), tensor("b", four, (1,), offset=64)])
        self.assertEqual(len(reader.read(self.file(sealed(two, four + bytes(60) + four)))[2]), 2)
        self.refuse(ending, sealed(two, four + bytes(59) + b"\1" + four))
        with self.assertRaises(ValueError):  # no UTF-8
            reader.read(self.file(sealed(manifest(values=[u32(1) + b"\xff" + u32(3) + text("")]))))


class Page(unittest.TestCase):
    """The page tells the whole of what the script reads, in the same order."""

    def test_header(self):
        rows = [(int(at), int(count), field) for at, count, field in
                re.findall(r"^\| (\d+) \| (\d+) \| (.*) \|$", page, re.MULTILINE)]
        data = (golden / "model_float32.lamina").read_bytes()
        end, fields = 0, {}
        for at, count, field in rows:
            self.assertEqual(at, end)
            end = at + count
            fields[at] = (data[at:end], field)
        self.assertEqual(end, 64)
        number = {at: int.from_bytes(content, "little") for at, (content, _) in fields.items()}
        size, start = number[24], number[32]
        self.assertEqual(fields[0][0].hex(" ").upper(), fields[0][1].strip("`"))
        self.assertEqual((number[8], number[12]), (1, 0x01020304))
        self.assertEqual((number[16], start, number[40]), (len(data), reader.aligned(64 + size), len(data) - start))
        self.assertEqual((number[48], number[52], number[56], number[60]),
                         (0, reader.crc32c(data[64:64 + size]), 0, reader.crc32c(data[:60])))

    def test_checksum(self):
        self.assertIn("`123456789` gives `E3069283`", re.sub(r"\s+", " ", page))
        self.assertEqual(reader.crc32c(b"123456789"), 0xE3069283)

    def test_manifest(self):
        block = re.search(r"^```\n(text  .*?)^```", page, re.MULTILINE | re.DOTALL).group(1)
        stated, part = {"file": []}, "file"
        for line in block.splitlines():
            begins = re.match(r"(\w+): +", line)
            part = begins.group(1) if begins else part
            stated.setdefault(part, [])
            word = re.match(r"(u32|u64|text)\b", line[begins.end():] if begins else line.strip())
            if word:
                stated[part].append(word.group(1))
        flat = lambda group: ["u32" if isinstance(each, (list, dict)) else each for each in group]
        self.assertEqual(stated, {"file": ["text", "u32", "u32", "u32"], "tensor": flat(reader.TENSOR),
                                  "value": flat(reader.VALUE), "module": flat(reader.MODULE),
                                  "option": flat(reader.OPTION)})
        numpy_names = {"float32": "<f4", "float64": "<f8", "int64": "<i8", "uint8": "|u1"}
        types = re.search(r"u32 dtype +(.*)", block).group(1)
        self.assertEqual({int(number): numpy_names[name] for number, name in re.findall(r"(\d) (\w+)", types)},
                         reader.TYPES)
        kinds = dict(re.findall(r"(\d): (u64, the bits of an int64|u64, the bits of a float64|text)", block))
        self.assertEqual({int(number): {"u64, the bits of an int64": "i64", "u64, the bits of a float64": "f64",
                                        "text": "text"}[kind] for number, kind in kinds.items()},
                         reader.VALUE[1])


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed{skipped}")
sys.exit(failed != 0)
