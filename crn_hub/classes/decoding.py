"""A picture -> the numbers or colours that its pixels hold; what these mean is decided in `layout_files`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from crn_hub.classes.class_set import UNLABELLED, ClassSet, LayoutError
from crn_hub.pictures import is_turned
from crn_hub.text import clause

_SCALED_DEPTHS = {"L;2": 85, "L;4": 17}  # Pillow scales these to 8 bits, by these factors
_TRUNCATED_DEPTH = "LA;16B"  # Pillow drops the lower 8 bits


@dataclass(frozen=True)
class Pixels:
    """What the pixels of a layout hold.

    Attributes:
        values: (H, W), whole numbers, for ids; uint8 (H, W, 3) for colours.
        unset: bool (H, W), pixels without a value: transparent ones, and those with the index 255 if the palette is
            shorter. None if there are none.
        indices: uint8 (H, W), if the colours come from a palette, which of its colours each pixel has.
        has_voc_palette: whether it is Pascal VOC's palette, which many tools add to every picture of ids they write.
        may_lose_ids: the format of the file, if it is one that doesn't preserve ids; else "".
        turned: whether the file's EXIF says that the picture is to be turned or mirrored, as it has been.
    """

    values: np.ndarray
    unset: np.ndarray | None = None
    indices: np.ndarray | None = None
    has_voc_palette: bool = False
    may_lose_ids: str = ""
    turned: bool = False


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
    if not colors.isdisjoint({*classes.colors, *classes.codes.colors}):
        return True
    return not _is_voc(palette) and any(
        colors <= {*preset.colors, *preset.void_colors} and not colors.isdisjoint(preset.colors) for preset in presets
    )


def decode(
    image: Image.Image,
    classes: ClassSet,
    presets: Sequence[ClassSet],
    max_pixels: int,
    source: str,
    as_indices: bool = False,
) -> Pixels:
    """Decodes a picture and turns it according to its EXIF orientation.

    Args:
        image: an opened picture.
        classes, presets: as for `is_in_colors`.
        max_pixels: larger pictures are refused before they are decoded.
        source: what messages call the picture.
        as_indices: whether palettes don't count, and grey of 2 or 4 bits holds numbers.

    Raises:
        LayoutError: if it has too many pixels, cannot be decoded, or has a format that does not preserve ids.
    """
    if image.width * image.height > max_pixels:
        raise LayoutError(f"{source}: {image.width} x {image.height} pixels are more than the {max_pixels:,} allowed.")
    scale, has_lost_ids = _check_depth(image, source, as_indices), False
    is_deep = any("RGB" in str(tile[3]) and ";16" in str(tile[3]) for tile in getattr(image, "tile", []))
    # A JPEG may be inside a TIFF. Pillow forgets the format when it decodes.
    file_format = "JPEG" if image.info.get("compression") == "jpeg" else image.format
    try:
        pictures = getattr(image, "n_frames", 1)
        image.load()
        turned = is_turned(image)
        image = ImageOps.exif_transpose(image)
        in_colors = is_in_colors(image, classes, presets) and not (as_indices and image.mode in ("P", "PA"))
        unset = np.asarray(image.convert("RGBA").getchannel("A")) == 0 if image.has_transparency_data else None
        if in_colors and image.mode in ("RGB", "RGBA"):
            values = np.asarray(image.convert("RGB"))
            has_lost_ids = is_deep and not values.any()
        else:
            values = np.asarray(image.getchannel(0) if image.mode in ("P", "PA", "LA") else image)
    except Exception as error:  # decoders and EXIF readers fail in many different ways
        raise LayoutError(f"{source}: not a readable picture ({clause(error) or type(error).__name__}).") from error

    if image.mode not in ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F", "P", "PA", "RGB", "RGBA"):
        raise LayoutError(
            f"{source}: a picture of mode {image.mode} is not a layout; "
            "use ids in one channel, a palette PNG or a picture in class colours."
        )
    if pictures > 1:
        raise LayoutError(f"{source}: holds {pictures} pictures, but a layout is one; save the right one by itself.")
    if has_lost_ids:  # Pillow gives the upper 8 bits
        raise LayoutError(
            f"{source}: a picture of 16 bits per channel that is black in the upper 8 of them; if it holds ids, save "
            "them in one channel."
        )
    lossy = file_format if file_format in ("JPEG", "GIF") else ""
    if lossy and not in_colors:
        raise LayoutError(f"{source}: a {lossy} file doesn't preserve ids; save the layout as PNG.")
    if in_colors and image.mode in ("P", "PA"):
        return _look_up(values, _palette(image), unset, turned, source)
    return Pixels(values // scale if scale > 1 else values, unset, may_lose_ids=lossy, turned=turned)


def _check_depth(image: Image.Image, source: str, as_indices: bool) -> int:
    """Refuses depths of grey that Pillow changes when it decodes them; returns the factor by which it scales ids."""
    packing = {str(tile[3]) for tile in getattr(image, "tile", [])}
    scaled = [factor for depth, factor in _SCALED_DEPTHS.items() if any(depth in seen for seen in packing)]
    if scaled and as_indices:
        return scaled[0]
    if scaled or any(_TRUNCATED_DEPTH in seen for seen in packing):
        advice = " or, if it holds ids, give the layout classes indices (--layout-classes)" if scaled else ""
        raise LayoutError(
            f"{source}: a grey picture of this depth ({image.mode}{''.join(f', {seen}' for seen in packing)}) doesn't "
            f"say whether it holds ids or shades; save it with 8 bits per pixel, or 16 without alpha{advice}."
        )
    return 1


def _look_up(
    indices: np.ndarray, palette: list[tuple[int, ...]], unset: np.ndarray | None, turned: bool, source: str
) -> Pixels:
    """Indices (H, W) -> the colours that a palette gives them."""
    if (beyond := indices >= len(palette)).any():
        if (missing := indices[beyond & (indices != UNLABELLED)]).size:
            raise LayoutError(
                f"{source}: {missing[0]} is the index of {np.count_nonzero(missing == missing[0]):,} of its pixels, "
                f"but its palette has {len(palette)} colours."
            )
        unset = beyond if unset is None else unset | beyond
    colors = np.array(palette, np.uint8)[np.where(beyond, 0, indices)]
    return Pixels(colors, unset, indices, _is_voc(palette), turned=turned)


def _palette(image: Image.Image) -> list[tuple[int, ...]]:
    levels = image.getpalette("RGB") or []
    return [tuple(levels[i : i + 3]) for i in range(0, len(levels), 3)]


def _is_voc(palette: list[tuple[int, ...]]) -> bool:
    """Whether a palette is Pascal VOC's colour map, or its beginning (VOCdevkit, VOClabelcolormap)."""

    def color(index: int) -> tuple[int, ...]:
        # Bits 0, 3, 6 of the index are the highest bits of red, bits 1, 4, 7 those of green, 2 and 5 those of blue.
        return tuple(sum((index >> 3 * n + c & 1) << 7 - n for n in range(3)) for c in range(3))

    return len(palette) > 1 and palette == [color(index) for index in range(len(palette))]
