"""Which rows an evaluation measures: held-out ones, all together or, by the values of a column, apart."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from crn_hub.classes import UNLABELLED, LayoutError
from crn_hub.data import (
    LabelReader,
    PairDataset,
    check_columns,
    check_rows,
    hold_apart,
    labelled_rows,
    load_splits,
    spread,
)
from crn_hub.data_options import DataOptions
from crn_hub.hub.source import short_name
from crn_hub.text import clause, one_line, some

MOST_PARTS = 20  # a column with more values names rows rather than kinds of rows
LONGEST_FOLDER = 60  # characters, each of up to four of the 255 bytes that a file's name may have
CACHE_BYTES = 2**30  # for decoded rows


@dataclass(frozen=True)
class ChosenRows:
    """Rows of a data set, not yet read.

    Attributes:
        dataset: its name on the command line.
        columns: those of the photographs and the label maps.
        split: the name of the split.
        rows: the rows to measure.
        others: rows to compare them with; perhaps none.
        apart: the column by whose values rows are measured apart; None for all together.
        parts: for each value the numbers of its rows and of its other rows; for all together, "" with all of them.
    """

    dataset: str
    columns: tuple[str, str]
    split: str
    rows: Any
    others: Any
    apart: str | None
    parts: Mapping[str, tuple[Sequence[int], Sequence[int]]]


@dataclass(frozen=True)
class Part:
    """Rows that are measured together, all of them checked.

    Attributes:
        folder: of their results, within that of all results; "" for that folder itself.
        data: the rows, at the size of the evaluation.
        others: as many other rows; None if there are fewer, or if one of them is bad.
        facts: what the numbers depend on in the data; plain JSON.
    """

    folder: str
    data: PairDataset
    others: PairDataset | None
    facts: dict[str, Any]


def choose_rows(dataset: str, options: DataOptions, split: str | None, apart: str | None) -> ChosenRows:
    """
    Args:
        dataset, apart: as for `ChosenRows`.
        options: how the rows are found.
        split: the split to measure; None for the rows that training holds out.

    Raises:
        FileNotFoundError, ConnectionError: as `load_splits`.
        ValueError: if there are no such rows, or if the column does not tell them apart.
    """
    splits, columns = load_splits(dataset, options), options.columns
    if split is None:
        chosen = hold_apart(dataset, splits, columns, advice="name the one to measure (--split)")
        others, rows, split = chosen.train, chosen.held_out, chosen.held_out_split
    elif split not in splits:
        raise ValueError(f"{dataset}: no split {split!r}; there are {', '.join(splits)}.")
    else:
        rows = splits[split]
        check_columns(dataset, rows, columns)
        if not len(labelled_rows(rows, columns)):
            raise ValueError(f"{dataset}: no row of the split {split} has a label; measure another split.")
        usable = [s for name, s in splits.items() if name != split and {*columns} <= {*s.column_names}]
        others = max(usable, key=len, default=rows.select([]))
    if apart is None:
        return ChosenRows(dataset, columns, split, rows, others, apart, {"": (range(len(rows)), range(len(others)))})
    values = _values(dataset, rows, apart)
    _check_values(dataset, apart, values)
    of_others = _values(dataset, others, apart) if apart in others.column_names else []
    parts = {value: (_where(values, value), _where(of_others, value)) for value in sorted({*values})}
    return ChosenRows(dataset, columns, split, rows, others, apart, parts)


def check_parts(
    chosen: ChosenRows,
    labels: LabelReader,
    size: tuple[int, int],
    max_rows: int | None,
    skip_bad_rows: bool,
    blind: int,
) -> list[Part]:
    """Reads and checks the rows to measure; reports on stderr what is remarkable about their labels.

    Args:
        labels: reads the label maps.
        size: (height, width) of the evaluation.
        max_rows: the most rows of each part, spread evenly; None for all.
        skip_bad_rows: leave out bad rows.
        blind: how many rows of each part are wanted for a blind sheet.

    Raises:
        ValueError: if a row is bad (a `LayoutError`), or if too few are left.
    """
    wanted = {
        value: [rows[i] for i in spread(len(rows), max_rows or len(rows))] for value, (rows, _) in chosen.parts.items()
    }
    data = PairDataset(chosen.rows, labels, size, *chosen.columns, cache_bytes=CACHE_BYTES)
    data.used = sorted(row for rows in wanted.values() for row in rows)
    left_out, survey = check_rows(data, skip_bad_rows)
    for sentence in (*survey.notes, *(f"warning: {warning}" for warning in survey.warnings(few=True))):
        print(sentence, file=sys.stderr)
    parts = []
    for value, rows in wanted.items():
        of_part = data.at_size(size)  # all parts share the cache
        of_part.used = [row for row in rows if row not in left_out]
        name = _name(chosen.apart, value) if chosen.apart is not None else None
        _check_part(chosen.dataset, name, of_part, blind)
        facts = _facts(chosen, name, of_part, len(rows) - len(of_part))
        others = _as_many_others(chosen.others, chosen.parts[value][1], of_part)
        parts.append(Part(_folder(value) if name else "", of_part, others, facts))
    return parts


# -- telling rows apart ------------------------------------------------------------------------------


def _values(dataset: str, rows: Any, column: str) -> list[str]:
    """The text of each row in a column, which must not be empty."""
    check_columns(dataset, rows, (column,))
    feature = rows.features[column]
    kind = getattr(feature, "dtype", None) or type(feature).__name__
    if kind not in ("string", "large_string"):
        raise ValueError(f"{dataset}: column {column!r} holds {kind}; --apart needs a column of texts.")
    values = list(rows.select_columns(column)[:][column])
    if empty := [row for row, value in enumerate(values) if not one_line(value or "")]:
        raise ValueError(f"{dataset}: column {column!r} says nothing in row {some(empty)}; --apart needs it in all.")
    return values


def _check_values(dataset: str, column: str, values: list[str]) -> None:
    distinct = sorted({*values})
    if not 1 <= len(distinct) <= MOST_PARTS:
        raise ValueError(
            f"{dataset}: column {column!r} has {len(distinct)} different values ({some(distinct)}); --apart evaluates "
            f"the rows of each value by themselves, and takes 1 to {MOST_PARTS} values."
        )
    if single := [value for value in distinct if values.count(value) < 2]:
        raise ValueError(
            f"{dataset}: only 1 row has the {column} {some(single)}; --apart needs at least 2 rows of each value."
        )
    folders: dict[str, str] = {}
    for value in distinct:
        twin = folders.setdefault(_folder(value).casefold(), value)  # some file systems don't tell case apart
        if twin != value:
            raise ValueError(
                f"{dataset}: the values {twin!r} and {value!r} of column {column!r} would both be evaluated in the "
                f"folder {_folder(value)}; rename one of them."
            )


def _folder(value: str) -> str:
    """A value as the name of a folder, in any script: "a/b: c" -> "a-b-c"."""
    return re.sub(r"[^\w.]+", "-", value)[:LONGEST_FOLDER].strip("-.") or "unnamed"


def _name(column: str, value: str) -> str:
    """How reports call the rows with a value: "source camvid"."""
    return f"{clause(column)} {clause(value)}"


def _where(values: list[str], value: str) -> list[int]:
    return [row for row, found in enumerate(values) if found == value]


# -- one part ----------------------------------------------------------------------------------------


def _check_part(dataset: str, name: str | None, data: PairDataset, blind: int) -> None:
    called = f"{dataset}, {name}" if name else dataset
    if len(data) < 2:
        raise ValueError(f"{called}: {len(data)} row to evaluate on; at least 2 are needed.")
    if len(data) < blind:
        raise ValueError(f"{called}: --blind {blind} wants more rows than the {len(data)} to evaluate on.")
    if all((data.decode(row)[1] == UNLABELLED).all() for row in data.used):
        raise ValueError(f"{called}: no pixel of the rows is labelled.")


def _as_many_others(rows: Any, numbers: Sequence[int], data: PairDataset) -> PairDataset | None:
    """As many of the numbered other rows as `data` has, spread evenly; None if there are fewer, or if one is bad."""
    if len(numbers) < len(data):
        return None
    others = PairDataset(rows, data.labels, data.size, data.image_column, data.label_column, called="other row")
    others.used = [numbers[i] for i in spread(len(numbers), len(data))]
    try:
        others.check(tqdm(others.used, desc="checking other rows", unit="row"), skip_bad=False)
    except LayoutError:
        return None
    return others


def _facts(chosen: ChosenRows, name: str | None, data: PairDataset, num_left_out: int) -> dict[str, Any]:
    """What the numbers depend on in the data; the fingerprints, of the datasets library, change with the contents."""
    dataset = short_name(chosen.dataset)
    return {
        "columns": [*chosen.columns],
        "dataset": f"{dataset}, {name}" if name else dataset,
        "hub_dataset": None if Path(chosen.dataset).exists() else chosen.dataset,
        "part": name,
        "split": chosen.split,
        "rows": len(data),
        "rows_left_out": num_left_out,
        "rows_fingerprint": getattr(chosen.rows, "_fingerprint", ""),
        "classes": data.classes.to_list(),
        "size": list(data.size),
        "other_rows_fingerprint": getattr(chosen.others, "_fingerprint", ""),
        **({"labels": data.labels.facts} if data.labels.facts else {}),
    }
