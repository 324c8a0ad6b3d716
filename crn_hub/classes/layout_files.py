"""Layout files: a path, PIL image or array -> class ids of one class set, with notes on how it was read.

A layout is one of: ids in one channel; a palette picture; a picture in class colours. Colours of another preset are
translated by class names. Ambiguous layouts are refused rather than guessed at.
"""

import os
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from crn_hub.classes.class_set import UNLABELLED, ClassSet, Color, LayoutError, check_integers, in_pixels, pack
from crn_hub.classes.decoding import Pixels, decode
from crn_hub.classes.presets import CITYSCAPES_LABEL_IDS, LAST_CITYSCAPES_LABEL_ID, PRESETS
from crn_hub.files import LFS_POINTER, is_lfs_pointer
from crn_hub.text import clause

Layout = str | os.PathLike[str] | Image.Image | np.ndarray | BinaryIO

# Layouts larger than this (in pixels) are refused from the header, before anything is decoded.
MAX_LAYOUT_PIXELS = 8192 * 8192

FORMATS = ("PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG")  # the only decoders of Pillow that open a layout

# What `layout_classes` calls raw Cityscapes ids, 0..33, and numbers that are ids whatever palette they have.
LABEL_IDS, INDICES = "cityscapes-label-ids", "indices"

_CLEARLY_NEARER = 0.9  # the share of a distance below which another one is clearly nearer
_JPEG_OFF, _FEW = 16, 0.001  # how far JPEG moves most colours; the share of pixels that are there by chance
_LISTED = 5  # the most colours or classes that a message lists


class LayoutWarning(UserWarning):
    """A layout was read in a way that its owner should know about."""


@dataclass(frozen=True)
class Finding:
    """One way in which pixels of a layout were not read as they are.

    Attributes:
        what: the way, the same for all layouts, as a clause.
        pixels: how many.
        note: a sentence on those of this layout.
        is_guess: whether the layout may as well mean something else.
    """

    what: str
    pixels: int
    note: str
    is_guess: bool = False


