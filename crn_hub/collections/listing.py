"""What a collection of photographs and label maps on a disk consists of: its frames by split, before any is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crn_hub.classes import ClassSet
from crn_hub.data import LabelOptions


@dataclass(frozen=True)
class Frame:
    """
    Attributes:
        photograph: its file.
        label: that of its label map; None if labels are withheld.
        columns: further facts of this frame, by the names of their columns.
    """

    photograph: Path
    label: Path | None
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
    """

    title: str
    license: str = ""
    citation: str = ""
    may_be_published: bool = True
    address: str = ""


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
