"""Between a layout and PIL images: sizes, device, and the way from the network's numbers to pixels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from crn_hub.text import appearing

MAX_PIXELS = 2**28  # a photograph of more than 16384 x 16384 is a mistake rather than a wish


def resize_ids(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 ids (H, W) -> uint8 ids of `size` = (height, width), by nearest neighbour: no new ids appear."""
    if ids.shape == tuple(size):
        return ids
    return np.asarray(Image.fromarray(ids).resize((size[1], size[0]), Image.Resampling.NEAREST))


def to_pixels(images: Tensor) -> np.ndarray:
    """Network output (..., 3, H, W), nominally -1..1 -> uint8 (..., H, W, 3), clipped for display."""
    pixels = ((images.detach().float() + 1) * 127.5).clamp(0, 255).round().byte()
    return pixels.movedim(-3, -1).cpu().numpy()


def synthesize(
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
        or size[0] * size[1] > MAX_PIXELS
    ):
        raise ValueError(f"size must be (height, width) in whole pixels, {MAX_PIXELS:,} in all at most, not {size!r}.")
    height, width = size or ids.shape
    device = next(network.parameters()).device
    fitted = torch.from_numpy(resize_ids(ids, network_size).copy())[None].to(device)
    with torch.inference_mode():
        images = network(fitted)[0, :num_images]
    photographs = [Image.fromarray(pixels) for pixels in to_pixels(images)]
    return [resize_picture(photograph, (height, width)) for photograph in photographs]


def resize_picture(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture of `size` = (height, width), by Lanczos' filter; the same one if it has that size."""
    height, width = size
    # Pillow scales rows before columns: a wish for millions of columns and few rows would cost all the rows.
    if height < picture.height:
        picture = picture.resize((picture.width, height), Image.Resampling.LANCZOS)
    return picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.LANCZOS)


def compose(photographs: Sequence[Image.Image], choice: np.ndarray) -> Image.Image:
    """One picture of several: each pixel comes from the photograph that `choice` names.

    Args:
        photographs: RGB images of one size.
        choice: integers (H, W) of that size, 0 for the first photograph.

    Raises:
        ValueError: if a size differs or a choice names no photograph.
    """
    sizes = {(photograph.height, photograph.width) for photograph in photographs}
    if sizes != {choice.shape}:
        raise ValueError(f"choice is {choice.shape}, the photographs are {sorted(sizes)}: sizes must be the same.")
    if choice.min() < 0 or choice.max() >= len(photographs):
        raise ValueError(f"choices are 0..{len(photographs) - 1}, not {choice.min()}..{choice.max()}.")
    stack = np.stack([np.asarray(photograph) for photograph in photographs])  # (K, H, W, 3)
    picked = np.take_along_axis(stack, choice[None, ..., None].astype(np.intp), axis=0)[0]
    return Image.fromarray(picked)


def save_picture(picture: Image.Image, file: Path) -> None:
    """Writes a PNG that appears whole or not at all; makes its folder if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with appearing(file) as draft:
        picture.save(draft, format="PNG")
