"""Loads what pairs are made from: rows, classes and licence of a data set, on a disk or on the Hub."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, is_offline_mode
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.data.two_folders import find_two_folders, pair_rows
from crn_hub.data_options import DataOptions
from crn_hub.files import LFS_POINTER, is_lfs_pointer
from crn_hub.hub.client_errors import GATED, client_error, reason, unseen
from crn_hub.hub.source import TEXT_BYTES, Source
from crn_hub.text import clause

CLASSES_FILE = "classes.json"
NO_DATA = {CLASSES_FILE, "labelmap.txt", "class_dict.csv"}  # lists of classes beside the data
CARD_BYTES = 2**24  # the largest card that is read; some list thousands of configurations


def load_splits(name: str, options: DataOptions | None = None) -> dict[str, Any]:
    """The splits of a data set, by their names; columns of paths come as paths on this disk.

    Args:
        name: a Hub id; a folder that `load_dataset` reads, that `save_to_disk` wrote, or that holds folders of
            photographs and of label maps (see `two_folders`); a file of rows, such as CSV, JSON lines or parquet; or,
            with a label folder, a folder of photographs. What has no splits becomes the split "train".
        options: how it is found.

    Raises:
        FileNotFoundError: if there is no such data set.
        ConnectionError: if the Hub could not be reached or refused.
        ValueError: if the data set cannot be read.
    """
    options = options or DataOptions()
    _check_name(name, options)
    path = Path(name)
    if options.label_folder is not None:
        return {"train": pair_rows(path, Path(options.label_folder), options.columns, options.skip_bad_rows)}
    folders = find_two_folders(path) if path.is_dir() and not _is_saved(path) else {}
    if options.dataset_config_name is not None and (folders or _is_saved(path)):
        raise ValueError(f"--dataset_config_name {options.dataset_config_name}: {name} has none; leave it out.")
    if folders:
        return {split: pair_rows(*pair, options.columns, options.skip_bad_rows) for split, pair in folders.items()}
    from datasets import Dataset

    try:
        loaded = _load(name, options)
    except Exception as error:  # readers of the many kinds of files fail in many different ways
        raise _explained(name, error, options) from error
    splits = {"train": loaded} if isinstance(loaded, Dataset) else dict(loaded)
    base = path.parent if path.is_file() else path if path.is_dir() else None
    return {str(split): _with_paths(name, rows, options.columns, base) for split, rows in splits.items()}


def _check_name(name: str, options: DataOptions) -> None:
    """
    Raises:
        FileNotFoundError, ValueError: if a name and options don't go together.
    """
    if not name.strip():
        raise FileNotFoundError("the name of the data set is empty; give a folder, a file or a Hub id.")
    if options.image_column == options.label_column:
        raise ValueError(f"column {options.image_column!r} cannot hold both the photographs and the label maps.")
    is_local = Path(name).exists()
    if options.dataset_revision is not None and (is_local or options.label_folder is not None):
        raise ValueError(f"--dataset_revision {options.dataset_revision}: {name} is not on the Hub; leave it out.")
    if options.dataset_config_name is not None and (Path(name).is_file() or options.label_folder is not None):
        raise ValueError(f"--dataset_config_name {options.dataset_config_name}: {name} has none; leave it out.")


def _is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _load(name: str, options: DataOptions) -> Any:
    """What the datasets library makes of a name, with all of its errors."""
    from datasets import load_dataset, load_from_disk

    path, config = Path(name), options.dataset_config_name
    if _is_saved(path):
        return load_from_disk(path)
    if path.is_file():
        return _load_files({"train": [str(path)]})
    if path.is_dir():
        # Not by its name: the library would take a folder of the same name elsewhere, whose card names the same files,
        # for the same data set, and give back its rows from the cache.
        return _load_files(_data_files(str(path.resolve()), _configurations(path), config))
    loaded = load_dataset(name, config, revision=options.dataset_revision)
    columns = {column for rows in loaded.values() for column in rows.column_names}
    if {"name", "color"} <= columns and options.image_column not in columns:
        # classes.json has the ending that most files have, and was taken for the data.
        at = f"@{options.dataset_revision}" if options.dataset_revision else ""
        return _load_files(_data_files(f"hf://datasets/{name}{at}", {}, None))
    return loaded


def _configurations(folder: Path) -> dict[str, Any]:
    """The configurations that a folder's card names."""
    from datasets.utils.metadata import MetadataConfigs

    card = folder / "README.md"
    return dict(MetadataConfigs.from_dataset_card_data(DatasetCard.load(card).data)) if card.is_file() else {}


