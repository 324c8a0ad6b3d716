"""Synthesis by other ports and engines beside this package's, on this machine.

    pip install onnx onnxscript onnxruntime openvino MNN     # those that are missing are left out
    python benchmarks/peers.py box --threads 2
    python benchmarks/peers.py paper-256p --rounds 3         # the paper's network, seconds each

All take turns. The plain port is what a reader of the paper writes first: one-hot classes in the default memory layout,
resized for each module, put beside its features, {convolution, normalisation, leaky ReLU} one call each. ONNX Runtime,
OpenVINO and MNN run the network exported to ONNX; they start from ready floating-point inputs, this package and the
plain port from ids. "To start" is what a new process pays before its first image, export included.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import App, Parameter
from cyclopts.validators import Number
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from crn_hub import CRN
from crn_hub.benchmark.machine import Limits, describe, take_turns
from crn_hub.benchmark.synthesis import layout_for, load
from crn_hub.box import BOX
from crn_hub.cli import run
from crn_hub.hub.card import markdown_table
from crn_hub.memory import keep_freed_memory
from crn_hub.networks.refinement_module import RefinementModule
from crn_hub.text import three_digits

CPU = torch.device("cpu")
app = App(name="peers.py")


class PlainPort(nn.Module):
    """A cascade with the weights of another, in the plainest operations; its inputs are ready floats.

    forward: colours and one-hot classes (B, C, H, W), and planes of noise (B, 1, h, w) -> images (B, 3 K, H, W).
    """

    def __init__(self, model: CRN):
        super().__init__()
        self.stages, self.to_images = model.stages, model.to_images

    def forward(self, layout: Tensor, *noise: Tensor) -> Tensor:
        layouts = [layout]
        for _ in range(len(self.stages) - 1):
            layouts.append(functional.avg_pool2d(layouts[-1], 2))
        x: Tensor | None = None
        for number, (stage, small) in enumerate(zip(self.stages, reversed(layouts), strict=True)):
            assert isinstance(stage, RefinementModule)
            if x is None:
                x = small
            else:
                x = functional.interpolate(x, small.shape[-2:], mode="bilinear", align_corners=True)
                x = torch.cat([x, small], dim=1)
            x = stage.norm1(stage.conv1(x))
            if noise:
                x = x + stage.noise1[:, None, None] * noise[2 * number]
            x = stage.norm2(stage.conv2(functional.leaky_relu(x, 0.2)))
            if noise:
                x = x + stage.noise2[:, None, None] * noise[2 * number + 1]
            x = functional.leaky_relu(x, 0.2)
        return self.to_images(x)


def float_inputs(model: CRN, ids: Tensor, colors: Tensor | None, noise: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `PlainPort` takes, in the default memory layout."""
    one_hot = (
        functional.one_hot(ids.long().clamp(max=len(model.classes)), len(model.classes) + 1).permute(0, 3, 1, 2).float()
    )
    layout = one_hot if colors is None else torch.cat([colors, one_hot], dim=1)
    return layout.contiguous(), *noise


