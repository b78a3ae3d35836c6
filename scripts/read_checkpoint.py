#!/usr/bin/env python3
"""Reads a checkpoint of lamina with Python alone; written from docs/checkpoint_format.md.

Usage: read_checkpoint.py FILE [OUT.npz]      prints what is in it; OUT.npz gets the tensors (needs NumPy)
"""
import io
import math
import struct
import sys

NUMBERS = {"u32": "<I", "u64": "<Q", "i64": "<q", "f64": "<d"}
TENSOR = ("text", "u32", ["u64"], "u64", "u64", "u32")
VALUE = ("text", {1: "i64", 2: "f64", 3: "text"})
OPTION = ("text", "u32", ["u64"], ["text"])
MODULE = ("u32", "text", "text", "text", [OPTION])
TYPES = {1: "<f4", 2: "<f8", 3: "<i8", 4: "|u1"}
TABLE = list(range(256))
for _ in range(8):  # CRC32C: 0x1EDC6F41, reflected
    TABLE = [entry >> 1 ^ (0x82F63B78 if entry & 1 else 0) for entry in TABLE]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def require(what, holds):
    if not holds:
        raise ValueError(f"the file must {what}")


def take(stream, what):
    """A number, a text, a (group), a [list of one thing] behind its count, {one thing by the number before it}."""
    if isinstance(what, tuple):
        return [take(stream, each) for each in what]
    if isinstance(what, list):
        return [take(stream, what[0]) for _ in range(take(stream, "u32"))]
    if isinstance(what, dict):
        kind = take(stream, "u32")
        require(f"hold values of known kinds; got {kind}", kind in what)
        return take(stream, what[kind])
    size = take(stream, "u32") if what == "text" else struct.calcsize(NUMBERS[what])
    data = stream.read(size)
    require("hold its whole manifest", len(data) == size)
    return data.decode() if what == "text" else struct.unpack(NUMBERS[what], data)[0]


def aligned(offset):
    return -(-offset // 64) * 64


def read(path):
    """(version of lamina, modules, {name: (type, shape, bytes)}, {name: value})"""
    with open(path, "rb") as file:
        data = file.read()
    require("begin with the mark of checkpoints", len(data) >= 64 and data[:8] == b"\x89LMN\r\n\x1a\n")
    size = struct.unpack("<Q", data[24:32])[0]
    start = aligned(64 + size)
    require("be as long as its header says", start <= len(data))
    header = struct.pack("<8sIIQQQQIII", data[:8], 1, 0x01020304, len(data), size, start, len(data) - start, 0,
                         crc32c(data[64:64 + size]), 0)
    require("have a header of version 1 that fits the rest", data[:64] == header + struct.pack("<I", crc32c(header)))
    manifest = io.BytesIO(data[64:64 + size])
    library, modules, entries, values = take(manifest, ("text", [MODULE], [TENSOR], [VALUE]))
    require("end its manifest with the last value", manifest.tell() == size)
    for names in [entry[0].encode() for entry in entries], [entry[0].encode() for entry in values]:
        require("have its names in ascending order, each once", names == sorted(set(names)))
    tensors, end, gaps = {}, start, data[64 + size:start]
    for name, kind, shape, offset, count, crc in entries:
        gaps, begin, end = gaps + data[end:aligned(end)], aligned(end), aligned(end) + count
        require(f"have {name!r} in its place", begin == start + offset and end <= len(data))
        require(f"have {name!r} as its checksum says", crc32c(data[begin:end]) == crc)
        require(f"have as many bytes for {name!r} as its shape tells",
                kind in TYPES and count == math.prod(shape) * int(TYPES[kind][2]))
        tensors[name] = TYPES[kind], tuple(shape), data[begin:end]
    require("end with its last tensor, and have zeros between its parts", end == len(data) and not any(gaps))
    return library, modules, tensors, dict(values)


def main(path, out=None):
    library, modules, tensors, values = read(path)
    print(f"{path}: written by lamina {library}")
    for _, name, kind, _, options in modules:
        print(f"  module {name or '(root)'}: {kind}, {len(options)} options")
    for name, (kind, shape, _) in tensors.items():
        print(f"  {name}  {kind} {shape}")
    for name, value in values.items():
        print(f"  {name}  {value!r}")
    if out:
        import numpy
        numpy.savez(out, **{name: numpy.frombuffer(data, kind).reshape(shape)
                            for name, (kind, shape, data) in tensors.items()})


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError) as error:
        sys.exit(f"read_checkpoint.py: {sys.argv[1]}: {error}")
