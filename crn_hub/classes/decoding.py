"""A picture -> the numbers or colours that its pixels hold, without a word yet on what these mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from crn_hub.classes.class_set import UNLABELLED, ClassSet, LayoutError
from crn_hub.text import clause

_NOT_EVERY_BIT = ("L;2", "L;4", "LA;16B")  # what Pillow would stretch, or cut off


@dataclass(frozen=True)
class Pixels:
    """What the pixels of a layout hold.

    Attributes:
        values: (H, W), whole numbers, for ids; uint8 (H, W, 3) for colours.
        unset: bool (H, W), pixels without a value: transparent ones, and those of the index 255 in a palette that ends
            before it. None if there are none.
        from_palette: whether the colours are those of a palette.
        has_voc_palette: whether that is Pascal VOC's, which many tools put on every picture of ids that they write.
    """

    values: np.ndarray
    unset: np.ndarray | None = None
    from_palette: bool = False
    has_voc_palette: bool = False


def is_in_colors(image: Image.Image, classes: ClassSet, presets: Sequence[ClassSet] = ()) -> bool:
    """Whether a picture says what it shows by colours rather than by ids.

    A palette does if it holds a colour of `classes`, or nothing but the colours of one of `presets`.
    """
    if image.mode not in ("P", "PA"):
        return image.mode in ("RGB", "RGBA")
    palette = _palette(image)
    if palette == [(shade, shade, shade) for shade in range(len(palette))]:
        return False  # shades of grey in order are no colours: index and shade are the same number
    colors = set(palette)
    if not colors.isdisjoint(classes.colors):
        return True
    return not _is_voc(palette) and any(
        colors <= {*preset.colors, *preset.void_colors} and not colors.isdisjoint(preset.colors) for preset in presets
    )


def decode(image: Image.Image, classes: ClassSet, presets: Sequence[ClassSet], max_pixels: int, source: str) -> Pixels:
    """Decodes a picture and turns it as its EXIF says; `classes` and `presets` are for `is_in_colors`.

    Raises:
        LayoutError: for more than `max_pixels`, before anything is decoded; for what cannot be decoded; for formats
            in which ids do not survive.
    """
    if image.width * image.height > max_pixels:
        raise LayoutError(f"{source}: {image.width} x {image.height} pixels are more than the {max_pixels:,} allowed.")
    # Decoding forgets both.
    file_format, packing = image.format, {str(tile[3]) for tile in getattr(image, "tile", [])}
    if image.info.get("compression") == "jpeg":  # inside a TIFF
        file_format = "JPEG"
    if image.mode == "1" or any(bits in seen for bits in _NOT_EVERY_BIT for seen in packing):
        raise LayoutError(
            f"{source}: a grey picture of this depth ({image.mode}{''.join(f', {seen}' for seen in packing)}) doesn't "
            "say whether it holds ids or shades; save it with 8 bits per pixel, or 16 without alpha."
        )
    try:
        pictures = getattr(image, "n_frames", 1)
        image.load()
        image = ImageOps.exif_transpose(image)
        in_colors = is_in_colors(image, classes, presets)
        clear = np.asarray(image.convert("RGBA").getchannel("A")) == 0 if image.has_transparency_data else None
        if image.mode in ("P", "PA"):
            values, palette = np.asarray(image.getchannel(0)), np.array(_palette(image), np.uint8)
        elif in_colors:
            values = np.asarray(image.convert("RGB"))
        else:
            values = np.asarray(image.getchannel(0) if image.mode == "LA" else image)
    except Exception as error:  # decoders, and readers of EXIF, fail in ways of their own
        raise LayoutError(f"{source}: not a readable picture ({clause(error) or type(error).__name__}).") from error

    if image.mode not in ("L", "LA", "I", "I;16", "I;16B", "I;16L", "P", "PA", "RGB", "RGBA"):
        raise LayoutError(
            f"{source}: a picture of mode {image.mode} is no layout; "
            "right are ids in one channel, a palette PNG or a picture in class colours."
        )
    if pictures > 1:
        raise LayoutError(f"{source}: holds {pictures} pictures, and a layout is one; save the right one by itself.")
    if file_format in ("JPEG", "GIF") and not in_colors:
        raise LayoutError(f"{source}: a {file_format} file doesn't keep ids as they are; save the layout as PNG.")
    if not in_colors or image.mode in ("RGB", "RGBA"):
        return Pixels(values, clear)

    if (beyond := values >= len(palette)).any():
        if (without := values[beyond & (values != UNLABELLED)]).size:
            raise LayoutError(
                f"{source}: {without[0]} is the index of {np.count_nonzero(without == without[0]):,} of its pixels, "
                f"but its palette has {len(palette)} colours."
            )
        clear = beyond if clear is None else clear | beyond
        values = np.where(beyond, 0, values)
    return Pixels(palette[values], clear, from_palette=True, has_voc_palette=_is_voc(_palette(image)))


def _palette(image: Image.Image) -> list[tuple[int, ...]]:
    levels = image.getpalette("RGB") or []
    return [tuple(levels[i : i + 3]) for i in range(0, len(levels), 3)]


def _is_voc(palette: list[tuple[int, ...]]) -> bool:
    """Whether a palette is a beginning of Pascal VOC's colour map (VOCdevkit, VOClabelcolormap)."""

    def color(index: int) -> tuple[int, ...]:
        # Bits 0, 3, 6 of the index are the highest bits of red, the next ones those of green and of blue.
        return tuple(sum((index >> 3 * n + c & 1) << 7 - n for n in range(3)) for c in range(3))

    return len(palette) > 1 and palette == [color(index) for index in range(len(palette))]
