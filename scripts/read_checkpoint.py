#!/usr/bin/env python3
"""Reads a checkpoint of lamina with Python alone; written from docs/checkpoint_format.md.

Usage: read_checkpoint.py FILE [OUT.npz]      prints what is in it; with OUT.npz (needs NumPy) writes the tensors
"""
import math
import struct
import sys

TYPES = {1: ("float32", "<f4", 4), 2: ("float64", "<f8", 8), 3: ("int64", "<i8", 8), 4: ("uint8", "|u1", 1)}
TABLE = list(range(256))
for _ in range(8):  # CRC32C: 0x1EDC6F41, reflected
    TABLE = [entry >> 1 ^ (0x82F63B78 if entry & 1 else 0) for entry in TABLE]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def require(holds, what):
    if not holds:
        raise ValueError(f"the file must {what}")


class Manifest:
    """Takes what is in it from front to back; every count is held against the bytes that are left."""
    def __init__(self, data): self.data, self.at = data, 0
    def u32(self): return struct.unpack("<I", self.take(4))[0]
    def u64(self): return struct.unpack("<Q", self.take(8))[0]
    def text(self): return self.take(self.u32()).decode()
    def list_of(self, entry): return [entry() for _ in range(self.u32())]
    def module(self): return self.u32(), self.text(), self.text(), self.text(), self.list_of(self.option)
    def option(self): return self.text(), self.u32(), self.list_of(self.u64), self.list_of(self.text)
    def tensor(self): return self.text(), self.u32(), self.list_of(self.u64), self.u64(), self.u64(), self.u32()

    def take(self, count):
        require(count <= len(self.data) - self.at, "hold its whole manifest")
        self.at += count
        return self.data[self.at - count:self.at]

    def value(self):
        name, kind = self.text(), self.u32()
        require(kind in (1, 2, 3), f"have a known kind of value for {name!r}")
        return name, self.text() if kind == 3 else struct.unpack("<q" if kind == 1 else "<d", self.take(8))[0]


def read(path):
    """(version of lamina, modules, {name: (type, shape, bytes)}, {name: value})"""
    with open(path, "rb") as file:
        data = file.read()
    require(len(data) >= 64, "have a header of 64 bytes")
    mark, version, order, size, manifest_size, offset, data_size, flags, manifest_crc, reserved, header_crc = \
        struct.unpack("<8sIIQQQQIIII", data[:64])
    require(mark == b"\x89LMN\r\n\x1a\n" and order == 0x01020304, "begin with the mark of checkpoints")
    require(crc32c(data[:60]) == header_crc, "have a header that fits its checksum")
    require((version, flags, reserved) == (1, 0, 0), "be of format version 1")
    require(size == len(data) and manifest_size <= size - 64, "be as long as its header says")
    require(offset == -(-(64 + manifest_size) // 64) * 64 and offset + data_size == size, "have its parts in order")
    require(crc32c(data[64:64 + manifest_size]) == manifest_crc, "have a manifest that fits its checksum")
    require(not any(data[64 + manifest_size:offset]), "have zeros between its parts")
    manifest = Manifest(data[64:64 + manifest_size])
    library, modules = manifest.text(), manifest.list_of(manifest.module)
    entries, values = manifest.list_of(manifest.tensor), manifest.list_of(manifest.value)
    require(manifest.at == manifest_size, "end its manifest with the last value")
    for names in [entry[0].encode() for entry in entries], [entry[0].encode() for entry in values]:
        require(all(a < b for a, b in zip(names, names[1:])), "have its names in strictly ascending order")
    tensors, end = {}, 0
    for name, kind, shape, begin, count, crc in entries:
        require(kind in TYPES and len(shape) <= 8, f"have a type and at most 8 axes for {name!r}")
        require(begin == -(-end // 64) * 64 and begin + count <= data_size, f"have {name!r} in its place")
        require(count == math.prod(shape) * TYPES[kind][2], f"have as many bytes for {name!r} as its shape tells")
        require(not any(data[offset + end:offset + begin]), "have zeros between its parts")
        content, end = data[offset + begin:offset + begin + count], begin + count
        require(crc32c(content) == crc, f"have {name!r} as its checksum says")
        tensors[name] = (TYPES[kind], tuple(shape), content)
    require(end == data_size, "end with its last tensor")
    return library, modules, tensors, dict(values)


def main(path, out=None):
    library, modules, tensors, values = read(path)
    print(f"{path}: written by lamina {library}, {len(modules)} modules")
    for name, (kind, shape, _) in tensors.items():
        print(f"  {name}  {kind[0]} {shape}")
    for name, value in values.items():
        print(f"  {name}  {value!r}")
    if out:
        import numpy
        numpy.savez(out, **{name: numpy.frombuffer(content, kind[1]).reshape(shape)
                            for name, (kind, shape, content) in tensors.items()})


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError) as error:
        sys.exit(f"read_checkpoint.py: {sys.argv[1]}: {error}")
