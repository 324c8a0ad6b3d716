"""Checkpoints of the published TensorFlow code -> CRN: first a plan from the index alone, then the weights.

The names of the variables are those of the authors' published code. A checkpoint may come from anywhere, so nothing in
it is used unchecked.
"""

import math
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.networks.cascade import CRN
from crn_hub.text import some
from crn_hub.tf_checkpoint.index import MAGIC, Variable, masked_crc, read_index

HEIGHT = re.compile(r"g_([1-9]\d{0,4})_conv(?:1|2|100)/.+")  # names that tell the height of a module
FLOAT32 = 1  # DataType of types.proto, as below
DATA_TYPES = {2: "float64", 14: "bfloat16", 19: "float16"}  # other types that weights are saved in, for messages


@dataclass(frozen=True)
class Plan:
    """The network that a checkpoint becomes, known from its index alone.

    `sources` gives the variable of each tensor of the CRN, by name; `variables` also holds those that aren't needed.
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
    num_shards, variables = read_index(index)

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
    base_size = (4, 8)  # names tell the height only; in the authors' published code images are twice as wide
    # The network itself knows the shapes that follow from widths and channels, and its own limits.
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
        raise ValueError(f"{index}: does not describe a CRN: {error}") from error
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
    """Reads the weights that `plan` names, verifies their checksums, and returns the network.

    Args:
        plan: from `plan_conversion`.
        classes: the classes of the input channels, without the last channel, which is "unlabelled". By default
            Cityscapes for 20 channels (the published checkpoints).

    Raises:
        FileNotFoundError: a data file is missing.
        LayoutError: `classes` are needed, or the network has another number of them.
        ValueError: a data file is truncated or damaged, or a weight is not finite; the message names file and variable.
    """
    n = plan.input_channels - 1
    takes = f"{plan.prefix}: the network takes {n + 1} channels, which are {n} classes and unlabelled"
    if classes is None and n != 19:
        raise LayoutError(f"{takes}; say which classes with --classes NAME|FILE (only 19 are taken for Cityscapes).")
    classes = classes or ClassSet.cityscapes()
    if len(classes) != n:
        raise LayoutError(f"{takes}; {len(classes)} classes were given.")

    files = _find_data_files(plan)
    with torch.device("meta"):
        network = CRN(classes, plan.widths, plan.base_size, plan.num_images)
    with tqdm(plan.sources.items(), "converting", unit="tensor", leave=False, disable=None) as bar:
        weights = {
            key: _read_tensor(files[plan.variables[name].shard], name, plan.variables[name]) for key, name in bar
        }
    network.load_state_dict(weights, assign=True)
    network.training_record = {"converted_from": f"{plan.prefix.name} (TensorFlow checkpoint)"}
    return network.eval()


def _find_data_files(plan: Plan) -> dict[int, Path]:
    """The data files by number, each long enough for all variables in it."""
    files = {}
    for shard in sorted({variable.shard for variable in plan.variables.values()}):
        files[shard] = file = Path(f"{plan.prefix}.data-{shard:05d}-of-{plan.num_shards:05d}")
        if not file.is_file():
            raise FileNotFoundError(
                f"{file}: missing; it holds the weights, {plan.prefix.name}.index only their names and shapes."
            )
        # The optimiser's variables are never read, but a file without them has been cut off.
        end = max(variable.offset + variable.size for variable in plan.variables.values() if variable.shard == shard)
        if (size := file.stat().st_size) < end:
            raise ValueError(f"{file}: truncated: {size:,} bytes instead of {end:,}.")
    return files


def _read_tensor(file: Path, name: str, variable: Variable) -> Tensor:
    """A variable as PyTorch has it, float32; convolutions (height, width, in, out) -> (out, in, height, width)."""
    with file.open("rb") as opened:
        opened.seek(variable.offset)
        content = opened.read(variable.size)
    if masked_crc(content) != variable.checksum:
        raise ValueError(f"{file}: {name} is damaged: its checksum differs from the index's.")
    values = np.frombuffer(content, "<f4").reshape(variable.shape)
    if not np.isfinite(values).all():
        raise ValueError(f"{file}: {name} holds values that are not finite numbers.")
    if values.ndim == 4:
        values = values.transpose(3, 2, 0, 1)
    return torch.from_numpy(np.array(values, np.float32, order="C"))


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
            if file.read() == MAGIC:  # V1 files are tables of the same format, with the tensors inside
                raise ValueError(
                    f"{path}: a checkpoint of TensorFlow's V1 format; restore it in TensorFlow and save it with "
                    "tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V2), which can be converted."
                )
        raise ValueError(f"{path}: not a TensorFlow checkpoint, which would be PREFIX.index and PREFIX.data-*.")
    if not Path(f"{prefix}.index").is_file():
        raise FileNotFoundError(f"{prefix}.index: no such file; a checkpoint is PREFIX.index and PREFIX.data-*.")
    return prefix


def _find_sources(index: Path, variables: dict[str, Variable]) -> tuple[list[int], dict[str, str]]:
    """The heights of the modules, coarse to fine, and the variable of each tensor of the CRN, by name."""
    heights = sorted({int(match[1]) for name in variables if (match := HEIGHT.fullmatch(name))})
    if not heights:
        raise ValueError(
            f"{index}: a checkpoint of another network: it holds {some(variables)}; only Cascaded Refinement Networks "
            "with the published code's variable names (g_4_conv1/weights and so on) can be converted."
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
            f"Network it holds {some(sorted(foreign))}; only the optimiser's variables may be there too."
        )
    return heights, sources


def _check_variables(index: Path, network: CRN, sources: dict[str, str], variables: dict[str, Variable]) -> None:
    """Raises a ValueError unless each tensor of the network has a variable of its type, shape and size."""
    for key, tensor in network.state_dict().items():
        name, variable = sources[key], variables[sources[key]]
        expected = tensor.permute(2, 3, 1, 0).shape if tensor.ndim == 4 else tensor.shape
        if variable.data_type != FLOAT32:
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
