"""A study's folder: its plan, and the pictures of all systems, each made once."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from crn_hub.data import LabelReader, PairDataset, check_rows, find_classes
from crn_hub.data_options import DataOptions
from crn_hub.files import check_folder
from crn_hub.hub.source import short_name
from crn_hub.metrics.picture_sources import ModelOnRows, Photographs, chosen_image
from crn_hub.metrics.rows import choose_rows
from crn_hub.networks import HubModel
from crn_hub.pictures import read_photograph, resize_picture, save_picture
from crn_hub.study.plan import MANIFEST, REAL, Study, divide_rows, plan_practice, plan_sessions
from crn_hub.text import some

PICTURES = "pictures"
NAMED_BY = ("name", "frame", "id")  # columns whose values may be names of files
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
CONSENT = (
    "You will see pairs of pictures and choose, for each pair, the one that looks more like a real photograph. Your "
    "choices and their times are stored under a random number, without your name or address. You may stop at any time "
    "by closing the page."
)


class PicturesOfFolder:
    """A system whose pictures were made elsewhere: files named by the rows' numbers, or by a column of the data.

    Args:
        name: of the system.
        folder: with the pictures.
        data: the rows.

    Raises:
        ValueError: if it lacks a row's picture.
    """

    def __init__(self, name: str, folder: Path, data: PairDataset):
        files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES}
        numbers = {int(stem): file for stem, file in files.items() if stem.isdecimal()}
        rows: Any = data.rows
        columns = [column for column in NAMED_BY if column in getattr(rows, "column_names", ())]
        names = [rows[column] for column in columns]
        self.name, self.data, self.key = name, data, short_name(str(folder))
        self._files: list[Path] = []
        for row in data.used:
            by_name = (files.get(str(values[row])) for values in names)
            found = next(filter(None, [*by_name, numbers.get(row)]), None)
            if found is None:
                or_by = f", or by a column of the data ({some(columns)})" if columns else ""
                raise ValueError(
                    f"{folder}: no picture of row {row}; name the files by the rows' numbers, such as {row}.png{or_by}."
                )
            self._files.append(found)

    def images(self, index: int) -> np.ndarray:
        """uint8 (1, H, W, 3)."""
        return read_photograph(self._files[index])[None]


def create_study(
    systems: Mapping[str, str],
    real: bool,
    dataset: str,
    options: DataOptions,
    output: Path,
    *,
    title: str,
    split: str | None,
    layouts: int,
    mode: str,
    session: int,
    passing: float,
    size: tuple[int, int],
    seed: int,
    consent: str,
) -> Study:
    """Plans a study and makes its pictures; those that are there from an interrupted attempt stay.

    Args:
        systems: by name a model (folder, Hub id, "box") or a folder of pictures; the weakest last.
        layouts: how many rows of the data set are compared at most, spread evenly.
        others: as for `Study` and `crn study create`.

    Raises:
        FileExistsError: if the folder holds another study.
        FileNotFoundError, ConnectionError, ValueError: as for `crn evaluate`.
    """
    check_folder("--output", output)
    if REAL in systems:
        raise ValueError(f"{REAL} is what the recorded photographs are called; name the system otherwise.")
    chosen = choose_rows(dataset, options, split, None)
    reader = LabelReader(find_classes(dataset, options), options)
    data = PairDataset(chosen.rows, reader, size, *options.columns, called="row")
    check_rows(data, options.skip_bad_rows)
    names = tuple(systems)
    rows = divide_rows([int(row) for row in data.used], layouts, real, mode, session, seed)
    data.used = sorted({*rows.compared, *rows.sentinels, *rows.practice})
    sources = [Photographs(REAL, data), *(_source(name, where, data, size) for name, where in systems.items())]
    facts: dict[str, Any] = {
        "dataset": short_name(dataset),
        "split": chosen.split,
        "layouts": len(rows.compared),
        "systems": {source.name: source.key for source in sources},
        "styles and seeds": {source.name: _styles_and_seeds(source) for source in sources},
        "consent": consent,
    }
    study = Study(
        title, names, real, mode, size, seed, passing,
        plan_sessions(names, real, rows, mode, session, seed), plan_practice(names, rows, mode, seed), facts,
    )  # fmt: skip
    if (output / MANIFEST).is_file():
        if Study.load(output) != study:
            raise FileExistsError(f"--output {output}: holds another study; choose a new folder.")
    elif output.is_dir() and any(output.iterdir()):
        raise FileExistsError(f"--output {output}: the folder is not empty; choose a new one for the study.")
    output.mkdir(parents=True, exist_ok=True)
    study.save(output)
    of_name = {source.name: source for source in sources}
    places = {row: index for index, row in enumerate(data.used)}
    for system, row in tqdm(study.needed, desc="making pictures", unit="picture"):
        file = picture_file(output, system, row, study)
        if not file.is_file():
            index = places[row]
            images = of_name[system].images(index)
            picture = Image.fromarray(images[chosen_image(index, len(images))])
            save_picture(resize_picture(picture, size), file)
    return study


def picture_file(folder: Path, system: str, row: int, study: Study) -> Path:
    """Where a study keeps a picture; neither the name nor the folder says whose it is, to whoever sees one."""
    return folder / PICTURES / str([REAL, *study.systems].index(system)) / f"{row}.png"


def _styles_and_seeds(source: ModelOnRows | PicturesOfFolder | Photographs) -> dict[str, dict[str, int]]:
    """By row; empty for pictures that don't depend on any."""
    if not isinstance(source, ModelOnRows):
        return {}
    found = {str(row): source.style_and_seed(index) for index, row in enumerate(source.data.used)}
    return {row: chosen for row, chosen in found.items() if chosen}


def _source(name: str, where: str, data: PairDataset, size: tuple[int, int]) -> ModelOnRows | PicturesOfFolder:
    folder = Path(where)
    if folder.is_dir() and not (folder / "config.json").is_file():
        return PicturesOfFolder(name, folder, data)
    network = HubModel.from_pretrained(where)
    if network.size[0] * size[1] != network.size[1] * size[0]:
        print(
            f"warning: {name} makes images of {network.size[0]} x {network.size[1]} pixels (height x width), shown at "
            f"{size[0]} x {size[1]}: photographs are cut to another shape than its layouts are.",
            file=sys.stderr,
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return ModelOnRows(name, None, network.to(device), data.at_size(network.size), size)


def read_systems(words: Sequence[str]) -> dict[str, str]:
    """NAME=MODEL_OR_FOLDER, several times -> by name.

    Raises:
        ValueError: if one isn't of that form, or a name repeats.
    """
    systems: dict[str, str] = {}
    for word in words:
        name, equals, where = word.partition("=")
        if not equals or not name.strip() or not where.strip():
            raise ValueError(f"--systems {word}: must be NAME=MODEL_OR_FOLDER, such as crn=box.")
        if name.strip() in systems:
            raise ValueError(f"--systems {word}: there are two systems of this name.")
        systems[name.strip()] = where.strip()
    return systems
