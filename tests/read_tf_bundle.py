"""Reads the variables of a TensorFlow V2 checkpoint: enough of the format for the two small ones in tests/data.

The .index file is a LevelDB table (tensorflow/core/lib/io/format.h) from names to BundleEntryProto
(tensorflow/core/protobuf/tensor_bundle.proto); the .data file holds the tensors' plain bytes.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

FOOTER = 48  # bytes: two block handles, padding, magic number
FLOAT32 = 1


def read_variables(prefix: Path) -> dict[str, np.ndarray]:
    """All float32 variables of the checkpoint `prefix`.index, `prefix`.data-00000-of-00001."""
    index = prefix.with_name(prefix.name + ".index").read_bytes()
    data = prefix.with_name(prefix.name + ".data-00000-of-00001").read_bytes()
    footer = index[-FOOTER:]
    _, at = _handle(footer, 0)
    root, _ = _handle(footer, at)
    variables = {}
    for _, value in _entries(index, root):
        for name, entry in _entries(index, _handle(value, 0)[0]):
            if not name:
                continue  # the header of the bundle
            fields = dict(_fields(entry))
            if fields.get(1) != FLOAT32:
                continue
            shape = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(fields.get(2, b"")) if number == 2]
            start = fields.get(4, 0)
            variables[name.decode()] = np.frombuffer(data[start : start + fields[5]], "<f4").reshape(shape)
    return variables


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _entries(table: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of one block; keys share a prefix with the key before."""
    offset, size = handle
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield key, block[at : at + length]
        at += length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a protocol buffer message: varints, byte strings and fixed32 only."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        else:
            assert kind == 5, f"unexpected wire type {kind}"
            at += 4