def _data_files(base: str, configurations: dict[str, Any], config: str | None) -> dict[str, list[str]]:
    """The files of each split in a folder, by the rules of the datasets library, but for lists of classes.

    Args:
        base: the folder; in the library's own patterns its brackets would mean something.
        configurations: that its card names.
        config: the one to take, if there are several.
    """
    from datasets.data_files import DataFilesDict, get_data_patterns, sanitize_patterns

    configurations = {name: settings for name, settings in configurations.items() if "data_files" in settings}
    if config is None:
        usual = [name for name, settings in configurations.items() if name == "default" or settings.get("default")]
        config = usual[0] if usual else None
    if config not in configurations if config is not None else len(configurations) > 1:
        raise ValueError(f"available configs: [{', '.join(configurations)}]")
    escaped = glob.escape(base)
    if configurations:
        patterns = sanitize_patterns(configurations[config or next(iter(configurations))]["data_files"])
    else:
        patterns = get_data_patterns(escaped)
    files = DataFilesDict.from_patterns(patterns, base_path=escaped)
    kept = {split: [file for file in of_split if Path(file).name not in NO_DATA] for split, of_split in files.items()}
    return {str(split): of_split for split, of_split in kept.items() if of_split}


def _load_files(files: dict[str, list[str]]) -> Any:
    """Loads the files of each split, all of the kind that most of them are of."""
    from datasets import load_dataset
    from datasets.data_files import DataFilesDict, DataFilesList
    from datasets.load import infer_module_for_data_files
    from datasets.packaged_modules import (
        _MODULE_TO_EXTENSIONS,
        _MODULE_TO_METADATA_EXTENSIONS,
        _MODULE_TO_METADATA_FILE_NAMES,
    )

    for file in (file for of_split in files.values() for file in of_split):
        if "://" not in file and is_lfs_pointer(file):
            raise ValueError(f"{Path(file).name} is {LFS_POINTER}")
    listed = DataFilesDict({split: DataFilesList(of_split, [()] * len(of_split)) for split, of_split in files.items()})
    if not files:
        raise ValueError("no file of a kind that holds data")
    module, settings = infer_module_for_data_files(listed)
    endings = _MODULE_TO_EXTENSIONS[module] + _MODULE_TO_METADATA_EXTENSIONS[module]
    of_kind = listed.filter(extensions=endings, file_names=_MODULE_TO_METADATA_FILE_NAMES[module])
    patterns = {split: [glob.escape(file) for file in of_split] for split, of_split in of_kind.items() if of_split}
    return load_dataset(module, data_files=patterns, **settings)


def _explained(name: str, error: Exception, options: DataOptions) -> Exception:
    """An error of the datasets library as one of one sentence."""
    from datasets.config import HF_DATASETS_CACHE
    from datasets.exceptions import DatasetNotFoundError

    failure, text, cause = client_error(error), str(error), error
    while isinstance(cause.__cause__, Exception):  # the outermost one often says no more than that there was an error
        cause = cause.__cause__
    cache, place = Path(HF_DATASETS_CACHE), Path(str(getattr(cause, "filename", None) or ""))
    if isinstance(cause, OSError) and (place in cache.parents or cache in (place, *place.parents)):
        return OSError(
            f"{name}: the datasets library cannot write to its cache, {cache} ({cause.strerror or clause(cause)}); "
            "make room there, or set HF_DATASETS_CACHE to a folder of your own."
        )
    # On one path the library drops the client's error and keeps only its message.
    if isinstance(failure, GatedRepoError) or "is a gated dataset on the Hub" in text:
        return ConnectionError(f"{name}: could not be fetched from the Hub: {GATED}.")
    if options.dataset_revision is not None and re.search("[Rr]evision", text):
        return FileNotFoundError(f"{name}: the data set has no revision {options.dataset_revision!r}.")
    if known := re.search(r"available configs: \[(.*?)\]|Available: \[(.*?)\]", text, re.DOTALL):
        names = re.sub("['\"]", "", known[1] or known[2] or "") or "none"
        return ValueError(
            f"{name}: no configuration {options.dataset_config_name!r}; there are {clause(names)}."
            if options.dataset_config_name is not None
            else f"{name}: has several configurations, {clause(names)}; choose one with --dataset_config_name."
        )
    if Path(name).exists():
        return ValueError(f"{name}: cannot be read as a data set ({reason(cause)}).")
    if isinstance(failure, RepositoryNotFoundError) or (
        failure is None and isinstance(error, DatasetNotFoundError | FileNotFoundError | HFValidationError)
    ):
        return FileNotFoundError(f"{name}: no such folder, and no such data set on the Hub, or {unseen()}.")
    if failure is not None:
        return ConnectionError(f"{name}: could not be fetched from the Hub: {reason(failure)}.")
    return ValueError(f"{name}: cannot be read as a data set ({reason(error)}).")


