"""Which rows of a data set are trained on, and which are held out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from crn_hub.data.sources import check_columns, load_splits
from crn_hub.data_options import DataOptions

VALIDATION_SPLITS = ("validation", "valid", "val", "dev", "test")  # in the order in which they are held out
LAST_ROWS = "last rows"
HELD_OUT = 8  # rows held out from training if a data set has no validation split


class HeldApart(NamedTuple):
    """
    Attributes:
        train, held_out: rows to train on, and rows for validation only.
        train_split: the name of the split that is trained on.
        held_out_split: that of the held-out rows; "last rows" if they come from the split that is trained on.
        notes: sentences on what is remarkable about this choice.
    """

    train: Any
    held_out: Any
    train_split: str
    held_out_split: str
    notes: list[str]

    def describe(self) -> list[str]:
        """What is trained on and held out, line by line."""
        held_out = f"{self.held_out_split}, {len(self.held_out):,} rows"
        return [*self.notes, f"trained on: {self.train_split}, {len(self.train):,} rows; held out: {held_out}"]


def load_rows(
    name: str,
    options: DataOptions | None = None,
    max_train_samples: int | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
) -> HeldApart:
    """Training rows, at most `max_train_samples` of them, and held-out rows of a data set.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: as `load_splits` and `hold_apart`.
    """
    options = options or DataOptions()
    chosen = hold_apart(name, load_splits(name, options), options.columns, train_split, validation_split)
    if max_train_samples is not None:
        chosen = chosen._replace(train=chosen.train.select(range(min(max_train_samples, len(chosen.train)))))
    return chosen


def hold_apart(
    name: str,
    splits: dict[str, Any],
    columns: tuple[str, str],
    train_split: str | None = None,
    validation_split: str | None = None,
    advice: str = "name the one to train on (--train_split)",
) -> HeldApart:
    """Chooses the rows to train on and those that are held out.

    It trains on the split "train", or on the only one. The first of `VALIDATION_SPLITS` with labels is held out, else
    the last rows with labels of the split that is trained on.

    Args:
        name: of the data set.
        splits: its splits by their names.
        columns: those of photographs and label maps.
        train_split, validation_split: the splits to take instead.
        advice: what to do if it isn't clear which split to train on.

    Raises:
        ValueError: if it isn't clear which split to train on, there are too few rows, or these lack a column.
    """
    train_split = _choose_train_split(name, splits, train_split, validation_split, advice)
    train, notes = splits[train_split], []
    check_columns(name, train, columns)
    if train_split != "train":
        notes.append(f"{name} has no split train; trained on: {train_split}.")
    candidates = [s for s in VALIDATION_SPLITS if s in splits and s != train_split]
    if validation_split is not None:
        _check_split(name, splits, validation_split)
        if validation_split == train_split:
            raise ValueError(f"{name}: the split {train_split} cannot be trained on and held out at the same time.")
        check_columns(name, splits[validation_split], columns)
        candidates = [validation_split]
    for called in candidates:
        labelled = labelled_rows(splits[called], columns)
        if len(labelled):
            if without := len(splits[called]) - len(labelled):
                notes.append(f"{without:,} rows of the split {called} have no label and are not held out.")
            held_out = splits[called].select(labelled) if without else splits[called]
            break
        notes.append(f"the split {called} has no labels and is not held out.")
    else:
        if validation_split is not None:
            raise ValueError(f"{name}: no row of the split {validation_split} has a label; hold out another split.")
        train, held_out = _hold_out_last(name, train, columns)
        called = LAST_ROWS
    if not len(train) or not len(held_out):
        raise ValueError(f"{name}: {len(train)} rows to train on and {len(held_out)} held out; both need at least 1.")
    return HeldApart(train, held_out, train_split, called, notes)


def labelled_rows(rows: Any, columns: tuple[str, str]) -> np.ndarray:
    """The numbers of the rows that have something in both columns; none if there are no such columns."""
    if not {*columns} <= {*rows.column_names}:
        return np.arange(0)
    there = np.ones(len(rows), bool)
    for column in columns:
        table = rows.select_columns(column).with_format("arrow")
        there &= np.concatenate(
            [_is_filled(batch[column]) for batch in table.iter(1000)] or [np.ones(0, bool)]
        )  # batches, because labels may be larger than the memory
    return np.flatnonzero(there)


def _is_filled(cells: Any) -> np.ndarray:
    """Whether each cell of an Arrow column has a value, or if it is a struct, any of its fields."""
    import pyarrow as pa

    filled = cells.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_struct(cells.type):
        array = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
        fields = [
            array.field(place).is_valid().to_numpy(zero_copy_only=False) for place in range(cells.type.num_fields)
        ]
        filled = filled & np.logical_or.reduce(fields)
    return filled


def _choose_train_split(
    name: str, splits: dict[str, Any], wanted: str | None, validation_split: str | None, advice: str
) -> str:
    if wanted is not None:
        _check_split(name, splits, wanted)
        return wanted
    if "train" in splits:
        return "train"
    others = [split for split in splits if split != validation_split]
    if len(others) == 1:
        return others[0]
    raise ValueError(f"{name}: no split is called train; there are {', '.join(splits)}; {advice}.")


def _check_split(name: str, splits: dict[str, Any], split: str) -> None:
    if split not in splits:
        raise ValueError(f"{name}: no split {split!r}; there are {', '.join(splits)}.")


def _hold_out_last(name: str, rows: Any, columns: Sequence[str]) -> tuple[Any, Any]:
    """Splits off the last rows that have labels."""
    labelled = labelled_rows(rows, (columns[0], columns[1]))
    if len(labelled) < 2:
        raise ValueError(
            f"{name}: {len(labelled)} row{'' if len(labelled) == 1 else 's'} with a label; at least 2 are needed, "
            "because one is held out."
        )
    held_out = labelled[-min(HELD_OUT, max(1, len(rows) // 10)) :]
    return rows.select(np.setdiff1d(np.arange(len(rows)), held_out)), rows.select(held_out)
