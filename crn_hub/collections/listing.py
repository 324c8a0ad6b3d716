"""What a collection of photographs and label maps on a disk consists of: its frames by split, before any is read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crn_hub.classes import ClassSet
from crn_hub.data_options import LabelOptions
from crn_hub.text import some

MADE_LATER = "_labelTrainIds"  # ends the names of label maps that other programs write beside those of a collection


@dataclass(frozen=True)
class StoredPicture:
    """A photograph or a label map that a collection keeps in a way of its own.

    Attributes:
        file: that holds it, perhaps among others.
        name: what a file of it would be called.
        size: about how many bytes it has.
        read: returns the photograph, uint8 (H, W, 3), or the numbers of the label map (H, W). It is called in another
            process.
    """

    file: Path
    name: str
    size: int
    read: Callable[[], np.ndarray]

    def __str__(self) -> str:
        return f"{self.file}, {self.name}"


Picture = Path | StoredPicture


@dataclass(frozen=True)
class Frame:
    """
    Attributes:
        photograph: its file, or where else it is.
        label: the same of its label map; None if labels are withheld.
        columns: further facts of this frame, by the names of their columns.
    """

    photograph: Picture
    label: Picture | None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """
    Attributes:
        title: what the collection is called.
        license: the Hub's identifier of its licence, or a name of ours for terms of its own; "" if unknown.
        citation: how its authors ask to be cited; "" if unknown.
        may_be_published: whether its terms allow others to publish it.
        address: where its terms can be read; "" if unknown.
        condition: what they ask of whoever publishes it; "" if nothing.
    """

    title: str
    license: str = ""
    citation: str = ""
    may_be_published: bool = True
    address: str = ""
    condition: str = ""


@dataclass(frozen=True)
class Listing:
    """
    Attributes:
        terms: of the collection.
        classes: what label maps mean in the data set to be made.
        options: how they are read.
        splits: the frames of each split, in the order of its rows.
        missing: a line on each file that should be there and isn't.
    """

    terms: Terms
    classes: ClassSet
    options: LabelOptions
    splits: Mapping[str, Sequence[Frame]]
    missing: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """The further columns of its frames."""
        return list(
            dict.fromkeys(name for frames in self.splits.values() for frame in frames for name in frame.columns)
        )


def pictures_in(folder: Path, pattern: str) -> list[Path]:
    """The files that match, in the order of their paths, without hidden ones; [] if there is no such folder."""
    return sorted(file for file in folder.glob(pattern) if file.is_file() and not file.name.startswith("."))


def list_same_names(
    root: Path,
    terms: Terms,
    pairs: Mapping[str, tuple[Path, Path]],
    withheld: Mapping[str, Path],
    suffix: str,
    classes: ClassSet,
    options: LabelOptions,
) -> Listing:
    """The frames of folders in which a photograph and its label map have the same name.

    Args:
        root, terms: of the collection.
        pairs: of each split the folders of photographs and label maps.
        withheld: of each split without labels that of photographs.
        suffix: of photographs.
        classes, options: as for `Listing`.

    Raises:
        FileNotFoundError: if there is no photograph with a label map.
    """
    splits: dict[str, list[Frame]] = {}
    missing: list[str] = []
    for split, (photographs, labels) in pairs.items():
        found = {file.stem: file for file in pictures_in(photographs, f"*.{suffix}")}
        masks = {file.stem: file for file in pictures_in(labels, "*.png") if not file.stem.endswith(MADE_LATER)}
        splits[split] = [Frame(found[name], masks[name], {"frame": name}) for name in found if name in masks]
        missing += _lacking(root, found, masks, labels, ".png", "label map")
        missing += _lacking(root, masks, found, photographs, f".{suffix}", "photograph")
    for split, folder in withheld.items():
        splits[split] = [Frame(file, None, {"frame": file.stem}) for file in pictures_in(folder, f"*.{suffix}")]
    if not any(splits[split] for split in pairs):
        places = some((path.relative_to(root) for pair in pairs.values() for path in pair), 6)
        raise FileNotFoundError(f"{root}: no photograph with a label map of the same name; looked in {places}.")
    present = {split: frames for split, frames in splits.items() if frames}
    return Listing(terms, classes, options, present, missing)


def _lacking(
    root: Path, there: Mapping[str, Path], others: Iterable[str], folder: Path, suffix: str, what: str
) -> list[str]:
    """A line for each file whose partner isn't in `folder`."""
    known = {*others}
    return [
        f"{(folder / (name + suffix)).relative_to(root)}: no {what} of {file.relative_to(root)}"
        for name, file in there.items()
        if name not in known
    ]
