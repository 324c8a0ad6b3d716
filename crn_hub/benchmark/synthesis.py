"""What a photograph costs: time, memory, and which operations take the time."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from crn_hub.benchmark.machine import Limits, describe, device_of_choice, take_turns
from crn_hub.classes import ClassSet
from crn_hub.memory import keep_freed_memory
from crn_hub.networks import CRN, HubModel
from crn_hub.scenes import street_scene
from crn_hub.synthesis import resize_ids
from crn_hub.text import clause
from crn_hub.training.cost import peak_memory
from crn_hub.training.paper_settings import PAPER_SETTINGS

Precision = Literal["float32", "bfloat16", "float16"]
PROFILED = 1.0  # seconds of photographs whose operations are looked at, but one photograph at least
MOST_PROFILED = 30  # photographs: what the profiler keeps of each takes longer to read than a small network to run
SCENE = (256, 512)  # (height, width) of the street whose layout and photograph are used

# Operations by what they do; what is in no list is "the rest".
PARTS = {
    "convolutions": (
        *("mkldnn_convolution", "_slow_conv2d_forward", "thnn_conv2d", "cudnn_convolution", "convolution_overrideable"),
        "slow_conv_dilated2d",
    ),
    "normalisation": ("native_group_norm", "native_batch_norm", "native_layer_norm"),
    "resizing": (
        *("upsample_bilinear2d", "upsample_nearest2d", "avg_pool2d"),
        *("_embedding_bag_forward_only", "_embedding_bag"),  # see networks/enlarged_convolution.py
    ),
    "activations and noise": ("leaky_relu_", "leaky_relu", "relu", "addcmul_", "add_", "tanh"),
}
REST = "the rest of the network"
INPUTS = "colours and noise"  # what a layout's style and seed become
PICTURE = "reading and pictures"  # the layout's ids before the network, and pixels behind it


@dataclass(frozen=True)
class SynthesisCost:
    """What a network's photographs cost.

    Attributes:
        name: of the model, as it was given.
        network: its size and arithmetic, as text.
        where: the processor, threads and PyTorch.
        threads: of the CPU.
        precision: of weights and features.
        seconds: from a layout to its photographs, of each time.
        limit: seconds that the arithmetic of all its layers would take at the machine's rate in float32.
        computed: GFLOP of convolutions that are computed for this layout; a cascade leaves some out on a CPU, so that
            it may take less than `limit`.
        memory: the peak of a process that makes one, in bytes, libraries and weights included.
        errors: the largest and the mean difference from float32, of 255; (0, 0) for float32 itself.
        parts: seconds of the median by what they are spent on.
    """

    name: str
    network: str
    where: str
    threads: int
    precision: Precision
    seconds: list[float]
    limit: float
    computed: float
    memory: int
    errors: tuple[float, float]
    parts: dict[str, float]

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass(frozen=True)
class MachineLimits:
    """What `describe` says of a machine, and what it can do: GFLOP/s of large products, GB/s of copies."""

    where: str
    rate: float
    bandwidth: float


def load(name: str, device: torch.device, precision: Precision = "float32") -> HubModel:
    """A model by name: "box", a folder, a Hub id, or a preset of the paper, whose weights are random.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: if there is no such model (see `HubModel.from_pretrained`).
    """
    if name in PAPER_SETTINGS:
        preset = PAPER_SETTINGS[name]
        torch.manual_seed(0)
        widths: Any = preset["widths"]
        num_images: Any = preset["num_images"]
        model: HubModel = CRN(ClassSet.cityscapes(), widths, num_images=num_images).eval()
    else:
        model = HubModel.from_pretrained(name)
    return model.to(device, getattr(torch, precision))


def layout_for(model: HubModel) -> np.ndarray:
    """A street of the model's size, uint8 ids; which class is what doesn't matter here."""
    return resize_ids(street_scene(0, SCENE)[0] % len(model.classes), model.size).copy()


def measure_synthesis(
    names: Sequence[str], threads: Sequence[int], precisions: Sequence[Precision], rounds: int
) -> tuple[list[MachineLimits], list[SynthesisCost]]:
    """Times the photographs of all models by turns, with each number of threads, on a GPU if there is one.

    Args:
        names: of models, see `load`.
        threads: numbers of threads of the CPU; with a GPU only the largest is measured.
        precisions: of weights and features.
        rounds: how often each is timed.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: as `load`.
    """
    device = device_of_choice()
    if device.type != "cpu":
        threads = [max(threads)]  # a GPU is as fast with any number
    before = torch.get_num_threads()
    models = {(name, precision): load(name, device, precision) for name in names for precision in precisions}
    layouts = {key: layout_for(model) for key, model in models.items()}
    found: list[SynthesisCost] = []
    machines: list[MachineLimits] = []
    try:
        for count in dict.fromkeys(threads):
            torch.set_num_threads(count)
            limits, where = Limits(device), describe(device, count)
            calls: dict[str, Callable[[], object]] = {
                f"{name} {precision}": _synthesis(model, layouts[name, precision])
                for (name, precision), model in models.items()
            }
            seconds = take_turns({**calls, **limits.calls}, rounds, device, f"synthesis, {count} threads")
            machines.append(MachineLimits(where, limits.rate(seconds), limits.bandwidth(seconds)))
            for (name, precision), model in models.items():
                taken = seconds[f"{name} {precision}"]
                found.append(
                    SynthesisCost(
                        name,
                        f"{model.size[1]} x {model.size[0]}, k = {model.num_images}, {model.gflop:,.1f} GFLOP",
                        where,
                        count,
                        precision,
                        taken,
                        model.gflop / machines[-1].rate,
                        _computed(model, layouts[name, precision], device),
                        memory_of(name, precision, count),
                        _errors(model, name, layouts[name, precision]) if precision != "float32" else (0.0, 0.0),
                        _parts(model, layouts[name, precision], median(taken), device),
                    )
                )
    finally:
        torch.set_num_threads(before)
    return machines, found


def _synthesis(model: HubModel, layout: np.ndarray) -> Callable[[], object]:
    return lambda: model.synthesize(layout)


def _computed(model: HubModel, layout: np.ndarray, device: torch.device) -> float:
    """GFLOP of convolutions for a layout's photographs, as PyTorch counts them."""
    ids = torch.from_numpy(layout[None]).to(device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(ids, *model._inputs(None, None, 0)(layout[None]))
    return counter.get_total_flops() / 1e9


def memory_of(name: str, precision: Precision, threads: int) -> int:
    """The peak memory of a process of its own that makes a photograph, in bytes; on a GPU that of the GPU.

    Raises:
        RuntimeError: if that process fails.
    """
    code = f"import sys; from {__name__} import own_peak; print(own_peak(*sys.argv[1:3], int(sys.argv[3])))"
    done = subprocess.run(
        [sys.executable, "-c", code, name, precision, str(threads)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,  # what it says when it is interrupted is nothing that a person needs
        text=True,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(f"{name}: the memory of a photograph could not be measured: {clause(said)}.")
    return int(done.stdout)


def own_peak(name: str, precision: Precision, threads: int) -> int:
    """What `memory_of` asks of a process of its own."""
    keep_freed_memory()  # as commands do
    torch.set_num_threads(threads)
    device = device_of_choice()
    model = load(name, device, precision)
    model.synthesize(layout_for(model))
    status = Path("/proc/self/status")  # of this process alone; the other way counts what its parent had
    if device.type == "cpu" and platform.system() == "Linux":
        peak = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return 1024 * int(peak.split()[1])
    return peak_memory(device)


def _errors(model: HubModel, name: str, layout: np.ndarray) -> tuple[float, float]:
    """The largest and the mean difference of the pictures from those in float32, of 255."""
    exact = load(name, next(model.parameters()).device)
    pairs = zip(model.synthesize(layout), exact.synthesize(layout), strict=True)
    apart = np.stack([np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)) for a, b in pairs])
    return float(apart.max()), float(apart.mean())


def _parts(model: HubModel, layout: np.ndarray, whole: float, device: torch.device) -> dict[str, float]:
    """Seconds of a photograph that takes `whole` by what they are spent on, in the proportions of a profile."""
    ids = torch.from_numpy(layout[None]).to(device)
    inputs = model._inputs(None, None, 0)
    on_gpu = device.type == "cuda"
    count = min(MOST_PROFILED, max(1, round(PROFILED / whole)))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.inference_mode():
        given = inputs(layout[None])
        model(ids, *given)
        with profile(activities=activities) as profiled:
            for _ in range(count):
                model(ids, *given)
    names = {f"aten::{operation}": part for part, operations in PARTS.items() for operation in operations}
    weights = dict.fromkeys([*PARTS, REST], 0.0)
    for event in profiled.key_averages():
        weights[names.get(event.key, REST)] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    calls: dict[str, Callable[[], object]] = {
        "whole": _synthesis(model, layout),
        "network": lambda: _run(model, ids, given),
        "inputs": lambda: inputs(layout[None]),
    }
    shares = {name: median(taken) for name, taken in take_turns(calls, count, device, "its parts").items()}
    other = max(0.0, shares["whole"] - shares["network"] - shares["inputs"])
    parts = {
        INPUTS: shares["inputs"],
        **{part: weight / sum(weights.values()) * shares["network"] for part, weight in weights.items()},
        PICTURE: other,
    }
    return {part: seconds * whole / sum(parts.values()) for part, seconds in parts.items()}


def _run(model: HubModel, ids: torch.Tensor, given: Sequence[object]) -> None:
    with torch.inference_mode():
        model(ids, *given)
