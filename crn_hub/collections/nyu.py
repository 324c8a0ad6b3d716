"""NYU Depth v2, its labelled part (Silberman, Hoiem, Kohli and Fergus, ECCV 2012), in three files of Matlab.

    ROOT/nyu_depth_v2_labeled.mat   HDF5: images (N, 3, W, H), labels (N, W, H) of 894 classes from 1, 0 for none, and
                                    scenes and sceneTypes, N texts
    ROOT/classMapping40.mat         mapClass: for each of the 894 the number of one of 40 classes; className: their
                                    names (Gupta, Arbeláez and Malik, CVPR 2013)
    ROOT/splits.mat                 trainNdxs and testNdxs: numbers of frames from 1, 795 and 654 of them

After the README of keysmon/Reimplement-depth-map-prediction, which quotes the page of the data, and the script with
which EPFL VILAB prepares these files. Shapes are as h5py gives them. Terms were found stated nowhere.
"""

from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import loadmat

from crn_hub.classes import INDICES, UNLABELLED, ClassSet, LayoutError
from crn_hub.collections.listing import Frame, Listing, StoredPicture, Terms
from crn_hub.data_options import LabelOptions
from crn_hub.text import clause, some

TERMS = Terms(
    "NYU Depth v2",
    "",
    "NYU Depth v2: Nathan Silberman, Derek Hoiem, Pushmeet Kohli, Rob Fergus. Indoor segmentation and support "
    "inference from RGBD images. ECCV 2012. The 40 classes: Saurabh Gupta, Pablo Arbeláez, Jitendra Malik. Perceptual "
    "organization and recognition of indoor scenes from RGB-D images. CVPR 2013.",
    address="https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html",
)
PICTURES, CLASSES, SPLIT = "nyu_depth_v2_labeled.mat", "classMapping40.mat", "splits.mat"
SPLITS = {"train": "trainNdxs", "test": "testNdxs"}  # ours -> that of splits.mat


def list_nyu(root: Path) -> Listing:
    """
    Args:
        root: the folder with the three files.

    Raises:
        FileNotFoundError: if one of them is missing.
        ValueError: if one cannot be read as what it should be.
    """
    if missing := [name for name in (PICTURES, CLASSES, SPLIT) if not (root / name).is_file()]:
        there = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
        raise FileNotFoundError(f"{root}: no {' and no '.join(missing)}; there is {some(there, 5)}.")
    classes = ClassSet.load("nyu40")
    table = _class_of_each_number(root / CLASSES, classes)
    columns = _columns(root / PICTURES)
    file = root / PICTURES
    splits = {}
    for split, numbers in _numbers_of_splits(root / SPLIT).items():
        if outside := [number for number in numbers if not 1 <= number <= len(columns)]:
            raise ValueError(
                f"{root / SPLIT}: frame {some(outside, 3)} in {SPLITS[split]}, but {PICTURES} has {len(columns):,}."
            )
        splits[split] = [_frame(file, number, columns[number - 1], table) for number in numbers]
    return Listing(TERMS, classes, LabelOptions(layout_classes=INDICES), splits)


def _frame(file: Path, number: int, columns: dict[str, str], table: np.ndarray) -> Frame:
    name, place = f"{number:04}", number - 1
    size = 480 * 640  # of most; the photograph has three channels, which a PNG about halves
    photograph = StoredPicture(file, f"{name}.png", 3 * size // 2, partial(read_photograph, file, place))
    label = StoredPicture(file, f"{name}_label.png", size // 20, partial(read_label, file, place, table))
    return Frame(photograph, label, {"frame": name, **columns})


def read_photograph(file: Path, place: int) -> np.ndarray:
    """Pixels, uint8 (H, W, 3)."""
    with h5py.File(file) as content:
        return content["images"][place].transpose(2, 1, 0)  # type: ignore[no-any-return]


def read_label(file: Path, place: int, table: np.ndarray) -> np.ndarray:
    """Ids of the 40 classes, uint8 (H, W).

    Args:
        file: the file with all label maps.
        place: that of this one.
        table: for each number in label maps the id.

    Raises:
        LayoutError: if there are numbers beyond the table.
    """
    with h5py.File(file) as content:
        numbers = content["labels"][place].T
    if numbers.max() >= len(table):
        raise LayoutError(
            f"{file}, frame {place + 1}: class {numbers.max()} in its label map, but {CLASSES} knows 1 to "
            f"{len(table) - 1}."
        )
    return table[numbers]  # type: ignore[no-any-return]


def _columns(file: Path) -> list[dict[str, str]]:
    """Further facts of each frame: the scene and its type."""
    try:
        with h5py.File(file) as content:
            images, labels = content["images"].shape, content["labels"].shape
            if len(images) != 4 or images[1] != 3 or labels != (images[0], *images[2:]):
                raise ValueError(f"images {images} and labels {labels}, not (N, 3, W, H) and (N, W, H)")
            texts = {column: _texts(content, name) for column, name in (("scene", "scenes"), ("type", "sceneTypes"))}
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(f"{file}: cannot be read as the labelled part of NYU Depth v2 ({clause(error)}).") from error
    return [dict(zip(texts, row, strict=True)) for row in zip(*texts.values(), strict=True)]


def _texts(content: Any, name: str) -> list[str]:
    """A cell array of texts, which Matlab stores as references to arrays of characters."""
    return ["".join(map(chr, np.ravel(content[reference]))) for reference in np.ravel(content[name])]


def _class_of_each_number(file: Path, classes: ClassSet) -> np.ndarray:
    """uint8 (895,): for each number in label maps the id in `classes`."""
    content = _read(file, "the classes of NYU Depth v2", "mapClass", "className")
    names = [str(np.ravel(name)[0]) for name in content["className"]]
    if [classes.find_name(name) for name in names] != [*range(len(classes))]:
        raise ValueError(f"{file}: className has {len(names)} names ({some(names, 3)}), not those of the preset nyu40.")
    ids = content["mapClass"].astype(np.int64) - 1
    if ((ids < 0) | (ids >= len(classes))).any():
        raise ValueError(f"{file}: mapClass has {ids.min() + 1} to {ids.max() + 1}, not 1 to {len(classes)}.")
    return np.append(UNLABELLED, ids).astype(np.uint8)


def _numbers_of_splits(file: Path) -> dict[str, list[int]]:
    content = _read(file, "the splits of NYU Depth v2", *SPLITS.values())
    return {split: sorted(content[name].astype(int).tolist()) for split, name in SPLITS.items()}


def _read(file: Path, what: str, *names: str) -> dict[str, np.ndarray]:
    try:
        content = loadmat(file)
        return {name: np.ravel(content[name]) for name in names}
    except Exception as error:  # a damaged file fails in many different ways
        raise ValueError(f"{file}: cannot be read as {what} ({clause(error)}).") from error
