"""Two folders of pictures, photographs and label maps of the same names -> rows; the commonest form of such data."""

import os
import re
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from crn_hub.text import some

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
# What folders are called, in lower case: of photographs, of label maps, and of splits, which may stand before, after or
# above these (train_img, img/train, train/img), or alone for photographs (train, train_labels).
PHOTOGRAPHS = {"img", "imgs", "image", "images", "photo", "photos", "photographs", "leftimg8bit", "jpegimages", "rgb"}
LABELS = {
    *("label", "labels", "mask", "masks", "annotation", "annotations", "seg", "segmentation", "segmentations"),
    *("gt", "gtfine", "segmentationclass", "layouts", "labelmaps"),
}
SPLITS = {
    "train": "train", "training": "train", "trainval": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
# Endings of label maps, the preferred first, where a folder has several kinds for each photograph.
KINDS = ("_labelTrainIds", "_labelIds")
SEPARATORS = "_-. "
OTHER_DATA = {".parquet", ".arrow", ".tar", ".zip"}  # files that are the data set rather than the pictures


def find_two_folders(root: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of photographs and label maps in a folder, by split; {} if it isn't made of such folders."""
    found: dict[tuple[str, bool], list[Path]] = defaultdict(list)
    for folder in (root, *_folders(root, depth=2)):
        if any(file.suffix.lower() in OTHER_DATA or file.stem.lower() == "metadata" for file in _walk(folder, False)):
            return {}
        words = [word for part in folder.relative_to(root).parts for word in re.split("[_ -]", part.lower())]
        splits = [SPLITS[word] for word in words if word in SPLITS]
        rest = "_".join(word for word in words if word not in SPLITS)
        is_named = rest in PHOTOGRAPHS or rest in LABELS
        if folder != root and len(splits) <= 1 and (is_named or not rest) and _has_pictures(folder, deep=is_named):
            found[splits[0] if splits else "", rest in LABELS].append(folder)
    pairs = {
        split: (found[split, False][0], found[split, True][0])
        for split in dict.fromkeys(split for split, _ in found)
        if len(found[split, False]) == len(found[split, True]) == 1
    }
    whole = pairs.pop("", None)  # of all splits, if the folders of these are inside
    return pairs or ({"train": whole} if whole else {})


def pair_rows(photographs: Path, labels: Path, columns: tuple[str, str], skip_missing: bool) -> Any:
    """The pairs of two folders as rows of paths, in the order of their names.

    A photograph and a label map belong together if their paths within the folders are the same but for what all names
    in a folder end with, such as "_leftImg8bit" and "_gtFine_labelIds".

    Args:
        photographs, labels: the folders.
        columns: what the columns are called.
        skip_missing: leave out photographs without a label map, and say so on stderr.

    Raises:
        FileNotFoundError: if one of the folders doesn't exist.
        ValueError: if it isn't clear what belongs together, or a photograph has no label map.
    """
    import datasets  # takes seconds, and scenes don't need it

    for folder in (photographs, labels):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder.")
    of_photographs = _by_key(photographs, _files(photographs))
    files = _files(labels)
    kind = _kind(of_photographs, labels, files)
    of_labels = _by_key(labels, [file for file in files if file.stem.endswith(kind)], kind)
    rows = [(str(file), str(of_labels[key])) for key, file in sorted(of_photographs.items()) if key in of_labels]
    if missing := [file.name for key, file in of_photographs.items() if key not in of_labels]:
        what = f"{len(missing)} of {len(of_photographs)} photographs have no label map in {labels}: {some(missing)}"
        if not rows or not skip_missing:
            advice = "names must be the same but for an ending that all have, such as _label"
            advice += "; --skip_bad_rows leaves these out" if rows else ""
            raise ValueError(f"{photographs}: {what}; {advice}.")
        print(f"{photographs}: left out, because {what}.", file=sys.stderr)
    features = datasets.Features({column: datasets.Image(decode=False) for column in columns})
    content = {column: list(paths) for column, paths in zip(columns, zip(*rows, strict=True), strict=True)}
    # The fingerprint that the library would make doesn't tell that a file has changed.
    stats = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for pair in rows for path in pair]
    made = datasets.Dataset.from_dict(content, features)
    return datasets.Dataset(made.data, info=made.info, fingerprint=datasets.fingerprint.Hasher.hash(stats))


def _folders(root: Path, depth: int) -> Iterator[Path]:
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith((".", "__")):
            yield folder
            if depth > 1:
                yield from _folders(folder, depth - 1)


def _has_pictures(folder: Path, deep: bool) -> bool:
    return any(file.suffix.lower() in PICTURES for file in _walk(folder, deep))


def _files(folder: Path) -> list[Path]:
    """The pictures in a folder and in the folders in it, without hidden ones.

    Raises:
        ValueError: if there are none.
    """
    if not (files := sorted(file for file in _walk(folder) if file.suffix.lower() in PICTURES)):
        raise ValueError(f"{folder}: no picture in this folder ({', '.join(sorted(PICTURES))}).")
    return files


def _walk(folder: Path, deep: bool = True) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        listed = [*entries]
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path)) if deep else ()
        else:
            yield Path(entry.path)


def _by_key(folder: Path, files: Sequence[Path], ending: str | None = None) -> dict[str, Path]:
    """Files by what tells them apart: their path in the folder without the ending that all have.

    Raises:
        ValueError: if two files have the same.
    """
    ending = _common_ending([file.stem for file in files]) if ending is None else ending
    found: dict[str, Path] = {}
    for file in files:
        key = str(file.relative_to(folder).with_name(file.stem.removesuffix(ending)))
        if (twin := found.setdefault(key, file)) != file:
            raise ValueError(f"{folder}: {twin.name} and {file.name} differ only in how they end; keep one of them.")
    return found


def _common_ending(stems: Sequence[str]) -> str:
    """What all names end with, from a separator on: "_leftImg8bit"; "" if there is nothing like that."""
    ending = ""
    for characters in zip(*(reversed(stem) for stem in stems), strict=False):
        if len({*characters}) > 1:
            break
        ending = characters[0] + ending
    starts = [place for place, character in enumerate(ending) if character in SEPARATORS]
    # An ending of nothing but digits counts frames, and tells files apart in another folder.
    return next((ending[place:] for place in starts if len(stems) > 1 and not ending[place + 1 :].isdigit()), "")


def _kind(photographs: dict[str, Path], folder: Path, labels: Sequence[Path]) -> str:
    """The ending of label maps that stands where photographs have none, or their own.

    Raises:
        ValueError: if labels of several kinds could be meant.
    """
    names = sorted(str(file.relative_to(folder).with_name(file.stem)) for file in labels)
    endings: dict[str, int] = defaultdict(int)
    for key in photographs:
        place = bisect_left(names, key)
        while place < len(names) and (name := names[place]).startswith(key):
            if name == key or name[len(key)] in SEPARATORS:
                endings[name[len(key) :]] += 1
            place += 1
    most = max(endings.values(), default=0)
    usual = [ending for ending, count in endings.items() if count == most]
    if len(usual) <= 1 or "" in usual:
        return "" if not usual or "" in usual else usual[0]
    if preferred := [ending for kind in KINDS for ending in usual if ending.endswith(kind)]:
        return preferred[0]
    raise ValueError(
        f"{folder}: {len(usual)} label maps for each photograph, with names that end in {some(sorted(usual), 5)}; keep "
        "those of one kind in this folder."
    )