def _with_paths(name: str, rows: Any, columns: Sequence[str], base: Path | None) -> Any:
    """Rows whose columns of texts are paths of pictures on this disk, relative to `base`.

    Raises:
        ValueError: if the texts don't come from this disk: such paths could be of any file here.
    """
    for column in columns:
        feature = rows.features.get(column)
        if hasattr(feature, "names") and base is not None:  # made of the names of folders
            raise ValueError(
                f"{name}: pictures in folders, but none whose names say that they hold photographs and label maps, "
                "such as train_img and train_label; name both: --dataset_name PHOTOGRAPHS --label_folder LABELS."
            )
        if getattr(feature, "dtype", None) not in ("string", "large_string"):
            continue
        if base is None:
            raise ValueError(
                f"{name}: column {column!r} holds texts; a data set on the Hub must hold the pictures themselves."
            )
        paths = [path and str(base / path) for path in rows.select_columns(column)[:][column]]
        rows = rows.remove_columns(column).add_column(column, paths)
    return rows


def check_columns(name: str, rows: Any, columns: Sequence[str]) -> None:
    """
    Raises:
        ValueError: if rows of the data set `name` lack one of the columns.
    """
    for column in columns:
        if column not in rows.column_names:
            raise ValueError(f"{name}: no column {column!r}; there are {', '.join(rows.column_names)}.")


def find_classes(name: str, options: DataOptions | None = None) -> ClassSet:
    """The class set of a data set: the one that `options` give (a preset or a file), else the classes.json beside it.

    Beside a file of rows is the folder that it is in; beside two folders, they themselves and what they are in.

    Raises:
        LayoutError: if there is none, or it cannot be read.
        ConnectionError: if the Hub could not be reached or refused.
    """
    options = options or DataOptions()
    if options.classes is not None:
        return ClassSet.load(options.classes)
    path = Path(name)
    places = [path.parent] if path.is_file() else [path]
    if path.is_dir():
        places += [folder for pair in find_two_folders(path).values() for folder in pair]
    if options.label_folder is not None:
        labels = Path(options.label_folder)
        places += [labels, path.resolve().parent, labels.resolve().parent]
    if found := [place / CLASSES_FILE for place in places if (place / CLASSES_FILE).is_file()]:
        return ClassSet.load(found[0])
    try:
        with Source(
            str(places[0]) if path.exists() else name, kind="dataset", revision=options.dataset_revision
        ) as source:
            return ClassSet.load(source.fetch(CLASSES_FILE, TEXT_BYTES))
    except FileNotFoundError as error:
        raise LayoutError(f"{str(error).rstrip('.')}; give the classes with --classes NAME|FILE.") from error
    except ConnectionError as error:
        raise ConnectionError(f"{str(error).rstrip('.')}; --classes NAME|FILE makes it unnecessary.") from error


def dataset_license(name: str, revision: str | None = None) -> str | None:
    """The licence that a data set's card states: the Hub's identifier, or the name of one that the Hub calls "other".

    None if it states none, or if the client is offline and the card is not in its cache.

    Raises:
        ConnectionError: if the Hub could not be reached or refused.
        ValueError: if the card is larger than `CARD_BYTES`.
    """
    try:
        with Source(name, kind="dataset", revision=revision) as source:
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
