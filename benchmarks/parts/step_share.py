"""How much of a training step the distance of textures takes.

    python benchmarks/parts/step_share.py

Steps of the demo's network with colours and noise, on street scenes, with the perceptual loss alone and with textures,
by turns; medians. On a GPU if there is one, with several batch sizes and precisions, else on all cores of the CPU.
Operations are those of network and loss, forwards and backwards, that compute something: a GPU begins each by itself,
so a step of few images takes about as long as it has operations.
"""

import time
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from tqdm import tqdm

from crn_hub import CRN
from crn_hub.classes import ClassSet
from crn_hub.hub.card import markdown_table
from crn_hub.losses import Loss, PerceptualLoss
from crn_hub.losses.texture import TEXTURE_LAYERS, TextureLoss
from crn_hub.networks.cascade import DEMO_WIDTHS
from crn_hub.pictures import from_255
from crn_hub.scenes import SCENE_CLASSES, street_scene
from crn_hub.training.cost import peak_memory
from crn_hub.training.stage_run import loss_window
from crn_hub.vgg import load_features

REPEATS = 8  # of which the first is left out
# Height, --loss_window, --train_batch_size, whether with --mixed_precision bf16 --allow_tf32 --channels_last.
ON_CPU = [(128, None, 1, False), (256, 128, 1, False), (256, None, 1, False)]
ON_GPU = [
    (256, None, 1, False),
    (256, None, 1, True),
    (256, None, 4, True),
    (256, None, 8, True),
    (256, None, 16, True),
]


# What only gives a tensor another shape.
VIEWS = {
    *("alias", "as_strided", "detach", "expand", "permute", "select", "slice", "split", "squeeze", "t", "transpose"),
    *("unbind", "unflatten", "unsqueeze", "view", "_unsafe_view"),
}


class Operations(TorchDispatchMode):
    """Counts operations that compute something."""

    count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += operation._schema.name.partition("::")[2] not in VIEWS
        return operation(*args, **(kwargs or {}))


def measure(
    height: int, window: int | None, batch: int, fast: bool, device: torch.device
) -> tuple[list[float], list[int], float]:
    """Seconds and operations of a step with the perceptual loss alone and with textures; the peak memory in bytes."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = fast
    classes, size = ClassSet.load(SCENE_CLASSES), (height, 2 * height)
    widths = DEMO_WIDTHS[: (height // 4).bit_length()]
    network = CRN(classes, widths, region_colors=True, noise_planes=True).to(device)
    if fast:
        network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters())
    features = load_features().to(memory_format=torch.channels_last).to(device)
    perceptual = PerceptualLoss(features, len(classes)).to(device)
    losses: list[Loss] = [perceptual, TextureLoss(perceptual, 1.25, TEXTURE_LAYERS, seed=0)]
    scenes = [street_scene(seed, size) for seed in range(batch)]
    ids = torch.stack([torch.from_numpy(ids) for ids, _ in scenes]).to(device)
    pictures = torch.stack([torch.from_numpy(np.array(picture)) for _, picture in scenes])
    photographs = from_255(pictures.permute(0, 3, 1, 2).contiguous()).to(device)
    seconds: list[list[float]] = [[], []]

    def learn(loss: Loss, step: int) -> None:
        noise = network.noise([step * batch + row for row in range(batch)])
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            images = network(ids, photographs, noise)
        part = loss_window(window, size, 0, step)
        total, _ = loss(images[part], photographs[part], ids[part])
        total.backward()

    for step in range(REPEATS):
        for loss, taken in zip(losses, seconds, strict=True):
            loss.begin_step(step, 1.0)
            _wait(device)
            began = time.perf_counter()
            learn(loss, step)
            optimiser.step()
            optimiser.zero_grad()
            _wait(device)
            taken.append(time.perf_counter() - began)
    operations = []
    for loss in losses:
        with Operations() as counted:
            learn(loss, REPEATS)
        optimiser.zero_grad()
        operations.append(counted.count)
    return [median(taken[1:]) for taken in seconds], operations, peak_memory(device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    rows = []
    for height, window, batch, fast in tqdm(ON_GPU if device.type == "cuda" else ON_CPU):
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        (plain, whole), operations, memory = measure(height, window, batch, fast, device)
        settings = [f"{height}p", window or "whole", batch, "bf16, TF32" if fast else "float32"]
        numbers = [
            f"{plain:.3f}",
            f"{whole:.3f}",
            f"{1 - plain / whole:.0%}",
            f"{operations[0]} + {operations[1] - operations[0]}",
            f"{batch / whole:.1f}",
            f"{memory / 1e9:.1f}",
        ]
        rows.append([*map(str, settings), *numbers])
    print(where)
    columns = [
        "",
        "window",
        "batch",
        "precision",
        "s, perceptual",
        "s, with textures",
        "share",
        "operations",
        "images/s",
        "memory, GB",
    ]
    print(markdown_table(columns, rows))


if __name__ == "__main__":
    main()
