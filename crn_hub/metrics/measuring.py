"""Measuring models row by row, and the files that keep what was measured, so that a stopped evaluation goes on.

One .npz file for each model and row, in a folder named by the fingerprint of the model: another model may join later,
and one that has changed is measured anew.
"""

import hashlib
import json
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from crn_hub.classes import UNLABELLED
from crn_hub.data import PairDataset
from crn_hub.files import appearing, write_text
from crn_hub.fingerprint import fingerprint
from crn_hub.metrics.rows import Meter, Record, Reference
from crn_hub.networks.hub_model import HubModel
from crn_hub.pictures import resize_picture, to_pixels
from crn_hub.text import some

FACTS = "facts.json"
CALIBRATION_PAIRS = 16


class ModelOnRows:
    """A model's photographs of the layouts of some rows.

    Args:
        name: what reports call it.
        folder: where it lies, if there is such a folder; None for the one in the box.
        model: the network.
        data: the rows at the model's size, with the classes of the evaluation.
        size: (height, width) of the photographs.
    """

    def __init__(self, name: str, folder: Path | None, model: HubModel, data: PairDataset, size: tuple[int, int]):
        self.name, self.folder, self.model, self.data, self.size = name, folder, model, data, size
        self.key = fingerprint(model, model.config)
        self.translation = data.classes.translation_to(model.classes)
        found = self.translation[: len(data.classes)] != UNLABELLED
        self.unknown = [name for name, known in zip(data.classes.names, found, strict=True) if not known]
        if not found.any():
            raise ValueError(f"{name}: it knows none of the classes of the data ({some(data.classes.names)}).")

    @torch.inference_mode()
    def images(self, index: int) -> np.ndarray:
        """uint8 (K, H, W, 3): what `HubModel.synthesize` gives for the layout of a row."""
        ids = torch.from_numpy(self.translation[self.data[index]["ids"].numpy()])
        outputs = to_pixels(self.model(ids[None].to(next(self.model.parameters()).device))[0])
        return np.stack([np.asarray(resize_picture(Image.fromarray(output), self.size)) for output in outputs])


class Photographs:
    """Recorded photographs in the place of a model's: of the same rows, or of as many others.

    Args:
        name: what the progress bar calls them.
        data: the rows, at the size of the evaluation.
    """

    def __init__(self, name: str, data: PairDataset):
        self.name, self.data = name, data
        self.key = hashlib.sha256(name.encode()).hexdigest()[:16]

    def images(self, index: int) -> np.ndarray:
        """uint8 (1, H, W, 3)."""
        return to_pixels(self.data[index]["photograph"])[None]


Pictures = ModelOnRows | Photographs


def chosen_image(index: int, num_images: int) -> int:
    """Which of a model's k images of a row is measured: each has its turn, and every model gives one per row."""
    return index % num_images


def measure_rows(
    sources: Sequence[Pictures], data: PairDataset, meter: Meter, folder: Path, facts: dict[str, Any]
) -> dict[str, list[Record]]:
    """Measures each source on each row, unless a record of it is there already.

    Args:
        sources: whose pictures to measure.
        data: the rows, at the size of the evaluation.
        folder: where the records are, one file for each source and row.
        facts: what the numbers depend on beside the sources.

    Returns:
        The records by the keys of the sources, row by row.

    Raises:
        FileExistsError: if the folder holds records of another evaluation.
    """
    _claim(folder, facts)
    files = {(i, s.key): folder / s.key / f"{i:06d}.npz" for i in range(len(data)) for s in sources}
    records = {at: _load(file) for at, file in files.items()}
    missing = [(i, s) for i in range(len(data)) for s in sources if records[i, s.key] is None]
    if missing:
        meter.calibrate(_calibration_pairs(data, meter))
    reference: tuple[int, Reference] | None = None
    with tqdm(missing, desc="measuring", unit="picture", disable=not missing) as bar:
        for i, source in bar:
            bar.set_postfix_str(source.name[:24])
            if reference is None or reference[0] != i:
                reference = i, look(data, meter, i)
            images = source.images(i)
            record = meter.measure(images, chosen_image(i, len(images)), reference[1])
            file = files[i, source.key]
            file.parent.mkdir(exist_ok=True)
            with appearing(file) as draft, draft.open("wb") as opened:
                np.savez(opened, **record)  # type: ignore[arg-type]
            records[i, source.key] = record
    return {source.key: [cast(Record, records[i, source.key]) for i in range(len(data))] for source in sources}


def look(data: PairDataset, meter: Meter, index: int) -> Reference:
    """The photograph of a row, ready to be compared with."""
    pair = data[index]
    return meter.look(to_pixels(pair["photograph"]), pair["ids"].numpy())


def _calibration_pairs(data: PairDataset, meter: Meter) -> Iterator[tuple[Reference, Reference]]:
    """Photographs with others half the data further on: other places, and often another light."""
    count = min(CALIBRATION_PAIRS, len(data))
    for i in tqdm(range(count), desc="calibrating", unit="pair"):
        one = i * len(data) // count
        yield look(data, meter, one), look(data, meter, (one + len(data) // 2) % len(data))


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    """Notes the facts in a new folder, or compares them with those of the records that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    if next(folder.glob("*/*.npz"), None) is None:
        write_text(folder / FACTS, json.dumps(facts, indent=2))
        return
    try:
        before = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if "version" not in before:
            raise ValueError("no facts")
    except (OSError, ValueError, TypeError) as error:
        raise FileExistsError(
            f"{folder} holds measurements, but {FACTS}, which says of what, is missing or damaged; choose another "
            "--output, or remove the folder."
        ) from error
    facts = json.loads(json.dumps(facts))
    if differing := [
        f"{key} was {reprlib.repr(before.get(key))}, now {reprlib.repr(now)}"
        for key, now in facts.items()
        if before.get(key) != now
    ]:
        raise FileExistsError(
            f"{folder} holds measurements of another evaluation: {'; '.join(differing)}; choose another --output, or "
            "remove the folder."
        )


def _load(file: Path) -> Record | None:
    """A record; None if there is none, or a damaged one, which will be measured again."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, BadZipFile):
        return None
