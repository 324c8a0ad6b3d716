"""Rows of photograph and label map -> tensors of the network's size: checks, cropping, resizing, augmentation."""

import copy
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from tqdm import tqdm

from crn_hub.classes import ClassSet, Finding, LayoutError, LayoutReading
from crn_hub.data.cells import Content, name_of_file, open_cell, read_photograph_cell, undecoded
from crn_hub.data.label_survey import LabelSurvey
from crn_hub.data.labels import LabelReader
from crn_hub.data.simplification import simplify
from crn_hub.pictures import from_255
from crn_hub.region_colors import region_colors
from crn_hub.text import clause

Pair = tuple[np.ndarray, np.ndarray]  # pixels uint8 (H, W, 3) and ids uint8 (H, W), at the row's own size


class Checked(NamedTuple):
    """
    Attributes:
        bad: the rows left out, and what is wrong with each.
        labels: what the label maps of the others were taken for.
    """

    bad: dict[int, str]
    labels: LabelSurvey


class PairDataset(Dataset[dict[str, Any]]):
    """Rows -> tensors of the network's size.

    The largest crop with the network's aspect ratio is taken from each row (at random with a seed, else the middle) and
    resized: photographs with antialiasing, labels by nearest neighbour. Random draws depend only on (seed, epoch, row),
    so neither the order of rows nor the number of processes changes them.

    Args:
        rows: a sequence of {image_column: picture, label_column: picture or array}; pictures as `open_cell` opens them.
        classes: the class set of the labels, or what reads them; the former is read as a `LabelReader` does by default.
        size: (height, width) in pixels; may be changed later.
        seed: of the augmentation; None for no augmentation.
        random_flip: mirror half of the pairs.
        color_jitter: how far brightness, contrast and saturation of photographs vary, 0..1: factors are drawn from
            1 - color_jitter to 1 + color_jitter.
        simplify_layouts: the share of pairs, 0..1, whose label map is simplified (see `simplification`).
        with_colors: whether pairs come with the colours of their regions (see `region_colors`).
        cache_bytes: the most memory for decoded rows; rows that do not fit are decoded each time.
        called: what messages call a row.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        classes: ClassSet | LabelReader,
        size: tuple[int, int],
        image_column: str = "image",
        label_column: str = "label",
        seed: int | None = None,
        random_flip: bool = False,
        color_jitter: float = 0.0,
        simplify_layouts: float = 0.0,
        with_colors: bool = False,
        cache_bytes: int = 0,
        called: str = "row",
    ):
        self.labels = classes if isinstance(classes, LabelReader) else LabelReader(classes)
        self.rows, self.classes, self.size = rows, self.labels.classes, size
        self.image_column, self.label_column = image_column, label_column
        self.seed, self.random_flip, self.color_jitter = seed, random_flip, color_jitter
        self.simplify_layouts, self.with_colors = simplify_layouts, with_colors
        self.cache_bytes, self.called = cache_bytes, called
        self.epoch = 0
        self.used = list(range(len(rows)))  # the rows that are not left out
        self._cells = undecoded(rows, (image_column, label_column))
        self._cache: dict[int, Pair] = {}

    def set_epoch(self, epoch: int) -> None:
        """Selects the augmentation of the epoch; accelerate's data loader calls this."""
        self.epoch = epoch

    def at_size(self, size: tuple[int, int]) -> "PairDataset":
        """The same rows at another (height, width); both share the cache of decoded rows."""
        other = copy.copy(self)
        other.size = size
        return other

    def __len__(self) -> int:
        return len(self.used)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """{"photograph": float32 (3, H, W), -1..1; "ids": uint8 (H, W); "row": int, the row's number}.

        With colours also "colors": float32 (3, H, W), -1..1.

        Raises:
            LayoutError: naming the row, its files and what is wrong with it.
        """
        row = self.used[index]
        pixels, ids = self.decode(row)
        across, down, flip, jitter = 0.5, 0.5, False, np.zeros(3)
        simplify_rng: np.random.Generator | None = None
        if self.seed is not None:
            rng = np.random.default_rng((self.seed, self.epoch, row))
            draws = rng.random(6)
            simplify_rng = rng if rng.random() < self.simplify_layouts else None
            across, down, flip = draws[0], draws[1], self.random_flip and draws[2] < 0.5
            jitter = self.color_jitter * (2 * draws[3:] - 1)
        crop = _crop_of_aspect((ids.shape[1], ids.shape[0]), self.size, across, down)
        size = (self.size[1], self.size[0])
        pixels = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=crop))
        ids = np.array(Image.fromarray(ids).resize(size, Image.Resampling.NEAREST, box=crop))
        if simplify_rng:
            ids = simplify(ids, len(self.classes), simplify_rng)
        if flip:
            pixels, ids = pixels[:, ::-1].copy(), ids[:, ::-1].copy()
        photograph = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        if jitter.any():
            photograph = _jittered(photograph, jitter)
        pair = {"photograph": from_255(photograph), "ids": torch.from_numpy(ids), "row": row}
        if self.with_colors:
            pixels = photograph.permute(1, 2, 0).numpy()
            # Draws of their own, so that all others are the same with and without colours.
            of_colors = None if self.seed is None else np.random.default_rng((self.seed, self.epoch, row, 1))
            pair["colors"] = torch.from_numpy(region_colors(pixels, ids, of_colors))
        return pair

    def decode(self, row: int) -> Pair:
        """Photograph and ids of a row at their own size, checked; kept while there is room in the cache.

        Raises:
            LayoutError: naming the row, its files and what is wrong with it.
        """
        if row in self._cache:
            return self._cache[row]
        pixels, reading, _ = self.read(row)
        return pixels, reading.ids

    def read(self, row: int) -> tuple[np.ndarray, LayoutReading, list[Finding]]:
        """The pixels of a row, its label map, and findings on both; kept while there is room in the cache.

        Raises:
            LayoutError: naming the row, its files and what is wrong with it.
        """
        name, (photograph, label) = self._open(row)
        pixels, before = self._pixels(name, photograph)
        if label is None:
            raise LayoutError(f"{name}: the photograph or its label is missing.")
        reading = self.labels.read(label, f"{name}, column {self.label_column}")
        ids = reading.ids
        if pixels.shape[:2] != ids.shape:
            raise LayoutError(
                f"{name}: the photograph has {pixels.shape[1]} x {pixels.shape[0]} pixels, its label {ids.shape[1]} x "
                f"{ids.shape[0]}; they must be equal{_turned(pixels, before, reading)}."
            )
        findings = []
        if (before is not None) != reading.turned and before in (None, ids.shape):
            findings.append(_one_was_turned(ids, before is not None))
        if (size := pixels.nbytes + ids.nbytes) <= self.cache_bytes and row not in self._cache:
            self.cache_bytes -= size
            self._cache[row] = pixels, ids
        return pixels, reading, findings

    def photograph(self, row: int) -> np.ndarray:
        """uint8 (H, W, 3): the photograph of a row, which may have no label.

        Raises:
            LayoutError: naming the row, its files and what is wrong with it.
        """
        name, (photograph, _) = self._open(row)
        return self._pixels(name, photograph)[0]

    def _open(self, row: int) -> tuple[str, list[Content | None]]:
        """The name of a row, with its files, and what is in its two cells."""
        try:
            cells = self._cells[row]
        except Exception as error:  # readers of the many kinds of files fail in many different ways
            raise LayoutError(f"{self.called} {row}: not readable ({clause(error)}).") from error
        columns = (self.image_column, self.label_column)
        name = f"{self.called} {row}{_in_brackets([name_of_file(cells[column]) for column in columns])}"
        contents = []
        for column in columns:
            try:
                contents.append(open_cell(cells[column]))
            except (LayoutError, OSError) as error:
                raise LayoutError(f"{name}, column {column}: {clause(error)}.") from error
        return name, contents

    def _pixels(self, name: str, photograph: Content | None) -> tuple[np.ndarray, tuple[int, int] | None]:
        if photograph is None:
            raise LayoutError(f"{name}: the photograph or its label is missing.")
        try:
            return read_photograph_cell(photograph)
        except (ValueError, OSError, SyntaxError) as error:
            raise LayoutError(f"{name}, column {self.image_column}: {clause(error)}.") from error

    def check(self, rows: Iterable[int], skip_bad: bool) -> Checked:
        """Reads `rows`, and with `skip_bad` leaves out the bad ones.

        Raises:
            LayoutError: at the first bad row without `skip_bad`, or if all are bad.
        """
        bad: dict[int, str] = {}
        survey = LabelSurvey(self.classes, self.called, len(self), self.labels.past_the_last)
        for row in rows:
            try:
                _, reading, findings = self.read(row)
            except LayoutError as error:
                if not skip_bad:
                    raise
                bad[row] = str(error)
                continue
            survey.add(f"{self.called} {row}", reading, self._cut_off(reading.ids), findings)
        self.used = [row for row in self.used if row not in bad]
        survey.total = len(self.used)
        if not self.used:
            raise LayoutError(f"every {self.called} is bad; the first: {bad[min(bad)]}")
        return Checked(bad, survey)

    def _cut_off(self, ids: np.ndarray) -> float:
        """The share of a row's area that is not in its crop."""
        left, top, right, bottom = _crop_of_aspect((ids.shape[1], ids.shape[0]), self.size, 0, 0)
        return 1 - (right - left) * (bottom - top) / ids.size


