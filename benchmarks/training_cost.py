"""What a training step costs with each option: peak memory, memory kept for the gradient, seconds.

    python benchmarks/training_cost.py paper    # the paper's networks at 256p (k = 9), 512p and 1024p; an hour on a CPU
    python benchmarks/training_cost.py demo     # the demo's network at 64p, 128p and 256p

Each row is a process of its own that trains on random layouts and photographs with VGG-16 features, Adam and batches of
one. Peak memory is that of the GPU, or of the whole process (including 0.6 GB of libraries). "Kept" is counted, not
measured: the most bytes of tensors that the graph held for the gradient at one time, without weights and without the
tensors that gradient checkpointing recomputes, one module at a time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import torch

from crn_hub import CRN, ClassSet
from crn_hub.losses import PerceptualLoss
from crn_hub.training.cost import peak_memory
from crn_hub.training.paper_settings import PAPER_SETTINGS
from crn_hub.training.stages import DEFAULT_WIDTHS
from crn_hub.vgg import load_features

CHECKPOINTING, ONE_BY_ONE, LAST_TWO = "--gradient_checkpointing", "--loss_image_by_image", "--train_modules last:2"
CHANNELS_LAST, COMPILE = "--channels_last", "--torch_compile"
BF16, TF32 = "--mixed_precision bf16", "--allow_tf32"
PAPER: dict[str, list[list[str]]] = {
    "paper-256p": [[], [ONE_BY_ONE], [CHECKPOINTING], [ONE_BY_ONE, CHECKPOINTING], [ONE_BY_ONE, CHANNELS_LAST]],
    "paper-512p": [[], [CHECKPOINTING]],
    "paper-1024p": [[], [CHECKPOINTING], [LAST_TWO], [LAST_TWO, CHECKPOINTING]],
}
ON_GPU: list[list[str]] = [[TF32], [BF16], [TF32, BF16], [TF32, BF16, CHANNELS_LAST]]  # for every network
DEMO: dict[str, list[list[str]]] = {
    height: [[], [CHANNELS_LAST], [COMPILE], [CHANNELS_LAST, COMPILE]] for height in ("64", "128", "256")
}


class Kept:
    """Bytes of the tensors that the autograd graph holds, each storage once."""

    def __init__(self, weights: set[int]):
        self.weights, self.bytes, self.most = weights, 0, 0
        self.holders: dict[int, int] = {}

    def __enter__(self) -> "Kept":
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.pack, lambda packed: packed.tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.hooks.__exit__(*error)

    def pack(self, tensor: torch.Tensor) -> "Packed":
        return Packed(tensor, self)


class Packed:
    """A tensor that the graph holds; it counts until the graph releases it."""

    def __init__(self, tensor: torch.Tensor, kept: Kept):
        storage = tensor.untyped_storage()
        self.tensor, self.kept, self.key, self.size = tensor, kept, storage.data_ptr(), storage.nbytes()
        if self.key in kept.weights:
            return
        kept.holders[self.key] = kept.holders.get(self.key, 0) + 1
        if kept.holders[self.key] == 1:
            kept.bytes += self.size
            kept.most = max(kept.most, kept.bytes)

    def __del__(self) -> None:
        if self.key in self.kept.weights:
            return
        self.kept.holders[self.key] -= 1
        if self.kept.holders[self.key] == 0:
            self.kept.bytes -= self.size


def measure(name: str, switches: list[str], steps: int) -> dict[str, float]:
    """Trains for some steps; returns memory, and the median time of a step without the first, if there are others."""
    preset = PAPER_SETTINGS.get(name, {})
    widths: Any = preset.get("widths") or DEFAULT_WIDTHS[int(name)]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = TF32 in switches
    torch.manual_seed(0)
    model = CRN(ClassSet.cityscapes(), widths, num_images=int(str(preset.get("num_images", 1)))).to(device)
    if LAST_TWO in switches:
        model.train_only_last(2)
    model.gradient_checkpointing = CHECKPOINTING in switches
    features = load_features().to(memory_format=torch.channels_last)
    loss_function = PerceptualLoss(features, 19, image_by_image=ONE_BY_ONE in switches).to(device)
    if CHANNELS_LAST in switches:
        model = model.to(memory_format=torch.channels_last)
    if COMPILE in switches:
        model.compile()
        features.compile()
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-4)
    ids = torch.randint(0, 19, (1, *model.size), device=device)
    photograph = torch.rand(1, 3, *model.size, device=device) * 2 - 1
    kept = Kept({t.untyped_storage().data_ptr() for t in [*model.parameters(), *loss_function.parameters()]})
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        if COMPILE in switches:  # compiled code decides what it keeps, and hooks would be compiled too
            step(model, loss_function, ids, photograph, BF16 in switches)
        else:
            with kept:
                step(model, loss_function, ids, photograph, BF16 in switches)
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return {"memory": peak_memory(ids.device), "kept": kept.most, "seconds": statistics.median(seconds[1:] or seconds)}


def step(model: CRN, loss: PerceptualLoss, ids: torch.Tensor, photograph: torch.Tensor, bf16: bool) -> None:
    """Forward and backward pass."""
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16):
        images = model(ids)
    loss(images, photograph, ids)[0].backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", choices=["paper", "demo"])
    parser.add_argument("--only", help="one network's name, such as paper-256p or 128")
    parser.add_argument("--steps", type=int, help="steps of each row; 1 for the paper's on a CPU, else 12")
    parser.add_argument("--row", nargs="*", help=argparse.SUPPRESS)  # the switches of one row, in a process of its own
    args = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    steps = args.steps or (1 if args.networks == "paper" and not on_gpu else 12)
    if args.row is not None:
        print(json.dumps(measure(args.only, [switch.strip() for switch in args.row], steps)))
        return
    print(f"{torch.cuda.get_device_name() if on_gpu else f'CPU, {torch.get_num_threads()} threads'}; steps: {steps}\n")
    print("| network | switches | peak memory, GB | kept (counted), GB | seconds a step |\n|---|---|---|---|---|")
    table = PAPER if args.networks == "paper" else DEMO
    for name, rows in table.items():
        if args.only not in (None, name):
            continue
        for switches in [*rows, *([*ON_GPU, [*rows[-1], TF32, BF16]] if on_gpu else [])]:
            command = [sys.executable, __file__, args.networks, "--only", name, "--steps", str(steps)]
            done = subprocess.run([*command, "--row", *(f" {s}" for s in switches)], capture_output=True, text=True)
            if done.returncode:
                print(f"| {name} | {' '.join(switches)} | failed: {done.stderr.strip().splitlines()[-1]} | | |")
                continue
            cost = json.loads(done.stdout)
            kept = f"{cost['kept'] / 1e9:.2f}" if COMPILE not in switches else ""
            named = " ".join(switches) or "none"
            print(f"| {name} | {named} | {cost['memory'] / 1e9:.1f} | {kept} | {cost['seconds']:.3g} |", flush=True)


if __name__ == "__main__":
    main()
