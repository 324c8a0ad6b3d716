"""A picture -> the numbers or colours that its pixels hold; what these mean is decided in `layout_files`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from crn_hub.classes.class_set import UNLABELLED, ClassSet, LayoutError
from crn_hub.text import clause

_CHANGED_DEPTHS = ("L;2", "L;4", "LA;16B")  # Pillow scales the first two to 8 bits and truncates the third


@dataclass(frozen=True)
class Pixels:
    """What the pixels of a layout hold.

    Attributes:
        values: (H, W), whole numbers, for ids; uint8 (H, W, 3) for colours.
        unset: bool (H, W), pixels without a value: transparent ones, and those with the index 255 if the palette is
            shorter. None if there are none.
        from_palette: whether the colours come from a palette.
        has_voc_palette: whether it is Pascal VOC's palette, which many tools add to every picture of ids they write.
    """

    values: np.ndarray
    unset: np.ndarray | None = None
    from_palette: bool = False
    has_voc_palette: bool = False


def is_in_colors(image: Image.Image, classes: ClassSet, presets: Sequence[ClassSet] = ()) -> bool:
    """Whether the pixels of a picture are class colours rather than ids.

    Those of a palette picture are if its palette has a colour of `classes`, or consists of colours of one of `presets`.
    """
    if image.mode not in ("P", "PA"):
        return image.mode in ("RGB", "RGBA")
    palette = _palette(image)
    if palette == [(shade, shade, shade) for shade in range(len(palette))]:
        return False  # index and shade are the same number
    colors = set(palette)
    if not colors.isdisjoint(classes.colors):
        return True
    return not _is_voc(palette) and any(
        colors <= {*preset.colors, *preset.void_colors} and not colors.isdisjoint(preset.colors) for preset in presets
    )


def decode(image: Image.Image, classes: ClassSet, presets: Sequence[ClassSet], max_pixels: int, source: str) -> Pixels:
    """Decodes a picture and turns it according to its EXIF orientation.

    Args:
        image: an opened picture.
        classes, presets: as for `is_in_colors`.
        max_pixels: larger pictures are refused before they are decoded.
        source: what messages call the picture.

    Raises:
        LayoutError: if it has too many pixels, cannot be decoded, or has a format that does not preserve ids.
    """
    if image.width * image.height > max_pixels:
        raise LayoutError(f"{source}: {image.width} x {image.height} pixels are more than the {max_pixels:,} allowed.")
    _check_depth(image, source)
    # A JPEG may be inside a TIFF. Pillow forgets the format when it decodes.
    file_format = "JPEG" if image.info.get("compression") == "jpeg" else image.format
    try:
        pictures = getattr(image, "n_frames", 1)
        image.load()
        image = ImageOps.exif_transpose(image)
        in_colors = is_in_colors(image, classes, presets)
        unset = np.asarray(image.convert("RGBA").getchannel("A")) == 0 if image.has_transparency_data else None
        if in_colors and image.mode in ("RGB", "RGBA"):
            values = np.asarray(image.convert("RGB"))
        else:
            values = np.asarray(image.getchannel(0) if image.mode in ("P", "PA", "LA") else image)
    except Exception as error:  # decoders and EXIF readers fail in many different ways
        raise LayoutError(f"{source}: not a readable picture ({clause(error) or type(error).__name__}).") from error

    if image.mode not in ("L", "LA", "I", "I;16", "I;16B", "I;16L", "P", "PA", "RGB", "RGBA"):
        raise LayoutError(
            f"{source}: a picture of mode {image.mode} is not a layout; "
            "use ids in one channel, a palette PNG or a picture in class colours."
        )
    if pictures > 1:
        raise LayoutError(f"{source}: holds {pictures} pictures, but a layout is one; save the right one by itself.")
    if file_format in ("JPEG", "GIF") and not in_colors:
        raise LayoutError(f"{source}: a {file_format} file doesn't preserve ids; save the layout as PNG.")
    if in_colors and image.mode in ("P", "PA"):
        return _look_up(values, _palette(image), unset, source)
    return Pixels(values, unset)


def _check_depth(image: Image.Image, source: str) -> None:
    """Refuses depths of grey that Pillow changes when it decodes them."""
    packing = {str(tile[3]) for tile in getattr(image, "tile", [])}
    if image.mode == "1" or any(depth in seen for depth in _CHANGED_DEPTHS for seen in packing):
        raise LayoutError(
            f"{source}: a grey picture of this depth ({image.mode}{''.join(f', {seen}' for seen in packing)}) doesn't "
            "say whether it holds ids or shades; save it with 8 bits per pixel, or 16 without alpha."
        )


def _look_up(indices: np.ndarray, palette: list[tuple[int, ...]], unset: np.ndarray | None, source: str) -> Pixels:
    """Indices (H, W) -> the colours that a palette gives them."""
    if (beyond := indices >= len(palette)).any():
        if (missing := indices[beyond & (indices != UNLABELLED)]).size:
            raise LayoutError(
                f"{source}: {missing[0]} is the index of {np.count_nonzero(missing == missing[0]):,} of its pixels, "
                f"but its palette has {len(palette)} colours."
            )
        unset = beyond if unset is None else unset | beyond
        indices = np.where(beyond, 0, indices)
    return Pixels(np.array(palette, np.uint8)[indices], unset, from_palette=True, has_voc_palette=_is_voc(palette))


def _palette(image: Image.Image) -> list[tuple[int, ...]]:
    levels = image.getpalette("RGB") or []
    return [tuple(levels[i : i + 3]) for i in range(0, len(levels), 3)]


def _is_voc(palette: list[tuple[int, ...]]) -> bool:
    """Whether a palette is Pascal VOC's colour map, or its beginning (VOCdevkit, VOClabelcolormap)."""

    def color(index: int) -> tuple[int, ...]:
        # Bits 0, 3, 6 of the index are the highest bits of red, bits 1, 4, 7 those of green, 2 and 5 those of blue.
        return tuple(sum((index >> 3 * n + c & 1) << 7 - n for n in range(3)) for c in range(3))

    return len(palette) > 1 and palette == [color(index) for index in range(len(palette))]