@dataclass(frozen=True)
class LayoutReading:
    """The ids of a layout, and how they were read.

    Attributes:
        ids: uint8 (H, W), 0..n-1 and 255 for unlabelled.
        findings: one for each kind of pixels translated, snapped or treated as unlabelled; usually none.
        read_as: what the layout was taken for: "ids", "colours of a palette", "colours" or "ids in three channels".
        turned: whether the file's EXIF says that the picture is to be turned or mirrored, as it has been.
    """

    ids: np.ndarray
    findings: tuple[Finding, ...]
    read_as: str
    turned: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each finding."""
        return tuple(finding.note for finding in self.findings)


def read_layout(
    layout: Layout,
    classes: ClassSet,
    *,
    layout_classes: ClassSet | str | os.PathLike[str] | None = None,
    snap: bool = False,
    unlabelled: Collection[int] = (),
    starts_at_one: bool = False,
    max_pixels: int = MAX_LAYOUT_PIXELS,
    source: str = "layout",
) -> LayoutReading:
    """Reads a layout as ids of `classes`.

    One channel holds ids, also as whole numbers in floats, or one bit. In a palette picture the palette's colours
    decide; its indices are ids only if the palette holds none of the class colours (or is nothing but shades of grey in
    order). Three channels hold class colours, exactly (the upper 8 of 16 bits), or if all three are the same number in
    every pixel and not all of these are class colours, ids; colours that all belong to another preset are translated by
    class names. Void colours and fully transparent pixels are unlabelled. Files named *_labelIds hold raw Cityscapes
    ids, *_labelTrainIds train ids.

    Args:
        layout: path, opened binary file, PIL image or array: ids (H, W), (H, W, 1) or (1, H, W), or colours uint8
            (H, W, 3 or 4).
        classes: the classes of the result.
        layout_classes: the classes of the layout, which decide what its ids and colours mean: a class set, the name
            of a preset, a file (see `ClassSet.load`), "cityscapes-label-ids", or "indices", if its numbers are ids
            whatever its palette and its bits per pixel.
        snap: read colours of no class as the nearest class colour, for pictures that have been saved as JPEG.
        unlabelled: further ids that mean unlabelled.
        starts_at_one: ids begin at 1 for the first class; 0 is unlabelled.
        max_pixels: larger pictures are refused before they are decoded.
        source: what messages call the layout; its path by default.

    Raises:
        LayoutError: if it is not such a layout; one sentence with the file's name and the values seen.
    """
    file = layout if isinstance(layout, str | os.PathLike) else name_of(layout)
    source = str(file) if source == "layout" and file else source
    reader = _Reader(classes, layout_classes, snap, unlabelled, starts_at_one, source, Path(file).stem)
    if isinstance(layout, np.ndarray):
        return reader.read(_from_array(layout, source))
    if isinstance(layout, Image.Image):
        return reader.read_image(layout, max_pixels)
    if not isinstance(layout, str | os.PathLike) and not hasattr(layout, "read"):
        raise LayoutError(f"a layout is a path, a PIL image or a NumPy array, not {type(layout).__name__}.")
    if isinstance(layout, str | os.PathLike) and not os.path.isfile(layout):
        raise LayoutError(f"{source}: {'a folder, not a layout file' if os.path.isdir(layout) else 'no such file'}.")
    try:
        with warnings.catch_warnings():
            # Pillow warns about pictures above its own limit, which is not ours, and about damage that it tolerates.
            warnings.filterwarnings("ignore", module="PIL")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(layout, formats=FORMATS) as image:
                return reader.read_image(image, max_pixels)
    except LayoutError:
        raise
    except Image.DecompressionBombError as error:
        raise LayoutError(f"{source}: more pixels than the {max_pixels:,} allowed ({clause(error)}).") from None
    except Image.UnidentifiedImageError:
        if isinstance(layout, str | os.PathLike) and is_lfs_pointer(layout):
            raise LayoutError(f"{source} is {LFS_POINTER}.") from None
        advice = f"use files of the formats {', '.join(FORMATS)}, with ids of 8, 16 or 32 bits"
        raise LayoutError(f"{source}: not a picture that can be read; {advice}.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise LayoutError(f"{source}: not a readable picture ({clause(error)}).") from error


def void_number(number: int) -> str:
    """What is found where an id was treated as unlabelled because it is among the `unlabelled` of `read_layout`."""
    return f"of id {number}, treated as unlabelled"


def name_of(opened: object) -> str:
    """The name of the file that an opened file or picture comes from; "" if unknown."""
    name = getattr(opened, "filename", None) or getattr(opened, "name", None)
    return os.fspath(name) if isinstance(name, str | os.PathLike) else ""


def _from_array(array: np.ndarray, source: str) -> Pixels:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    elif array.ndim == 3 and array.shape[0] == 1 and array.shape[2] not in (3, 4):
        array = array[0]
    if array.ndim != 3:
        return Pixels(array)
    if array.shape[2] not in (3, 4) or array.dtype != np.uint8 or array.size == 0:
        raise LayoutError(
            f"{source}: an array in colours is uint8 (height, width, 3 or 4), not {array.dtype} {tuple(array.shape)}."
        )
    return Pixels(array[..., :3], array[..., 3] == 0 if array.shape[2] == 4 else None)


class _Reader:
    """Reads one layout, and collects findings."""

    def __init__(
        self,
        classes: ClassSet,
        layout_classes: ClassSet | str | os.PathLike[str] | None,
        snap: bool,
        unlabelled: Collection[int],
        starts_at_one: bool,
        source: str,
        stem: str,
    ):
        self.classes, self.snap, self.source = classes, snap, source
        self.unlabelled, self.starts_at_one = unlabelled, starts_at_one
        self.findings: list[Finding] = []
        self.label_ids = layout_classes == LABEL_IDS or (layout_classes is None and stem.endswith("_labelIds"))
        self.as_indices = layout_classes == INDICES
        self.given: ClassSet | None = None  # the classes of the layout, if they are known beforehand
        if self.label_ids or (layout_classes is None and stem.endswith("_labelTrainIds")):
            self.given = ClassSet.cityscapes()
        elif isinstance(layout_classes, ClassSet):
            self.given = layout_classes
        elif self.as_indices:
            self.given = classes
        elif layout_classes is not None:
            self.given = ClassSet.load(layout_classes)
        # If none are given, the model's own set is tried first, then each preset; a set must have every colour.
        self.presets = [] if self.given else [ClassSet.load(name) for name in PRESETS]

    def read_image(self, image: Image.Image, max_pixels: int) -> LayoutReading:
        own = self.given or self.classes
        return self.read(decode(image, own, self.presets, max_pixels, self.source, self.as_indices))

    def read(self, pixels: Pixels) -> LayoutReading:
        values, unset = pixels.values, pixels.unset
        there = ... if unset is None else ~unset
        if values.ndim == 3 and pixels.indices is None and self._holds_ids_in_three_channels(values[there]):
            if pixels.may_lose_ids:
                raise self._error(f"a {pixels.may_lose_ids} file doesn't preserve ids; save the layout as PNG")
            read_as, ids = "ids in three channels", self._from_ids(values[..., 0], unset)
            self._find(
                read_as, ids.size, "its three channels are the same number in every pixel, which was read as the id."
            )
        elif values.ndim == 3:
            read_as = "colours" if pixels.indices is None else "colours of a palette"
            ids = np.full(values.shape[:2], UNLABELLED, np.uint8)
            if (colors := values[there].reshape(-1, 3)).size:
                ids[there] = self._from_colors(colors, pixels.indices is not None).reshape(ids[there].shape)
        else:
            read_as, ids = "ids", self._from_ids(values, unset)
        if unset is not None and (count := int(unset.sum())):
            self._find(
                "of no colour, treated as unlabelled",
                count,
                f"treated as unlabelled because they have no colour: {_share(count, ids.size)}.",
            )
        if pixels.has_voc_palette and (differ := ids != self._by_index(pixels)).any():
            self._find(
                "in the colours of Pascal VOC's palette, which were read as class colours",
                int(differ.sum()),
                "it has the palette of Pascal VOC, whose colours were read as class colours; if its indices are ids, "
                f"give the layout classes {INDICES} (--layout-classes).",
                is_guess=True,
            )
        return LayoutReading(ids, tuple(self.findings), read_as, pixels.turned)

    def _by_index(self, pixels: Pixels) -> np.ndarray:
        """int16 (H, W): what the indices of a palette picture would mean as ids; -1 where that is no id."""
        assert pixels.indices is not None  # there is a palette
        own = self.given or self.classes
        known = own.codes.ids or {index: index for index in range(len(own))}
        table = np.full(256, -1, np.int16)
        table[UNLABELLED] = UNLABELLED
        for number, index in known.items():
            if 0 <= number < len(table):
                table[number] = index
        return table[pixels.indices]

    def _find(self, what: str, pixels: int, note: str, is_guess: bool = False) -> None:
        self.findings.append(Finding(what, pixels, note, is_guess))

    def _holds_ids_in_three_channels(self, colors: np.ndarray) -> bool:
        """Whether pixels in three channels, (..., 3), hold a number three times rather than a colour."""
        if not colors.size or (colors != colors[..., :1]).any():
            return False
        if self.as_indices:
            return True
        own = self.given or self.classes
        if self.label_ids:
            ids: Collection[int] = range(LAST_CITYSCAPES_LABEL_ID + 1)
        else:
            ids = own.codes.ids or range(len(own) + self.starts_at_one)
        shades = np.unique(colors[..., 0])
        if not {*shades.tolist()} <= {*ids, *self.unlabelled, UNLABELLED}:
            return False
        # Shades that one set has all as class colours are meant as these.
        as_colors = np.stack([shades] * 3, axis=-1)
        return not any((known.find_colors(as_colors) >= 0).all() for known in [own, *self.presets])

    def _from_ids(self, values: np.ndarray, unset: np.ndarray | None) -> np.ndarray:
        """Numbers (H, W) of any type -> ids uint8 (H, W); pixels without a value are unlabelled."""
        values = self._whole_numbers(values)
        void = np.zeros(values.shape, bool) if unset is None else unset.copy()
        for number in {*self.unlabelled} - {UNLABELLED}:
            if count := int((found := (values == number) & ~void).sum()):
                void |= found
                share = _share(count, values.size)
                self._find(void_number(number), count, f"id {number} in {share} was treated as unlabelled.")
        values = np.where(void, UNLABELLED, values)
        if self.label_ids:
            return self._from_label_ids(values)
        own = self.given or self.classes
        try:
            ids = (own.with_ids_from_one() if self.starts_at_one else own).find_ids(values, self.source)
        except LayoutError as error:
            if own == ClassSet.cityscapes() and ((values <= LAST_CITYSCAPES_LABEL_ID) | (values == UNLABELLED)).all():
                advice = f"raw Cityscapes ids need the layout classes {LABEL_IDS}"
                raise LayoutError(f"{str(error).rstrip('.')}; {advice}.") from error
            raise
        return self._translate(np.where(void, UNLABELLED, ids).astype(np.uint8), own)

    def _whole_numbers(self, values: np.ndarray) -> np.ndarray:
        """Floats that are whole numbers, and truth values, as integers in which no difference overflows; or uint8."""
        values = np.asarray(values)
        if values.dtype == np.uint8:  # by far the most frequent, and worth not being made eight times as large
            return check_integers(values, self.source)
        if np.issubdtype(values.dtype, np.floating):
            if (broken := values[~(np.abs(values) < 2**31) | (values != np.floor(values))]).size:
                raise self._error(f"class ids must be whole numbers, not {broken[0]:g}")
        elif values.dtype != bool:
            values = check_integers(values, self.source)
            if values.dtype == np.uint64:
                values = np.minimum(values, np.iinfo(np.int64).max)
        return check_integers(values.astype(np.int64), self.source)

    def _from_label_ids(self, values: np.ndarray) -> np.ndarray:
        outside = (values < 0) | ((values > LAST_CITYSCAPES_LABEL_ID) & (values != UNLABELLED))
        if outside.any():
            raise self._error(
                f"raw Cityscapes label ids are 0..{LAST_CITYSCAPES_LABEL_ID}, and {UNLABELLED} for unlabelled, not "
                f"{values[outside][0]}; outside: {_share(int(outside.sum()), values.size)}"
            )
        to_train_ids = np.full(256, UNLABELLED, np.uint8)
        to_train_ids[list(CITYSCAPES_LABEL_IDS)] = range(len(CITYSCAPES_LABEL_IDS))
        ids = to_train_ids[values]
        share = _share(int((ids == UNLABELLED).sum()), ids.size)
        self._find(
            "raw Cityscapes ids, converted to train ids",
            ids.size,
            f"raw Cityscapes ids were converted to train ids, which leaves {share} unlabelled.",
        )
        return self._translate(ids, ClassSet.cityscapes())

    def _from_colors(self, colors: np.ndarray, from_palette: bool) -> np.ndarray:
        """uint8 (N, 3) -> ids uint8 (N,)."""
        sets = [self.given or self.classes, *self.presets]
        for own in sets:
            found = own.find_colors(colors)
            if (found >= 0).all():
                break
        else:
            if not self.snap:
                raise self._unknown_colors(colors, sets[0], from_palette)
            return self._snapped(colors, sets)
        ids = found.astype(np.uint8)
        if (void := ids == UNLABELLED).any():
            values, _, counts = _distinct(colors[void])
            seen = ", ".join(f"{_text(value)} {count:,}" for value, count in zip(values, counts, strict=True))
            self._find(
                "void colours, treated as unlabelled",
                int(counts.sum()),
                f"void colours in {_share(int(counts.sum()), ids.size)} were treated as unlabelled: {seen}.",
            )
        return self._translate(ids, own)

    def _unknown_colors(self, colors: np.ndarray, own: ClassSet, from_palette: bool) -> LayoutError:
        unknown = colors[own.find_colors(colors) < 0]
        values, _, counts = _distinct(unknown)
        nearest, _ = own.nearest_colors(values[:_LISTED])
        seen = ", ".join(
            f"{_text(value)} ({in_pixels(count)}, nearest {_named(own, index)})"
            for value, count, index in zip(values, counts, nearest, strict=False)
        )
        more = f" and {len(values) - _LISTED:,} more colours" if len(values) > _LISTED else ""
        advice = "snapping (--snap, or its box on the page) takes each as the nearest class colour"
        if from_palette:
            advice += (
                f"; if the indices of the palette are the ids, give the layout classes {INDICES} (--layout-classes)"
            )
        return self._error(f"no class has the colour of {_share(len(unknown), len(colors))}: {seen}{more}; {advice}")

    def _snapped(self, colors: np.ndarray, sets: list[ClassSet]) -> np.ndarray:
        """Ids by the nearest colours: those of the first set, or of the one with a much smaller total distance."""
        values, index, counts = _distinct(colors)
        nearest = [own.nearest_colors(values) for own in sets]
        totals = [float((distances * counts).sum()) for _, distances in nearest]
        # A set with more colours is always a little nearer, so a preset must be clearly nearer than the model's own.
        chosen = min(range(len(sets)), key=lambda i: totals[i] if i == 0 else totals[i] / _CLEARLY_NEARER)
        for i, preset in enumerate(sets) if chosen == 0 else ():
            if set(sets[0].colors) < set(preset.colors):
                more = [index for index, color in enumerate(preset.colors) if color not in sets[0].colors]
                of_more = np.isin(nearest[i][0], more) & (nearest[i][1] < _JPEG_OFF)
                if counts[of_more].sum() > _FEW * counts.sum():  # its further colours are there, and not by chance
                    chosen = i
        own, (ids, distances) = sets[chosen], nearest[chosen]
        off = distances > 0
        worst = int(distances.argmax())
        self._find(
            "colours of no class, taken as the nearest class colour",
            int(counts[off].sum()),
            f"snapping took {_share(int(counts[off].sum()), index.size)} in {off.sum():,} colours of no class as the "
            f"nearest class colour; the farthest was {_text(values[worst])}, {distances[worst]:.0f} away from "
            f"{_named(own, ids[worst])}.",
        )
        if void := int(counts[ids == UNLABELLED].sum()):
            self._find(
                "colours nearest to a void colour, treated as unlabelled",
                void,
                f"colours nearest to a void colour in {_share(void, index.size)} were treated as unlabelled.",
            )
        return self._translate(ids[index], own)

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
                f"none of its classes ({', '.join(own.names[i] for i in present[:_LISTED])}) is one of this model's "
                f"({', '.join(self.classes.names[:_LISTED])}{', ...' if len(self.classes) > _LISTED else ''})"
            )
        preset = next((name for name in PRESETS if ClassSet.load(name) == own), None)
        what = f"read with the classes of {preset or f'another set of {len(own)}'} and translated by name"
        note = f"{what}: {', '.join(renamed)}" if renamed else what
        note += f"; treated as unlabelled for lack of such a class: {', '.join(lost)}" if lost else ""
        self._find(what, ids.size, f"{note}.")
        return table[ids]

    def _error(self, sentence: str) -> LayoutError:
        return LayoutError(f"{self.source}: {sentence}.")


def _distinct(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 (M, 3) -> distinct colours (N, 3), most frequent first; the index of each pixel's (M,); counts (N,)."""
    packed = pack(colors)
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


def _share(count: int, pixels: int) -> str:
    return f"{in_pixels(count)} ({count / pixels:.1%})"
