"""Reads all rows of a data set and gathers what it is like."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import imagehash
import numpy as np
from PIL import Image
from tqdm import tqdm

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.data import LabelReader, LabelSurvey, PairDataset, find_classes, load_splits, spread
from crn_hub.data.splits import labelled_rows
from crn_hub.data_options import DataOptions
from crn_hub.hub.source import short_name
from crn_hub.metrics.appearance import brightness, colourfulness, sums_of_signals

HEIGHT = 128  # pixels at which colours are measured
ALIKE = 6  # of the 64 bits of a perceptual hash: photographs that differ in no more look alike
BITS = 64


@dataclass(frozen=True)
class Photograph:
    """
    Attributes:
        split, row: where it is.
        size: (height, width) in pixels.
        brightness: its mean luma, 0..255.
        colourfulness: 0 for grey, above 100 for garish (Hasler and Süsstrunk).
        hash: its perceptual hash (pHash, of the imagehash library), 64 bits.
    """

    split: str
    row: int
    size: tuple[int, int]
    brightness: float
    colourfulness: float
    hash: int


@dataclass
class Inspection:
    """
    Attributes:
        dataset: its name, for people.
        classes: of its labels.
        data: the rows of each split.
        surveys: what the labels of each split were taken for.
        without_label: how many rows of each split have none.
        photographs: those that could be read.
        problems: what is wrong with each row that cannot be used.
    """

    dataset: str
    classes: ClassSet
    data: dict[str, PairDataset] = field(default_factory=dict)
    surveys: dict[str, LabelSurvey] = field(default_factory=dict)
    without_label: dict[str, int] = field(default_factory=dict)
    photographs: list[Photograph] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def of_split(self, split: str) -> list[Photograph]:
        return [photograph for photograph in self.photographs if photograph.split == split]

    def sizes(self, split: str) -> Counter[tuple[int, int]]:
        """How many photographs have each (height, width)."""
        return Counter(photograph.size for photograph in self.of_split(split))


def inspect_dataset(name: str, options: DataOptions, max_rows: int | None) -> Inspection:
    """Reads the rows of all splits, with a progress bar.

    Args:
        name: of the data set.
        options: how its rows are found and read.
        max_rows: the most rows of each split, spread evenly; None for all.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: if the data set or its classes cannot be found or read.
    """
    splits, reader = load_splits(name, options), LabelReader(find_classes(name, options), options)
    inspection = Inspection(short_name(name), reader.classes)
    for split, rows in splits.items():
        if options.image_column not in rows.column_names:
            raise ValueError(f"{name}: no column {options.image_column!r}; there are {', '.join(rows.column_names)}.")
        _inspect_split(inspection, split, rows, reader, options, max_rows)
    return inspection


def _inspect_split(
    inspection: Inspection, split: str, rows: object, reader: LabelReader, options: DataOptions, max_rows: int | None
) -> None:
    data = PairDataset(rows, reader, (HEIGHT, 2 * HEIGHT), *_columns(rows, options), called=f"{split} row")  # type: ignore[arg-type]
    labelled = {*labelled_rows(rows, options.columns).tolist()}
    survey = LabelSurvey(reader.classes, data.called, len(labelled), reader.past_the_last)
    inspection.data[split], inspection.surveys[split] = data, survey
    inspection.without_label[split] = len(data) - len(labelled)
    for row in tqdm(spread(len(data), max_rows or len(data)), desc=f"reading {split}", unit="row"):
        try:
            if row in labelled:
                pixels, reading, findings = data.read(row)
                survey.add(f"{data.called} {row}", reading, 0.0, findings)
            else:
                pixels = data.photograph(row)
        except LayoutError as error:
            inspection.problems.append(str(error))
            continue
        inspection.photographs.append(_describe(split, row, pixels))


def _columns(rows: object, options: DataOptions) -> tuple[str, str]:
    """Those of photographs and labels; a split without labels may lack the latter."""
    names: list[str] = rows.column_names  # type: ignore[attr-defined]
    return options.image_column, options.label_column if options.label_column in names else options.image_column


def _describe(split: str, row: int, pixels: np.ndarray) -> Photograph:
    picture = Image.fromarray(pixels)
    width = max(1, round(picture.width * HEIGHT / picture.height))
    small = np.array(picture.resize((width, HEIGHT), Image.Resampling.BOX))
    sums = sums_of_signals(small, np.zeros(small.shape[:2], np.uint8), 1)[0]
    hashed = int(str(imagehash.phash(picture)), 16)
    size = (picture.height, picture.width)
    return Photograph(split, row, size, float(brightness(sums)), float(colourfulness(sums)), hashed)


def rows_alike(photographs: Sequence[Photograph]) -> list[tuple[Photograph, Photograph, int]]:
    """Pairs of photographs of different splits that look alike, and in how many bits of the hash they differ."""
    by_split: dict[str, list[Photograph]] = {}
    for photograph in photographs:
        by_split.setdefault(photograph.split, []).append(photograph)
    splits = list(by_split.values())
    found = []
    for number, ones in enumerate(splits):
        others = [photograph for several in splits[number + 1 :] for photograph in several]
        hashes = np.array([other.hash for other in others], np.uint64)
        for one in ones:
            bits = np.bitwise_count(hashes ^ np.uint64(one.hash))
            found += [(one, others[place], int(bits[place])) for place in np.flatnonzero(bits <= ALIKE)]
    return sorted(found, key=lambda pair: (pair[2], pair[0].row, pair[1].row))
