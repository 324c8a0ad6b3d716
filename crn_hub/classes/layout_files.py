"""Layout files: a path, PIL image or array -> class ids of one class set, with a report of what was read how.

A layout is one of: ids in one channel; a palette picture; a picture in class colours. Colours of another preset are
translated by class names. What is ambiguous is refused rather than guessed.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from crn_hub.classes.class_set import UNLABELLED, ClassSet, Color, LayoutError, check_integers, pack
from crn_hub.classes.presets import CITYSCAPES_LABEL_IDS, LAST_CITYSCAPES_LABEL_ID, PRESETS

Layout = str | os.PathLike[str] | Image.Image | np.ndarray

# Layouts larger than this (in pixels) are refused from the header, before anything is decoded.
MAX_LAYOUT_PIXELS = 8192 * 8192

FORMATS = ("PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG")  # the decoders of Pillow that a layout may reach

LABEL_IDS = "cityscapes-label-ids"  # what `layout_classes` calls raw Cityscapes ids, 0..33

# The first entries of Pascal VOC's colour map, which many tools put on every picture of ids that they write.
_VOC_PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128]

_MANY = 5  # colours, classes or ids that a message spells out


class LayoutWarning(UserWarning):
    """A layout was read in a way that its owner should know of."""


@dataclass(frozen=True)
class LayoutReading:
    """What a layout was read as.

    Attributes:
        ids: uint8 (H, W), 0..n-1 and 255 for unlabelled.
        notes: one sentence for each thing that was translated, snapped or counted as unlabelled; usually none.
    """

    ids: np.ndarray
    notes: tuple[str, ...]


def read_layout(
    layout: Layout,
    classes: ClassSet,
    *,
    layout_classes: ClassSet | str | os.PathLike[str] | None = None,
    snap: bool = False,
    max_pixels: int = MAX_LAYOUT_PIXELS,
    source: str = "layout",
) -> LayoutReading:
    """Reads a layout as ids of `classes`.

    One channel holds ids. In a palette picture the palette's colours decide; its indices are ids only if the palette
    holds none of the class colours (or is nothing but shades of grey in order). Three channels hold class colours,
    exactly; colours that all belong to another preset are translated by class names. Void colours and pixels that are
    wholly transparent are unlabelled. Files named *_labelIds hold raw Cityscapes ids, *_labelTrainIds train ids.

    Args:
        layout: path, PIL image or array (ids (H, W), or colours (H, W, 3 or 4) uint8).
        classes: the classes of the result.
        layout_classes: the classes of the layout, which settle what its ids and colours mean: a class set, the name
            of a preset, a classes.json, or "cityscapes-label-ids".
        snap: take colours that are no class as the nearest class colour, for pictures that JPEG has been through.
        max_pixels: refuse larger pictures before they are decoded.
        source: what messages call the layout; a path's own name by default.

    Raises:
        LayoutError: for what is no such layout, in one sentence with the file's name and the values seen.
    """
    if isinstance(layout, np.ndarray):
        return _Reader(classes, layout_classes, snap, source).read_array(layout)
    if isinstance(layout, Image.Image):
        file = getattr(layout, "filename", "")
        source = str(file) if source == "layout" and file else source
        return _Reader(classes, layout_classes, snap, source).read_image(layout, max_pixels)
    if not isinstance(layout, str | os.PathLike):
        raise LayoutError(f"a layout is a path, a PIL image or a NumPy array, not {type(layout).__name__}.")
    path = Path(layout)
    source = str(path) if source == "layout" else source
    if not path.is_file():
        raise LayoutError(f"{source}: {'a folder, not a layout file' if path.is_dir() else 'no such file'}.")
    try:
        with warnings.catch_warnings():
            # Pillow's own, larger limit only warns; ours refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return _Reader(classes, layout_classes, snap, source).read_image(image, max_pixels)
    except LayoutError:
        raise
    except Image.DecompressionBombError:
        raise LayoutError(f"{source}: far more pixels than the {max_pixels:,} allowed.") from None
    except Image.UnidentifiedImageError:
        raise LayoutError(f"{source}: not a picture; right is a file of the kind {', '.join(FORMATS)}.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise LayoutError(f"{source}: not a readable picture ({' '.join(str(error).split()).rstrip('.')}).") from error


def is_in_colors(image: Image.Image, classes: ClassSet) -> bool:
    """Whether a picture says what it shows by its colours rather than by ids."""
    if image.mode in ("P", "PA"):
        palette = _palette(image)
        if palette == [level for index in range(len(palette) // 3) for level in (index,) * 3]:
            return False  # shades of grey in order are no colours: index and shade are the same number
        in_palette = {tuple(palette[i : i + 3]) for i in range(0, len(palette), 3)}
        if not in_palette.isdisjoint(classes.colors):
            return True
        indices = np.unique(np.asarray(image.getchannel(0))).tolist()
        used = {tuple(palette[3 * i : 3 * i + 3]) for i in indices}
        return any(
            used <= {*preset.colors, *preset.void_colors} and not used.isdisjoint(preset.colors)
            for preset in map(ClassSet.load, PRESETS)
        )
    return image.mode in ("RGB", "RGBA")


class _Reader:
    """One reading: what it is for, and the notes that gather on the way."""

    def __init__(
        self, classes: ClassSet, layout_classes: ClassSet | str | os.PathLike[str] | None, snap: bool, source: str
    ):
        self.classes, self.snap, self.source = classes, snap, source
        self.notes: list[str] = []
        stem = Path(source).stem
        self.label_ids = layout_classes == LABEL_IDS or (layout_classes is None and stem.endswith("_labelIds"))
        self.given: ClassSet | None = None  # the classes of the layout, where they are known beforehand
        if self.label_ids or (layout_classes is None and stem.endswith("_labelTrainIds")):
            self.given = ClassSet.cityscapes()
        elif isinstance(layout_classes, ClassSet):
            self.given = layout_classes
        elif layout_classes is not None:
            self.given = ClassSet.load(layout_classes)

    def read_image(self, image: Image.Image, max_pixels: int) -> LayoutReading:
        if image.width * image.height > max_pixels:
            raise self._error(f"{image.width} x {image.height} pixels are more than the {max_pixels:,} allowed")
        packing = str(getattr(image, "tile", ""))  # Pillow would stretch 0..15 to 0..255
        if image.mode == "1" or (image.mode == "L" and ("L;2" in packing or "L;4" in packing)):
            raise self._error(
                "a grey picture with fewer than 8 bits per pixel doesn't say whether it holds ids or shades; "
                "save it with 8 bits"
            )
        file_format = image.format
        try:
            image = ImageOps.exif_transpose(image)
        except (OSError, SyntaxError) as error:  # pixels are decoded only here
            raise self._error(f"not a readable picture ({' '.join(str(error).split()).rstrip('.')})") from error

        in_colors = is_in_colors(image, self.given or self.classes)
        if file_format in ("JPEG", "GIF") and not in_colors:
            raise self._error(f"a {file_format} file doesn't keep ids as they are; save the layout as PNG")
        if in_colors:
            if image.mode == "P":
                self._check_indices(np.asarray(image), len(_palette(image)) // 3)
            values = np.array(image.convert("RGB"))
            ids = self._from_colors(values, from_palette=image.mode in ("P", "PA"))
            if image.mode == "P" and _palette(image)[: len(_VOC_PALETTE)] == _VOC_PALETTE:
                self.notes.append(
                    "it has the palette of Pascal VOC, and its colours were taken at their word; if the indices are "
                    "ids, save them in one channel."
                )
        elif image.mode in ("L", "I", "I;16", "I;16B", "I;16L", "P"):
            ids = self._from_ids(np.array(image))
        elif image.mode in ("LA", "PA"):
            ids = self._from_ids(np.array(image.getchannel(0)))
        else:
            raise self._error(
                f"a picture of mode {image.mode} is no layout; "
                "right are ids in one channel, a palette PNG or a picture in class colours"
            )
        if image.has_transparency_data:
            ids = self._clear(ids, np.array(image.convert("RGBA").getchannel("A")) == 0)
        return LayoutReading(ids, tuple(self.notes))

    def read_array(self, array: np.ndarray) -> LayoutReading:
        if array.ndim != 3:
            ids = self._from_ids(array)
        elif array.shape[2] not in (3, 4) or array.dtype != np.uint8 or array.size == 0:
            raise self._error(
                f"an array in colours is uint8 (height, width, 3 or 4), not {array.dtype} {tuple(array.shape)}"
            )
        else:
            ids = self._from_colors(array[..., :3], from_palette=False)
            if array.shape[2] == 4:
                ids = self._clear(ids, array[..., 3] == 0)
        return LayoutReading(ids, tuple(self.notes))

    def _check_indices(self, indices: np.ndarray, colors: int) -> None:
        """An index without a colour is refused; 255 is unlabelled, as ever, and void by what Pillow makes of it."""
        outside = indices[(indices >= colors) & (indices != UNLABELLED)]
        if len(outside):
            seen = f"{outside[0]} is an index of {_pixels(int((outside == outside[0]).sum()))}"
            raise self._error(f"{seen}, but its palette has {colors} colours")

    def _from_ids(self, values: np.ndarray) -> np.ndarray:
        if self.label_ids:
            return self._from_label_ids(check_integers(values, self.source))
        own = self.given or self.classes
        try:
            return self._translate(own.check_ids(values, self.source), own)
        except LayoutError as error:
            if own == ClassSet.cityscapes() and values.ndim == 2 and 0 <= values.min() <= values.max() <= 33:
                advice = f"raw Cityscapes ids are read with the layout classes {LABEL_IDS}"
                raise LayoutError(f"{str(error).rstrip('.')}; {advice}.") from error
            raise

    def _from_label_ids(self, values: np.ndarray) -> np.ndarray:
        outside = (values < 0) | ((values > LAST_CITYSCAPES_LABEL_ID) & (values != UNLABELLED))
        if outside.any():
            raise self._error(
                f"raw Cityscapes label ids are 0..{LAST_CITYSCAPES_LABEL_ID}, and {UNLABELLED} for unlabelled; "
                f"{_share(int(outside.sum()), values.size)} have others, for example {values[outside][0]}"
            )
        to_train_ids = np.full(256, UNLABELLED, np.uint8)
        to_train_ids[list(CITYSCAPES_LABEL_IDS)] = range(len(CITYSCAPES_LABEL_IDS))
        ids = to_train_ids[values]
        unlabelled = _share(int((ids == UNLABELLED).sum()), ids.size)
        self.notes.append(f"raw Cityscapes ids were brought to train ids; {unlabelled} are of no class and unlabelled.")
        return self._translate(ids, ClassSet.cityscapes())

    def _from_colors(self, colors: np.ndarray, from_palette: bool) -> np.ndarray:
        sets = [self.given] if self.given else [self.classes, *map(ClassSet.load, PRESETS)]
        for own in sets:  # the model's own set comes first; another counts only if every colour is one of its
            found = own.find_colors(colors)
            if (found >= 0).all():
                break
        else:
            if not self.snap:
                raise self._unknown_colors(colors, sets[0], from_palette)
            return self._snapped(colors, sets)
        ids = found.astype(np.uint8)
        self._note_void(colors[ids == UNLABELLED], ids.size)
        return self._translate(ids, own)

    def _unknown_colors(self, colors: np.ndarray, own: ClassSet, from_palette: bool) -> LayoutError:
        unknown = colors[own.find_colors(colors) < 0]
        values, _, counts = _distinct(unknown)
        nearest, _ = own.nearest_colors(values[:_MANY])
        seen = ", ".join(
            f"{_text(value)} ({_pixels(count)}, nearest {_named(own, index)})"
            for value, count, index in zip(values, counts, nearest, strict=False)
        )
        more = f" and {len(values) - _MANY:,} more colours" if len(values) > _MANY else ""
        advice = "the option snap takes each as the nearest class colour"
        if from_palette:
            advice += "; if the indices of the palette are the ids, save them in one channel"
        share = _share(len(unknown), colors.shape[0] * colors.shape[1])
        return self._error(f"no class has the colour of {share}: {seen}{more}; {advice}")

    def _snapped(self, colors: np.ndarray, sets: list[ClassSet]) -> np.ndarray:
        """Ids by the nearest colours of that set which is nearest on the whole; of equals the first."""
        values, index, counts = _distinct(colors)
        nearest = [own.nearest_colors(values) for own in sets]
        chosen = int(np.argmin([(distances * counts).sum() for _, distances in nearest]))
        own, (ids, distances) = sets[chosen], nearest[chosen]
        off = distances > 0
        worst = int(distances.argmax())
        share = _share(int(counts[off].sum()), index.size)
        self.notes.append(
            f"{share} in {off.sum():,} colours of no class were taken for the nearest class colour; the farthest was "
            f"{_text(values[worst])}, {distances[worst]:.0f} away from {_named(own, ids[worst])}."
        )
        if void := int(counts[ids == UNLABELLED].sum()):
            self.notes.append(f"{_share(void, index.size)} are nearest to void colours and so unlabelled.")
        return self._translate(ids[index].reshape(colors.shape[:2]), own)

    def _note_void(self, void: np.ndarray, pixels: int) -> None:
        if len(void):
            values, _, counts = _distinct(void)
            seen = ", ".join(f"{_text(value)} {count:,}" for value, count in zip(values, counts, strict=True))
            self.notes.append(f"{_share(len(void), pixels)} in void colours are unlabelled: {seen}.")

    def _translate(self, ids: np.ndarray, own: ClassSet) -> np.ndarray:
        if own == self.classes:
            return ids
        table = own.translation_to(self.classes)
        present = [int(index) for index in np.unique(ids) if index != UNLABELLED]
        renamed = [
            f"{own.names[i]} as {self.classes.names[table[i]]}"
            for i in present
            if table[i] != UNLABELLED and own.names[i].casefold() != self.classes.names[table[i]].casefold()
        ]
        lost = [
            f"{own.names[i]} with {_share(int((ids == i).sum()), ids.size)}" for i in present if table[i] == UNLABELLED
        ]
        if len(lost) == len(present) > 0:
            raise self._error(
                f"none of its classes ({', '.join(own.names[i] for i in present[:_MANY])}) is one of this model's "
                f"({', '.join(self.classes.names[:_MANY])}{', ...' if len(self.classes) > _MANY else ''})"
            )
        preset = next((name for name in PRESETS if ClassSet.load(name) == own), None)
        note = f"read with the classes of {preset or f'another set of {len(own)}'} and translated by name"
        note += f": {', '.join(renamed)}" if renamed else ""
        note += f"; unlabelled, for want of such a class here: {', '.join(lost)}" if lost else ""
        self.notes.append(f"{note}.")
        return table[ids]

    def _clear(self, ids: np.ndarray, transparent: np.ndarray) -> np.ndarray:
        if transparent.any():
            self.notes.append(f"{_share(int(transparent.sum()), ids.size)} are transparent and so unlabelled.")
            return np.where(transparent, np.uint8(UNLABELLED), ids)
        return ids

    def _error(self, sentence: str) -> LayoutError:
        return LayoutError(f"{self.source}: {sentence}.")


def _palette(image: Image.Image) -> list[int]:
    return list(image.getpalette("RGB") or [])


def _distinct(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 (..., 3), M pixels -> colours (N, 3), most frequent first; the index of each pixel's (M,); counts (N,)."""
    packed = pack(colors).reshape(-1)
    counts = np.bincount(packed)  # faster than sorting tens of millions of pixels
    present = np.flatnonzero(counts)
    present = present[np.argsort(-counts[present], kind="stable")]
    place = np.empty(len(counts), np.int32)
    place[present] = np.arange(len(present))
    values = np.stack([present >> 16, present >> 8 & 255, present & 255], axis=-1).astype(np.uint8)
    return values, place[packed], counts[present]


def _text(color: np.ndarray) -> str:
    red, green, blue = color.tolist()
    return f"({red}, {green}, {blue})"


def _named(classes: ClassSet, index: int) -> str:
    if index == UNLABELLED:
        return "void"
    color: Color = classes.colors[index]
    return f"{classes.names[index]} {color}"


def _pixels(count: int) -> str:
    return f"{count:,} pixel{'' if count == 1 else 's'}"


def _share(count: int, pixels: int) -> str:
    return f"{_pixels(count)} ({count / pixels:.1%})"
