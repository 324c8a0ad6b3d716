"""What the label maps of a data set were taken for: shares of classes, how they were read, and what looks wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crn_hub.classes import UNLABELLED, ClassSet, Finding, LayoutReading, void_number
from crn_hub.hub.training_record import LabelRecord
from crn_hub.text import clause, some

HALF = 0.5  # of the pixels: with more of them unlabelled there is a warning
CUT_OFF = 0.1  # of the photographs: with more of their area cut off there is advice


@dataclass
class _Found:
    """Findings of one kind: how many pixels of how many rows, and the first of them."""

    first: str
    pixels: int = 0
    rows: int = 0


class LabelSurvey:
    """Counts what was read from rows that were looked at.

    Args:
        classes: of the labels.
        called: what messages call a row.
        total: how many rows there are, looked at or not.
        past_the_last: the id after the last class, if it was read as unlabelled without being asked for.
    """

    def __init__(self, classes: ClassSet, called: str, total: int, past_the_last: int | None):
        self.classes, self.called, self.total, self.past_the_last = classes, called, total, past_the_last
        self.rows = 0
        self._pixels = np.zeros(len(classes) + 1, np.int64)  # unlabelled last
        self._in_rows = np.zeros(len(classes) + 1, np.int64)
        self._read_as: Counter[str] = Counter()
        self._found: dict[str, _Found] = {}
        self._cut_off = 0.0

    def add(self, row: str, reading: LayoutReading, cut_off: float, further: Sequence[Finding] = ()) -> None:
        """
        Args:
            row: its name in messages.
            reading: its label map.
            cut_off: the share of its area that training doesn't see, 0..1.
            further: findings on the row as a whole.
        """
        counts = np.bincount(reading.ids.flatten(), minlength=256)
        counts = np.append(counts[: len(self.classes)], counts[UNLABELLED])
        self.rows += 1
        self._pixels += counts
        self._in_rows += counts > 0
        self._read_as[reading.read_as] += 1
        self._cut_off += cut_off
        for finding in (*reading.findings, *further):
            found = self._found.setdefault(finding.what, _Found(f"{row}: {finding.note}"))
            found.pixels += finding.pixels
            found.rows += 1

    @property
    def cut_off(self) -> float:
        """The share of the photographs' area that training doesn't see, 0..1."""
        return self._cut_off / max(self.rows, 1)

    def about_crop(self, size: tuple[int, int]) -> str:
        """A sentence on what is cut off for images of (height, width); "" if nothing is."""
        if not round(self.cut_off, 2):
            return ""
        advice = "; --resolution HEIGHT WIDTH gives another shape" if self.cut_off > CUT_OFF else ""
        shape = f"{size[0]} x {size[1]} (height x width)"
        return f"{self.cut_off:.0%} of the photographs are cut off to give them the shape of {shape}{advice}"

    @property
    def shares(self) -> np.ndarray:
        """(n + 1,): the share of pixels of each class, and of unlabelled ones."""
        return self._pixels / max(self._pixels.sum(), 1)

    @property
    def notes(self) -> list[str]:
        """A sentence for each way in which pixels were not read as they are."""
        return [
            f"{found.pixels:,} pixels in {self._count(found.rows)}: {what}; the first: {found.first}"
            for what, found in self._found.items()
        ]

    def warnings(self, few: bool = False) -> list[str]:
        """Sentences on what may be wrong; none for good data. In `few` rows a class may well be missing."""
        sentences, names, unlabelled = [], self.classes.names, self._pixels[-1]
        seen = np.flatnonzero(self._pixels[:-1])
        if {*seen} == {0} and unlabelled and len(names) > 1:
            sentences.append(
                f"only {names[0]} and unlabelled pixels occur: if these are masks of 0 and 255, 255 was read as "
                "unlabelled; save them as ids 0 and 1."
            )
        elif (missing := [name for name, count in zip(names, self._pixels, strict=False) if not count]) and not few:
            sentences.append(f"{some(missing, 10)} never {'occurs' if len(missing) == 1 else 'occur'}{self._where()}.")
        if (share := self.shares[-1]) > HALF:
            sentences.append(f"{share:.0%} of the pixels are unlabelled: nobody says what to learn there.")
        last = self.past_the_last
        if last is not None and void_number(last) in self._found and self._pixels[0]:
            sentences.append(
                f"ids 0 and {last} both occur, and {len(names)} classes have the ids 0 to {last - 1}; {last} was read "
                f"as unlabelled. If ids begin at 1, every class is off by one: --reduce_labels. If {last} means "
                f"unlabelled: --ignore_label {last}."
            )
        elif last is not None and void_number(last) in self._found:
            sentences.append(
                f"id {last} occurs and 0 doesn't, and {len(names)} classes have the ids 0 to {last - 1}: ids seem to "
                f"begin at 1, for which there is --reduce_labels; if {last} means unlabelled: --ignore_label {last}."
            )
        if len(self._read_as) > 1:
            ways = ", ".join(f"{self._count(count)} as {way}" for way, count in self._read_as.most_common())
            sentences.append(f"labels were read in different ways: {ways}; if all hold ids: --layout_classes indices.")
        return sentences

    def table(self) -> str:
        """How the labels were read, and for each class its share of pixels and the rows in which it occurs."""
        ways = ", ".join(self._read_as)
        width = max(len("unlabelled"), *(len(clause(name)) for name in self.classes.names))
        head = f"labels of {self._count(self.rows)}{self._of_all()}, read as {ways}"
        lines = [head, f"{'':{width}}  {'pixels':>7}  {'rows':>7}"]
        for name, share, rows in zip((*self.classes.names, "unlabelled"), self.shares, self._in_rows, strict=True):
            lines.append(f"{clause(name):{width}}  {_percent(share):>7}  {rows:7,}")
        return "\n".join(lines)

    def to_record(self) -> LabelRecord:
        """All of this as plain JSON, for the training record."""
        names = (*self.classes.names, "unlabelled")
        return {
            "rows": self.rows,
            "of_rows": self.total,
            "read_as": dict(self._read_as),
            "classes": [
                {"name": name, "share": round(float(share), 5), "rows": int(rows)}
                for name, share, rows in zip(names, self.shares, self._in_rows, strict=True)
            ],
            "cut_off": round(self.cut_off, 4),
            "notes": [
                f"{found.pixels:,} pixels in {self._count(found.rows)}: {w}." for w, found in self._found.items()
            ],
            "warnings": self.warnings(),
        }

    def _count(self, rows: int) -> str:
        return f"{rows:,} {self.called}{'' if rows == 1 else 's'}"

    def _where(self) -> str:
        return "" if self.rows == self.total else f" in the {self._count(self.rows)} looked at"

    def _of_all(self) -> str:
        return "" if self.rows == self.total else f" of {self.total:,}"


def describe_labels(labels: LabelSurvey, of_held_out: LabelSurvey, size: tuple[int, int]) -> list[str]:
    """What the labels of a run were taken for, line by line.

    Args:
        labels, of_held_out: those of rows to train on, and of held-out rows.
        size: (height, width) of the images.
    """
    lines = [labels.table(), *labels.notes, labels.about_crop(size)]
    warnings = labels.warnings()
    lines += [f"warning: {warning}" for warning in warnings]
    lines += [f"warning, held-out rows: {w}" for w in of_held_out.warnings(few=True) if w not in warnings]
    return [line for line in lines if line]


def _percent(share: float) -> str:
    return "0" if not share else f"{share:.2%}" if share < 0.1 else f"{share:.1%}"
