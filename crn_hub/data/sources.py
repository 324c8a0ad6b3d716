"""Loads what pairs are made from: rows, classes and licence of a Hugging Face data set, or procedural scenes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, is_offline_mode
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.hub.client_errors import GATED, client_error, reason
from crn_hub.hub.source import TEXT_BYTES, Source
from crn_hub.scenes import SCENE_CLASSES, street_scene

CLASSES_FILE = "classes.json"
CARD_BYTES = 2**24  # the largest card that is read; some list thousands of configurations
VALIDATION_SPLITS = ("validation", "val", "test")
HELD_OUT = 8  # rows held out from training if a data set has no validation split


class SceneRows(Sequence[dict[str, Any]]):
    """`length` street scenes of `size` = (height, width), with seeds from `first`, as rows with "image" and "label"."""

    def __init__(self, first: int, length: int, size: tuple[int, int]):
        self.first, self.length, self.size = first, length, size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.length:
            raise IndexError(index)
        ids, picture = street_scene(self.first + index, self.size)
        return {"image": picture, "label": ids}


def scene_rows(length: int, size: tuple[int, int]) -> tuple[SceneRows, SceneRows, ClassSet]:
    """Street scenes to train on, held-out ones, and their classes."""
    return SceneRows(0, length, size), SceneRows(1_000_000, HELD_OUT, size), ClassSet.load(SCENE_CLASSES)


def load_rows(
    name: str, image_column: str = "image", label_column: str = "label", max_train_samples: int | None = None
) -> tuple[Any, Any]:
    """Training rows, at most `max_train_samples` of them, and held-out rows of a data set.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: as `load_splits` and `hold_out`.
    """
    train, held_out, _ = hold_out(name, load_splits(name), (image_column, label_column))
    if max_train_samples is not None:
        train = train.select(range(min(max_train_samples, len(train))))
    return train, held_out


def hold_out(name: str, splits: dict[str, Any], columns: tuple[str, str]) -> tuple[Any, Any, str]:
    """Training rows, held-out rows, and the name of the latter: a split, or "last rows" if there is no such split.

    Raises:
        ValueError: if the data set `name` has too few rows, or these lack a column.
    """
    train = splits.get("train", next(iter(splits.values())))
    check_columns(name, train, columns)
    called = next((s for s in VALIDATION_SPLITS if s in splits and splits[s] is not train), "last rows")
    if called in splits:
        held_out = splits[called]
        check_columns(name, held_out, columns)
    else:
        if len(train) < 2:
            raise ValueError(f"{name}: {len(train)} rows; at least 2 are needed, because one is held out.")
        kept = len(train) - min(HELD_OUT, max(1, len(train) // 10))
        train, held_out = train.select(range(kept)), train.select(range(kept, len(train)))
    if not len(train) or not len(held_out):
        raise ValueError(f"{name}: {len(train)} rows to train on and {len(held_out)} held out; both need at least 1.")
    return train, held_out, called


def load_splits(name: str) -> dict[str, Any]:
    """The splits of a data set, by their names.

    Args:
        name: a Hub id, a folder that `load_dataset` reads, or a folder that `save_to_disk` wrote. A single data set
            there becomes the split "train".

    Raises:
        FileNotFoundError: if there is no such data set.
        ConnectionError: if the Hub could not be reached or refused.
        ValueError: if the data set cannot be read.
    """
    from datasets import Dataset, load_dataset, load_from_disk
    from datasets.exceptions import DatasetNotFoundError

    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = load_from_disk(folder)
        else:
            loaded = load_dataset(name)
    except Exception as error:  # readers of the many kinds of files fail in many different ways
        failure = client_error(error)
        # On one path the library drops the client's error and keeps only its message.
        if isinstance(failure, GatedRepoError) or "is a gated dataset on the Hub" in str(error):
            raise ConnectionError(f"{name}: could not be fetched from the Hub: {GATED}.") from error
        if isinstance(failure, RepositoryNotFoundError) or (
            failure is None and isinstance(error, DatasetNotFoundError | FileNotFoundError | HFValidationError)
        ):
            raise FileNotFoundError(
                f"{name}: no such folder, and no such data set on the Hub, or a private one that this token may not "
                "see."
            ) from error
        if failure is not None:
            raise ConnectionError(f"{name}: could not be fetched from the Hub: {reason(failure)}.") from error
        raise ValueError(f"{name or 'an empty name'}: cannot be read as a data set ({reason(error)}).") from error
    return {"train": loaded} if isinstance(loaded, Dataset) else dict(loaded)


def check_columns(name: str, rows: Any, columns: Sequence[str]) -> None:
    """
    Raises:
        ValueError: if rows of the data set `name` lack one of the columns.
    """
    for column in columns:
        if column not in rows.column_names:
            raise ValueError(f"{name}: no column {column!r}; there are {', '.join(rows.column_names)}.")


def find_classes(name: str, given: str | None = None) -> ClassSet:
    """The class set of a data set: `given` (a preset or a file), else the classes.json beside the data.

    Raises:
        LayoutError: if there is none, or it cannot be read.
        ConnectionError: if the Hub could not be reached or refused.
    """
    if given is not None:
        return ClassSet.load(given)
    try:
        with Source(name, kind="dataset") as source:
            return ClassSet.load(source.fetch(CLASSES_FILE, TEXT_BYTES))
    except FileNotFoundError as error:
        raise LayoutError(f"{str(error).rstrip('.')}; give the classes with --classes NAME|FILE.") from error
    except ConnectionError as error:
        raise ConnectionError(f"{str(error).rstrip('.')}; --classes NAME|FILE makes it unnecessary.") from error


def dataset_license(name: str) -> str | None:
    """The licence that a data set's card states: the Hub's identifier, or the name of one that the Hub calls "other".

    None if it states none, or if the client is offline and the card is not in its cache.

    Raises:
        ConnectionError: if the Hub could not be reached or refused.
        ValueError: if the card is larger than `CARD_BYTES`.
    """
    try:
        with Source(name, kind="dataset") as source:
            file = source.fetch("README.md", CARD_BYTES)
    except FileNotFoundError:
        return None
    except ConnectionError:
        if is_offline_mode():
            return None
        raise
    try:
        data = DatasetCard.load(file).data
        licence, name = data.license, data.get("license_name")
    except Exception:  # malformed front matter makes the client's YAML reader fail in many different ways
        return None
    if licence == "other" and isinstance(name, str) and name.strip():
        licence = name.strip()
    return licence if isinstance(licence, str) else None
