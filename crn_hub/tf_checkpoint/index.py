"""The index of a TensorFlow checkpoint: a table of LevelDB's format, from names to BundleEntryProto.

A checkpoint of the V2 format is PREFIX.index and PREFIX.data-00000-of-00001 (or several such files), which hold the
plain bytes of the tensors. Sources: LevelDB's table_format.md and TensorFlow's tensorflow/core/lib/io/format.cc for the
table, tensorflow/core/protobuf/tensor_bundle.proto for its entries. The file may come from anywhere, so every position
and length in it is checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import google_crc32c

from crn_hub.files import LFS_POINTER, is_lfs_pointer

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48  # bytes: positions of two blocks, zeros, MAGIC
MAX_INDEX = 4 << 20  # bytes; a variable takes about 60
MAX_NAME = 1000  # bytes; each name repeats part of the one before, so a small table could hold many very long ones
MAX_DIMENSIONS = 254  # TensorFlow's own limit (tensor_shape.h)


@dataclass(frozen=True)
class Variable:
    """An entry of the index (BundleEntryProto): where one variable is and how to read it."""

    data_type: int  # DataType of types.proto
    shape: tuple[int, ...]
    shard: int  # number of the data file
    offset: int  # bytes
    size: int  # bytes
    checksum: int  # masked CRC-32C of the bytes


def read_index(file: Path) -> tuple[int, dict[str, Variable]]:
    """The number of data files, and the variables by name.

    Raises:
        ValueError: if the file is not such an index, or is damaged.
    """
    if (size := file.stat().st_size) > MAX_INDEX:
        raise ValueError(
            f"{file}: {size:,} bytes; the index of a CRN has a few thousand, and at most {MAX_INDEX:,} are read."
        )
    if is_lfs_pointer(file):
        raise ValueError(f"{file} is {LFS_POINTER}.")
    try:
        return _parse_index(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: not a readable index of a TensorFlow checkpoint: {error}.") from error


def _parse_index(table: bytes) -> tuple[int, dict[str, Variable]]:
    entries = _entries(table)
    key, header = next(entries, (b"no entry", b""))
    if key:
        raise ValueError("it does not begin with the header of a checkpoint")
    numbers, _ = _message(header)
    if numbers.get(2):
        raise ValueError("the tensors are big-endian; only little-endian ones are read")
    if not 1 <= (num_shards := numbers.get(1, 0)) <= 99_999:
        raise ValueError(f"it names {num_shards} data files; there must be 1 to 99999")
    variables: dict[str, Variable] = {}
    for key, value in entries:
        name = key.decode("latin-1").encode("unicode_escape").decode()  # printable, on one line, whatever it holds
        numbers, texts = _message(value)
        if 7 in texts:
            raise ValueError(f"{name} is stored in slices; only whole variables are read, so save it unpartitioned")
        _, shape = _message(texts.get(2, [b""])[-1])
        dimensions = shape.get(2, [])
        if len(dimensions) > MAX_DIMENSIONS:
            raise ValueError(f"{name} has {len(dimensions)} dimensions; at most {MAX_DIMENSIONS} are possible")
        if (shard := numbers.get(3, 0)) >= num_shards:
            raise ValueError(f"{name} lies in data file {shard}, but there are only {num_shards}, counted from 0")
        variables[name] = Variable(
            data_type=numbers.get(1, 0),
            shape=tuple(_message(dimension)[0].get(1, 0) for dimension in dimensions),
            shard=shard,
            offset=numbers.get(4, 0),
            size=numbers.get(5, 0),
            checksum=numbers.get(6, 0),
        )
    return num_shards, variables


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) in ascending order. Every byte of the table is checked: by a checksum, or as part of the footer."""
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise ValueError("it doesn't end like one, so it is truncated or a file of another kind")
    footer = BytesIO(table[-FOOTER : -len(MAGIC)])
    meta, root = _handle(footer), _handle(footer)
    if any(footer.read()):
        raise ValueError("its footer is damaged")
    handles = [_handle(BytesIO(value)) for _, value in _pairs(_block(table, *root))]
    at = 0
    for offset, size in [*handles, meta, root]:
        if offset != at:  # without this check a small file could list the same block many times
            raise ValueError(f"a block begins at byte {offset} instead of {at}")
        at += size + 5
    if at != len(table) - FOOTER:
        raise ValueError(f"its blocks end at byte {at} instead of {len(table) - FOOTER}")
    _block(table, *meta)  # empty, but it may be damaged

    before: bytes | None = None
    for handle in handles:
        for key, value in _pairs(_block(table, *handle)):
            if before is not None and key <= before:
                raise ValueError("its names are not in ascending order")
            before = key
            yield key, value


