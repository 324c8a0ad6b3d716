"""Measures pictures row by row and saves what was measured, so that a stopped evaluation can be resumed.

There is one .npz file for each source of pictures and row, in a folder named after the fingerprint of the source: other
models may be added later, and a model that has changed is measured again.
"""

import json
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from crn_hub.data import PairDataset
from crn_hub.files import appearing, write_text
from crn_hub.metrics.meter import Meter, Reference, RowMeasurements
from crn_hub.metrics.picture_sources import PictureSource, chosen_image
from crn_hub.pictures import to_pixels

FACTS = "facts.json"
CALIBRATION_PAIRS = 16


def measure_rows(
    sources: Sequence[PictureSource], data: PairDataset, meter: Meter, folder: Path, facts: dict[str, Any]
) -> dict[str, list[RowMeasurements]]:
    """Measures each source on each row, except where the measurements have been saved already.

    Args:
        sources: whose pictures to measure.
        data: the rows, at the size of the evaluation.
        folder: the folder of the saved measurements, one file for each source and row.
        facts: what the measurements depend on besides the sources.

    Returns:
        The measurements of all rows, by the keys of the sources.

    Raises:
        FileExistsError: if the folder holds measurements of another evaluation.
    """
    _claim(folder, facts)
    files = {(i, s.key): folder / s.key / f"{i:06d}.npz" for i in range(len(data)) for s in sources}
    measured = {key: _load(file) for key, file in files.items()}
    missing = [(i, s) for i in range(len(data)) for s in sources if measured[i, s.key] is None]
    if missing:
        meter.calibrate(_calibration_pairs(data, meter))
    reference: tuple[int, Reference] | None = None
    with tqdm(missing, desc="measuring", unit="picture", disable=not missing) as bar:
        for i, source in bar:
            bar.set_postfix_str(source.name[:24])
            if reference is None or reference[0] != i:
                reference = i, _prepare(data, meter, i)
            images = source.images(i)
            measurements = meter.measure(images, chosen_image(i, len(images)), reference[1], source.ids(i))
            file = files[i, source.key]
            file.parent.mkdir(exist_ok=True)
            with appearing(file) as draft, draft.open("wb") as opened:
                np.savez(opened, **measurements)  # type: ignore[arg-type]
            measured[i, source.key] = measurements
    return {
        source.key: [cast(RowMeasurements, measured[i, source.key]) for i in range(len(data))] for source in sources
    }


def _prepare(data: PairDataset, meter: Meter, index: int) -> Reference:
    pair = data[index]
    return meter.prepare(to_pixels(pair["photograph"]), pair["ids"].numpy())


def _calibration_pairs(data: PairDataset, meter: Meter) -> Iterator[tuple[Reference, Reference]]:
    """Photographs, each with the one half the data further on, which shows another place, often in other light."""
    count = min(CALIBRATION_PAIRS, len(data))
    for i in tqdm(range(count), desc="calibrating", unit="pair"):
        one = i * len(data) // count
        yield _prepare(data, meter, one), _prepare(data, meter, (one + len(data) // 2) % len(data))


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    """Writes the facts to a new folder, or compares them with those of the measurements in it."""
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
            f"{folder} holds measurements, but {FACTS}, which says what they depend on, is missing or damaged; choose "
            "another --output, or remove the folder."
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


def _load(file: Path) -> RowMeasurements | None:
    """Saved measurements; None if there are none, or if the file is damaged, so that the row is measured again."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, BadZipFile):
        return None
