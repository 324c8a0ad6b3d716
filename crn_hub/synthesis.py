"""From the ids of a layout to photographs: sizes and devices."""

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
    ids: np.ndarray,
    num_images: int,
    network_size: tuple[int, int],
    size: tuple[int, int] | None = None,
) -> list[Image.Image]:
    """Runs the network on one layout, on the device where its weights are.

    Args:
        network: ids (1, h, w) -> (1, K, 3, h, w), nominally -1..1.
        ids: uint8 (H, W), already checked against the network's classes.
        num_images: how many of the K images to return.
        network_size: (h, w), what the network takes.
        size: (height, width) of the photographs in pixels; the layout's own size by default.

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
    height, width = size or ids.shape
    device = next(network.parameters()).device
    fitted = torch.from_numpy(resize_ids(ids, network_size).copy())[None].to(device)
    with torch.inference_mode():
        images = network(fitted)[0, :num_images]
    photographs = [Image.fromarray(pixels) for pixels in to_pixels(images)]
    return [resize_picture(photograph, (height, width)) for photograph in photographs]
