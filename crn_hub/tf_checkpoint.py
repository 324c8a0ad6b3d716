"""Published TensorFlow checkpoints of Cascaded Refinement Networks -> CRN, without TensorFlow.

A checkpoint of TensorFlow's V2 format is PREFIX.index, a sorted table from names to BundleEntryProto, and
PREFIX.data-00000-of-00001 (or several such files), the tensors' plain bytes. Sources: LevelDB's table_format.md and
TensorFlow's tensorflow/core/lib/io/format.cc for the table, tensorflow/core/protobuf/tensor_bundle.proto for what is
in it, the authors' published code for the names of the variables. Nothing that a file says is believed unchecked.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import google_crc32c
import numpy as np
import torch
from tqdm import tqdm

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.networks.cascade import CRN
from crn_hub.text import some

HEIGHT = re.compile(r"g_([1-9]\d{0,4})_conv(?:1|2|100)/.+")
DATA_TYPES = {1: "float32", 2: "float64", 14: "bfloat16", 19: "float16"}  # types.proto; what weights may come in


@dataclass(frozen=True)
class Variable:
    """What the index says of one variable (BundleEntryProto)."""

    data_type: int  # DataType of types.proto
    shape: tuple[int, ...]
    shard: int  # which data file
    offset: int  # in bytes, as is size
    size: int
    checksum: int  # masked CRC-32C of the bytes


@dataclass(frozen=True)
class Plan:
    """What a checkpoint will become, known from its index alone.

    `sources` says for each tensor of the CRN which variable it is; `variables` has also those that aren't needed.
    """

    prefix: Path
    widths: tuple[int, ...]
    base_size: tuple[int, int]
    num_images: int
    input_channels: int
    num_parameters: int
    sources: dict[str, str]
    variables: dict[str, Variable]
    num_shards: int


def plan_conversion(checkpoint: str | os.PathLike[str]) -> Plan:
    """Reads the index of a checkpoint; the data need not be there.

    Args:
        checkpoint: the prefix, the path of one of the checkpoint's files, or a folder that holds one checkpoint.

    Raises:
        FileNotFoundError: there is no index.
        ValueError: the index is damaged, or it isn't that of a cascaded refinement network.
    """
    prefix = _find_prefix(Path(checkpoint))
    index = Path(f"{prefix}.index")
    num_shards, variables = _read_index(index)

    heights, sources = _find_sources(index, variables)
    for name in sources.values():
        if name.endswith("/weights") and len(shape := variables[name].shape) != 4:
            raise ValueError(f"{index}: {name} has the shape {list(shape)}, not [height, width, in, out].")
    input_channels = variables["g_4_conv1/weights"].shape[2]
    outputs = variables[sources["to_images.weight"]].shape[3]
    if not 2 <= input_channels <= 256:
        channels = "1 channel" if input_channels == 1 else f"{input_channels} channels"
        raise ValueError(f"{index}: g_4_conv1/weights takes {channels}; 1 to 255 classes make 2 to 256.")
    if outputs % 3:
        raise ValueError(f"{index}: {sources['to_images.weight']} gives {outputs} channels; images need 3 each.")
    base_size = (4, 8)  # (code) names tell the height; images are twice as wide
    # The network itself says which shapes follow from widths and channels, and what is too much for it.
    any_classes = ClassSet([str(i) for i in range(1, input_channels)], [(i, i, i) for i in range(1, input_channels)])
    try:
        with torch.device("meta"):
            network = CRN(
                any_classes,
                [variables[f"g_{height}_conv1/weights"].shape[3] for height in heights],
                base_size,
                outputs // 3,
            )
    except ValueError as error:
        raise ValueError(f"{index}: makes no CRN: {error}") from error
    _check_variables(index, network, sources, variables)
    return Plan(
        prefix,
        network.widths,
        base_size,
        network.num_images,
        input_channels,
        network.num_parameters,
        sources,
        variables,
        num_shards,
    )


def convert(plan: Plan, classes: ClassSet | None = None) -> CRN:
    """Reads the weights that a plan needs, and no others.

    Args:
        plan: from `plan_conversion`.
        classes: what the input channels mean, without the last, which is "unlabelled". By default Cityscapes for 20
            channels (the published checkpoints).

    Raises:
        FileNotFoundError: a data file is missing.
        LayoutError: `classes` are needed, or are not as many as the network has.
        ValueError: a data file is truncated or damaged, or a weight is not finite; the message names file and variable.
    """
    n = plan.input_channels - 1
    what = f"{plan.prefix}: the network takes {n + 1} channels, which are {n} classes and unlabelled"
    if classes is None and n != 19:
        raise LayoutError(f"{what}; say which classes with --classes NAME|FILE (only 19 are taken for Cityscapes).")
    classes = classes or ClassSet.cityscapes()
    if len(classes) != n:
        raise LayoutError(f"{what}; the classes given are {len(classes)}.")

    files = {}
    for shard in sorted({variable.shard for variable in plan.variables.values()}):
        files[shard] = Path(f"{plan.prefix}.data-{shard:05d}-of-{plan.num_shards:05d}")
        if not files[shard].is_file():
            raise FileNotFoundError(
                f"{files[shard]}: missing; it holds the weights, {plan.prefix.name}.index only their names and shapes."
            )
        # With the optimiser's variables, which nobody reads: a file that lacks them was cut off.
        end = max(variable.offset + variable.size for variable in plan.variables.values() if variable.shard == shard)
        if (size := files[shard].stat().st_size) < end:
            raise ValueError(f"{files[shard]}: truncated: {size:,} bytes instead of {end:,}.")

    with torch.device("meta"):
        network = CRN(classes, plan.widths, plan.base_size, plan.num_images)
    state = {}
    with tqdm(plan.sources.items(), "converting", unit="tensor", leave=False, disable=None) as bar:
        for key, name in bar:
            variable = plan.variables[name]
            with files[variable.shard].open("rb") as file:
                file.seek(variable.offset)
                content = file.read(variable.size)
            if _masked_crc(content) != variable.checksum:
                raise ValueError(f"{files[variable.shard]}: {name} is damaged: its checksum differs from the index's.")
            values = np.frombuffer(content, "<f4").reshape(variable.shape)
            if not np.isfinite(values).all():
                raise ValueError(f"{files[variable.shard]}: {name} holds values that are not finite numbers.")
            if values.ndim == 4:  # (height, width, in, out) -> (out, in, height, width)
                values = values.transpose(3, 2, 0, 1)
            state[key] = torch.from_numpy(np.array(values, np.float32, order="C"))
    network.load_state_dict(state, assign=True)
    network.training_record = {"converted_from": f"{plan.prefix.name} (TensorFlow checkpoint)"}
    return network.eval()


def _find_prefix(path: Path) -> Path:
    if Path(f"{path}.index").is_file():
        return path
    if path.is_dir():
        indices = sorted(path.glob("?*.index"))
        if not indices:
            raise FileNotFoundError(f"{path}: no checkpoint in this folder: no file *.index.")
        if len(indices) > 1:
            raise ValueError(
                f"{path}: {len(indices)} checkpoints ({some(file.name for file in indices)}); name one of them."
            )
        return path / indices[0].name.removesuffix(".index")
    prefix = path.with_name(re.sub(r"(?<=.)\.(index|data-\d{5}-of-\d{5})$", "", path.name))
    if path.is_file() and prefix == path:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - len(MAGIC)))
            if file.read() == MAGIC:  # V1 is such a table too, with the tensors inside
                raise ValueError(
                    f"{path}: a checkpoint of TensorFlow's V1 format; restore it in TensorFlow and save it with "
                    "tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V2), which can be converted."
                )
        raise ValueError(f"{path}: not a TensorFlow checkpoint, which would be PREFIX.index and PREFIX.data-*.")
    if not Path(f"{prefix}.index").is_file():
        raise FileNotFoundError(f"{prefix}.index: no such file; a checkpoint is PREFIX.index and PREFIX.data-*.")
    return prefix


def _find_sources(index: Path, variables: dict[str, Variable]) -> tuple[list[int], dict[str, str]]:
    """The heights of the modules, coarse to fine, and for each tensor of the CRN which variable it is, by name."""
    heights = sorted({int(match[1]) for name in variables if (match := HEIGHT.fullmatch(name))})
    if not heights:
        raise ValueError(
            f"{index}: a checkpoint of another network: it holds {some(variables)}; what can be converted are "
            "Cascaded Refinement Networks with the published code's names of variables: g_4_conv1/weights and so on."
        )
    if heights[0] != 4 or any(fine != 2 * coarse for coarse, fine in pairwise(heights)):
        found = ", ".join(map(str, heights[:20]))
        raise ValueError(f"{index}: holds modules of the heights {found}; they must double from 4 without a gap.")

    sources = {}
    for stage, height in enumerate(heights):
        for number in (1, 2):
            scope = f"g_{height}_conv{number}"
            sources[f"stages.{stage}.conv{number}.weight"] = f"{scope}/weights"
            sources[f"stages.{stage}.norm{number}.weight"] = f"{scope}/LayerNorm/gamma"
            sources[f"stages.{stage}.norm{number}.bias"] = f"{scope}/LayerNorm/beta"
    sources["to_images.weight"] = f"g_{heights[-1]}_conv100/weights"
    sources["to_images.bias"] = f"g_{heights[-1]}_conv100/biases"
    if missing := [name for name in sources.values() if name not in variables]:
        raise ValueError(f"{index}: a network of {len(heights)} modules also needs {some(missing)}.")
    slots = {f"{name}/{slot}" for name in sources.values() for slot in ("Adam", "Adam_1")}
    if foreign := variables.keys() - sources.values() - slots - {"beta1_power", "beta2_power"}:
        raise ValueError(
            f"{index}: a checkpoint of another network: besides the {len(heights)} modules of a Cascaded Refinement "
            f"Network it holds {some(sorted(foreign))}; nothing else may be there but the optimiser's variables."
        )
    return heights, sources


def _check_variables(index: Path, network: CRN, sources: dict[str, str], variables: dict[str, Variable]) -> None:
    """Raises a ValueError unless each tensor of the network has a variable of its type, shape and size."""
    for key, tensor in network.state_dict().items():
        name, variable = sources[key], variables[sources[key]]
        expected = tensor.permute(2, 3, 1, 0).shape if tensor.ndim == 4 else tensor.shape
        if variable.data_type != 1:
            kind = DATA_TYPES.get(variable.data_type, f"of TensorFlow's type {variable.data_type}")
            raise ValueError(f"{index}: {name} is {kind}; weights must be float32.")
        if variable.shape != tuple(expected):
            raise ValueError(
                f"{index}: {name} has the shape {list(variable.shape)}; with the other variables' shapes it must have "
                f"{list(expected)}."
            )
        if variable.size != 4 * math.prod(expected):
            right = 4 * math.prod(expected)
            raise ValueError(f"{index}: {name} has {variable.size:,} bytes; float32 {list(expected)} takes {right:,}.")


# -- the index: a table of LevelDB's format ------------------------------------------------------------------

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48  # bytes: positions of two blocks, zeros, MAGIC
MAX_INDEX = 4 << 20  # bytes; about 60 a variable
MAX_NAME = 1000  # bytes; names are built from each other, so a small table could hold very many, very long ones
MAX_DIMENSIONS = 254  # TensorFlow's own limit (tensor_shape.h)


def _read_index(file: Path) -> tuple[int, dict[str, Variable]]:
    """The number of data files, and the variables by name."""
    if (size := file.stat().st_size) > MAX_INDEX:
        raise ValueError(f"{file}: {size:,} bytes; the index of a CRN has a few thousand, {MAX_INDEX:,} are read.")
    try:
        return _parse_index(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: no readable index of a TensorFlow checkpoint: {error}.") from error


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
        name = key.decode("latin-1").encode("unicode_escape").decode()  # for people: on one line, whatever it holds
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
    """(key, value) in ascending order. Every byte of the table is covered: by a checksum, or as part of the footer."""
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise ValueError("it doesn't end like one, so it is truncated or another kind of file")
    footer = BytesIO(table[-FOOTER : -len(MAGIC)])
    meta, root = _handle(footer), _handle(footer)
    if any(footer.read()):
        raise ValueError("its footer is damaged")
    handles = [_handle(BytesIO(value)) for _, value in _pairs(_block(table, *root))]
    at = 0
    for offset, size in [*handles, meta, root]:
        if offset != at:  # blocks follow one another: without this, a small file could name one block very often
            raise ValueError(f"a block begins at byte {offset} instead of {at}")
        at += size + 5
    if at != len(table) - FOOTER:
        raise ValueError(f"its blocks end at byte {at} instead of {len(table) - FOOTER}")
    _block(table, *meta)  # holds nothing, but may be damaged

    before: bytes | None = None
    for handle in handles:
        for key, value in _pairs(_block(table, *handle)):
            if before is not None and key <= before:
                raise ValueError("its names are not in ascending order")
            before = key
            yield key, value


def _handle(stream: BytesIO) -> tuple[int, int]:
    """(offset, size) of a block, without the 5 bytes behind it."""
    return _varint(stream), _varint(stream)


def _block(table: bytes, offset: int, size: int) -> bytes:
    """The content of a block, behind which stand its kind of compression (1 byte) and a checksum of both (4)."""
    end = offset + size + 1
    content, checksum = table[offset:end], table[end : end + 4]
    if len(checksum) < 4:
        raise ValueError(f"the block at byte {offset} runs past the end")
    if _masked_crc(content) != int.from_bytes(checksum, "little"):
        raise ValueError(f"the block at byte {offset} is damaged: its checksum is wrong")
    if content[-1]:
        kind = "Snappy" if content[-1] == 1 else f"kind {content[-1]}"
        raise ValueError(f"it is compressed ({kind}); TensorFlow writes the index of a checkpoint uncompressed")
    return content[:-1]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of one block; a key begins with so many bytes of the key before it."""
    restarts = int.from_bytes(block[-4:], "little")  # positions of whole keys, for searching
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block is shorter than it says")
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
    """The numbers and the byte strings of a protocol buffer message by field. Of several numbers the last counts."""
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
    """Seven bits a byte, low ones first; the top bit says that more follow."""
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


def _masked_crc(content: bytes) -> int:
    """CRC-32C as TensorFlow stores it (tensorflow/core/lib/hash/crc32c.h)."""
    checksum = google_crc32c.value(content)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