def check_rows(data: PairDataset, skip_bad: bool) -> Checked:
    """`PairDataset.check` of all rows with a progress bar; reports rows that are left out on stderr.

    Raises:
        LayoutError: at the first bad row without `skip_bad`, or if all are bad.
    """
    try:
        checked = data.check(tqdm(data.used, desc=f"checking {data.called}s", unit="row"), skip_bad)
    except LayoutError as error:
        raise LayoutError(f"{error}{'' if skip_bad else ' --skip-bad-rows leaves such rows out.'}") from error
    for row, problem in checked.bad.items():
        print(f"{data.called} {row} left out: {problem}", file=sys.stderr)
    return checked


def spread(length: int, count: int) -> list[int]:
    """`count` indices spread evenly over 0..length-1; all of them if there are not more."""
    count = min(count, length)
    return [i * length // count for i in range(count)]


def _in_brackets(files: Sequence[str]) -> str:
    named = ", ".join(dict.fromkeys(clause(file) for file in files if file))
    return f" ({named})" if named else ""


def _turned(pixels: np.ndarray, before: tuple[int, int] | None, reading: LayoutReading) -> str:
    """A clause for a photograph and a label of different sizes, if the reason is that one of them was turned."""
    if pixels.shape[:2] != reading.ids.shape[::-1] or (before is not None) == reading.turned:
        return ""
    turned, other = ("the photograph", "its label") if before is not None else ("the label", "its photograph")
    return f": {turned} was turned as its EXIF says, and {other} has no such entry"


def _one_was_turned(ids: np.ndarray, is_photograph: bool) -> Finding:
    turned, other = ("photograph", "label") if is_photograph else ("label", "photograph")
    return Finding(
        f"of a {turned} that was turned or mirrored as its EXIF says, beside a {other} without such an entry",
        ids.size,
        f"the {turned} was turned or mirrored as its EXIF says, and the {other} has no such entry; look at them "
        "together.",
    )


def _jittered(photograph: torch.Tensor, jitter: np.ndarray) -> torch.Tensor:
    """Brightness, contrast and saturation of a photograph changed by these shares."""
    from torchvision.transforms import functional  # takes a second, for which training without jitter need not wait

    adjustments = functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation
    for adjust, by in zip(adjustments, jitter, strict=True):
        photograph = adjust(photograph, 1 + by)
    return photograph


def _crop_of_aspect(
    size: tuple[int, int], wanted: tuple[int, int], across: float, down: float
) -> tuple[float, float, float, float]:
    """The largest (left, top, right, bottom) in `size` (width, height) with the aspect of `wanted` (height, width)."""
    width, height = size
    crop_width = min(width, height * wanted[1] / wanted[0])
    crop_height = min(height, width * wanted[0] / wanted[1])
    left, top = across * (width - crop_width), down * (height - crop_height)
    return left, top, left + crop_width, top + crop_height
