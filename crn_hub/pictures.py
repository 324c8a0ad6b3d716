"""Converts between the scale of networks, -1..1, that of pixels, 0..255, and PIL images; reads, resizes and saves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from crn_hub.files import LFS_POINTER, appearing, is_lfs_pointer
from crn_hub.text import clause

if TYPE_CHECKING:  # these take seconds to import, and whoever reads pictures may not need them
    from matplotlib.figure import Figure
    from torch import Tensor

_DEEP = ("I;16", "I;16B", "I;16L", "I")  # modes of grey pictures with 16 bits, or as many as Pillow makes of them

Photograph = str | os.PathLike[str] | Image.Image | np.ndarray


def to_255(images: Tensor) -> Tensor:
    """-1..1 -> 0..255, not clipped."""
    return (images + 1) * 127.5


def from_255(images: Tensor) -> Tensor:
    """0..255, of any type -> float, -1..1."""
    return images.float() / 127.5 - 1


def to_pixels(images: Tensor) -> np.ndarray:
    """Network output (..., 3, H, W), nominally -1..1 -> uint8 (..., H, W, 3), clipped for display."""
    pixels = to_255(images.detach().float()).clamp(0, 255).round().byte()
    return pixels.movedim(-3, -1).cpu().numpy()


def read_photograph(photograph: Photograph, called: str = "the photograph") -> np.ndarray:
    """A path, PIL image or array -> uint8 (H, W, 3), RGB. A failure names an image as it is `called`.

    Raises:
        ValueError: if it isn't a photograph; one sentence.
    """
    if isinstance(photograph, np.ndarray):
        if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3 or not photograph.size:
            raise ValueError(
                f"a photograph as an array must be uint8 (H, W, 3), RGB, not {photograph.dtype} {photograph.shape}."
            )
        return photograph
    if isinstance(photograph, Image.Image):
        return _in_rgb(photograph, called)
    if not isinstance(photograph, str | os.PathLike):
        raise ValueError(f"a photograph is a path, a PIL image or an array, not {type(photograph).__name__}.")
    try:
        with Image.open(photograph) as opened:
            opened.load()
    except FileNotFoundError as error:
        raise ValueError(f"{clause(photograph)}: no such file.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(photograph, error) from error
    return _in_rgb(opened, clause(photograph))


def check_photograph(file: Path) -> None:
    """Raises a ValueError, one sentence, if a file is no picture; reads no more of it than its header."""
    try:
        with Image.open(file):
            pass
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: str | os.PathLike[str], error: Exception) -> ValueError:
    if isinstance(error, UnidentifiedImageError) and is_lfs_pointer(file):
        return ValueError(f"{clause(file)} is {LFS_POINTER}.")
    return ValueError(f"{clause(file)}: not readable as a photograph ({clause(error)}).")


def is_turned(picture: Image.Image) -> bool:
    """Whether a picture's EXIF says that it is to be turned or mirrored."""
    return picture.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)


def _in_rgb(picture: Image.Image, called: str) -> np.ndarray:
    """uint8 (H, W, 3), turned as EXIF says; of 16 bits the upper 8."""
    if picture.mode not in ("RGB", "RGBA", "L", "LA", "P", "PA", "CMYK", "YCbCr", *_DEEP) or 0 in picture.size:
        raise ValueError(
            f"{called}: a picture of mode {picture.mode} with {picture.width} x {picture.height} pixels cannot be "
            "used; a photograph has 8 or 16 bits per channel."
        )
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in _DEEP:
        levels = np.array(picture, np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError(
                f"{called}: a grey picture with levels from {levels.min()} to {levels.max()} cannot be used; a "
                "photograph has 8 or 16 bits per channel."
            )
        return np.stack([(levels >> 8).astype(np.uint8)] * 3, axis=-1)
    return np.array(picture.convert("RGB"))


def resize_picture(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture resized to `size` = (height, width) with the Lanczos filter; the same one if it has that size."""
    height, width = size
    # Pillow scales the width first, in all rows: that would be slow for a very wide picture with few rows.
    if height < picture.height:
        picture = picture.resize((picture.width, height), Image.Resampling.LANCZOS)
    return picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.LANCZOS)


def compose(photographs: Sequence[Image.Image], choice: np.ndarray) -> Image.Image:
    """Composes one picture: each pixel comes from the photograph that `choice` selects.

    Args:
        photographs: RGB images of one size.
        choice: integers (H, W) of that size, 0 for the first photograph.

    Raises:
        ValueError: if sizes differ, or a choice is out of range.
    """
    sizes = {(photograph.height, photograph.width) for photograph in photographs}
    if sizes != {choice.shape}:
        raise ValueError(f"choice is {choice.shape}, the photographs are {sorted(sizes)}: sizes must be the same.")
    if choice.min() < 0 or choice.max() >= len(photographs):
        raise ValueError(f"choices are 0..{len(photographs) - 1}, not {choice.min()}..{choice.max()}.")
    stack = np.stack([np.asarray(photograph) for photograph in photographs])  # (K, H, W, 3)
    picked = np.take_along_axis(stack, choice[None, ..., None].astype(np.intp), axis=0)[0]
    return Image.fromarray(picked)


def draw_plot(figure: Figure) -> Image.Image:
    """The RGB picture that `figure.savefig` would write, in two thirds of the time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def few_colors(plot: Image.Image) -> Image.Image:
    """A plot with 256 colours, which look like its own: a file of a third of the size."""
    return plot.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def save_picture(picture: Image.Image, file: Path) -> None:
    """Writes a PNG that appears whole or not at all; makes its folder if necessary."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with appearing(file) as draft:
        picture.save(draft, format="PNG")
