"""From the ids of a layout to photographs: sizes and devices."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from crn_hub.pictures import resize_picture, to_pixels

MAX_PHOTOGRAPH_PIXELS = 2**28  # more than 16384 x 16384 is likely a mistake


def resize_ids(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 ids (H, W) -> uint8 ids of `size` = (height, width), by nearest neighbour: no new ids appear."""
    if ids.shape == tuple(size):
        return ids
    return np.asarray(Image.fromarray(ids).resize((size[1], size[0]), Image.Resampling.NEAREST))


def photographs_of(
    network: nn.Module,
    layouts: Sequence[np.ndarray],
    inputs: Callable[[np.ndarray], Sequence[Any]],
    num_images: int,
    network_size: tuple[int, int],
    size: tuple[int, int] | None = None,
) -> list[list[Image.Image]]:
    """Runs the network on a batch of layouts, on the device where its weights are.

    Args:
        network: ids (B, h, w), and what `inputs` returns -> (B, K, 3, h, w), nominally -1..1.
        layouts: uint8 (H, W), each of its own size, already checked against the network's classes.
        inputs: what else the network takes, from the ids at its size, uint8 (B, h, w).
        num_images: how many of the K images to return of each layout.
        network_size: (h, w), what the network takes.
        size: (height, width) of the photographs in pixels; each layout's own size by default.

    Raises:
        ValueError: if `size` is out of range.
    """
    if size is not None and (
        not isinstance(size, tuple | list)
        or len(size) != 2
        or not all(isinstance(side, int) and side >= 1 for side in size)
        or size[0] * size[1] > MAX_PHOTOGRAPH_PIXELS
    ):
        raise ValueError(
            f"size must be (height, width) in whole pixels, {MAX_PHOTOGRAPH_PIXELS:,} in all at most, not {size!r}."
        )
    if not layouts:
        return []
    device = next(network.parameters()).device
    fitted = np.stack([resize_ids(ids, network_size) for ids in layouts])
    with torch.inference_mode():
        images = network(torch.from_numpy(fitted).to(device), *inputs(fitted))[:, :num_images]
    return [
        [resize_picture(Image.fromarray(pixels), size or ids.shape) for pixels in to_pixels(of_layout)]
        for ids, of_layout in zip(layouts, images, strict=True)
    ]