@app.default
def main(
    model: str = BOX,
    *,
    threads: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 20,
) -> None:
    """Prints a table.

    Parameters
    ----------
    model
        A cascade: a folder, a Hub id, "box", or paper-256p, paper-512p, paper-1024p with random weights.
    threads
        Of the CPU; by default as many as PyTorch takes.
    rounds
        How often each is timed.
    """
    keep_freed_memory()  # as commands and demo do
    threads = threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    network = load(model, CPU)
    if not isinstance(network, CRN):
        raise ValueError(f"{model}: not a cascade but a {network.TITLE}; only cascades have a plain port.")
    layout = layout_for(network)
    ids = torch.from_numpy(layout[None])
    given: Any = network._inputs(None, None, 0)(layout[None])
    colors, noise = (*given, None, None)[:2]
    plain = PlainPort(network).eval()
    calls: dict[str, Callable[[], np.ndarray]] = {
        "crn_hub": lambda: network(ids, *given).transpose(1, 2).flatten(1, 2).numpy(),
        "plain port": lambda: plain(*float_inputs(network, ids, colors, noise or [])).numpy(),
    }
    inputs = float_inputs(network, ids, colors, noise or [])
    starts = {"crn_hub": 0.0, "plain port": 0.0}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        exported = Path(folder) / "network.onnx"
        engines = {"ONNX Runtime": onnx_runtime, "OpenVINO": openvino, "MNN": mnn}
        missing = [name for name, package in NEEDED.items() if find_spec(package) is None]
        if "export" not in missing:
            began = time.perf_counter()
            export(plain, inputs, exported)
            exporting = time.perf_counter() - began
            for name in tqdm([name for name in engines if name not in missing], desc="engines", leave=False):
                began = time.perf_counter()
                calls[name] = engines[name](exported, [tensor.numpy() for tensor in inputs], threads)
                starts[name] = exporting + time.perf_counter() - began
        exact = calls["plain port"]()
        apart = {name: 127.5 * np.abs(call() - exact).max() for name, call in calls.items()}
        limits = Limits(CPU)
        seconds = take_turns({**calls, **limits.calls}, rounds, CPU, "engines")
    limit = network.gflop / limits.rate(seconds)
    ours = median(seconds["crn_hub"])
    rows = [
        [
            name,
            three_digits(1000 * median(seconds[name])),
            f"{median(seconds[name]) / ours:.2f}",
            f"{median(seconds[name]) / limit:.2f}",
            f"{apart[name]:.4f}",
            f"{starts[name]:.1f}",
        ]
        for name in calls
    ]
    print(f"{describe(CPU, threads)}, {limits.rate(seconds):,.0f} GFLOP/s; {model}, {network.gflop:,.1f} GFLOP\n")
    head = ["", "ms", "times crn_hub", "times the limit", "largest difference, of 255", "s to start"]
    print(markdown_table(head, rows))
    if missing:
        print(f"\nnot installed: {', '.join(missing)}")


# -- engines -----------------------------------------------------------------------------------------

NEEDED = {"export": "onnxscript", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "MNN": "MNN"}
Engine = Callable[[], np.ndarray]


def export(plain: PlainPort, inputs: tuple[Tensor, ...], file: Path) -> None:
    names = ["layout", *(f"noise{number}" for number in range(len(inputs) - 1))]
    with torch.inference_mode(False):
        torch.onnx.export(
            plain,
            tuple(tensor.clone() for tensor in inputs),
            file,
            input_names=names,
            output_names=["images"],
            external_data=False,
            verbose=False,
        )


def onnx_runtime(file: Path, inputs: Sequence[np.ndarray], threads: int) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    given = dict(zip([each.name for each in session.get_inputs()], inputs, strict=True))
    return lambda: session.run(None, given)[0]


def openvino(file: Path, inputs: Sequence[np.ndarray], threads: int) -> Engine:
    from openvino import Core

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = Core().compile_model(file, "CPU", settings)
    request = compiled.create_infer_request()
    return lambda: request.infer([*inputs])[compiled.output(0)]


def mnn(file: Path, inputs: Sequence[np.ndarray], threads: int) -> Engine:
    """MNN, whose 3x3 convolutions are Winograd's where that takes less arithmetic."""
    from _tools import mnnconvert  # of MNN; MNN.tools would install further packages into this environment
    from MNN import expr, nn

    converted = file.with_suffix(".mnn")
    mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", str(file), "--MNNModel", str(converted)])
    runtime = nn.create_runtime_manager(({"backend": "CPU", "numThread": threads, "precision": "high"},))
    names = ["layout", *(f"noise{number}" for number in range(len(inputs) - 1))]
    network = nn.load_module_from_file(str(converted), names, ["images"], runtime_manager=runtime)

    def images() -> np.ndarray:
        given = [expr.convert(expr.const(a, list(a.shape), expr.NCHW), expr.NC4HW4) for a in inputs]
        return np.array(expr.convert(network.forward(given)[0], expr.NCHW).read())

    return images


if __name__ == "__main__":
    run(app)