def _handle(stream: BytesIO) -> tuple[int, int]:
    """(offset, size) of a block, without the 5 bytes that follow it."""
    return _varint(stream), _varint(stream)


def _block(table: bytes, offset: int, size: int) -> bytes:
    """The content of a block, which is followed by its compression (1 byte) and a checksum of both (4 bytes)."""
    end = offset + size + 1
    content, checksum = table[offset:end], table[end : end + 4]
    if len(checksum) < 4:
        raise ValueError(f"the block at byte {offset} runs past the end")
    if masked_crc(content) != int.from_bytes(checksum, "little"):
        raise ValueError(f"the block at byte {offset} is damaged: its checksum is wrong")
    if content[-1]:
        kind = "Snappy" if content[-1] == 1 else f"kind {content[-1]}"
        raise ValueError(f"it is compressed ({kind}); TensorFlow writes the index of a checkpoint uncompressed")
    return content[:-1]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of one block; each key repeats the first bytes of the key before it."""
    restarts = int.from_bytes(block[-4:], "little")  # number of positions where a key is written in full, for searching
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block is shorter than it states")
    stream, key = BytesIO(block[:end]), b""
    while stream.tell() < end:
        shared, rest, size = _varint(stream), _varint(stream), _varint(stream)
        if shared > len(key) or shared + rest > MAX_NAME:
            raise ValueError(
                f"a name of {shared + rest} bytes takes {shared} from the one before, which has {len(key)}"
            )
        key = key[:shared] + _take(stream, rest)
        yield key, _take(stream, size)


def _message(data: bytes) -> tuple[dict[int, int], dict[int, list[bytes]]]:
    """The numbers and byte strings of a protocol buffer message, by field. The last of several numbers is used."""
    numbers: dict[int, int] = {}
    texts: dict[int, list[bytes]] = {}
    stream = BytesIO(data)
    while stream.tell() < len(data):
        tag = _varint(stream)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            numbers[field] = _varint(stream)
        elif kind == 1:
            numbers[field] = int.from_bytes(_take(stream, 8), "little")
        elif kind == 5:
            numbers[field] = int.from_bytes(_take(stream, 4), "little")
        elif kind == 2:
            texts.setdefault(field, []).append(_take(stream, _varint(stream)))
        else:
            raise ValueError(f"field {field} of an entry is of the unknown kind {kind}")
    return numbers, texts


def _varint(stream: BytesIO) -> int:
    """Seven bits per byte, the lowest first; the top bit is set if more bytes follow."""
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = _take(stream, 1)
        value |= (byte & 127) << shift
        if byte < 128:
            if shift and not byte:
                raise ValueError("a number has more bytes than it needs")
            return value
    raise ValueError("a number has more than ten bytes")


def _take(stream: BytesIO, size: int) -> bytes:
    content = stream.read(min(size, MAX_INDEX))
    if len(content) < size:
        raise ValueError("an entry runs past its end")
    return content


def masked_crc(content: bytes) -> int:
    """CRC-32C as TensorFlow stores it (tensorflow/core/lib/hash/crc32c.h)."""
    checksum = google_crc32c.value(content)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
