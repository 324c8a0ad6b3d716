"""A model folder: what its files are called, and how those that are JSON or pictures are found and read."""

import json
from pathlib import Path
from typing import Any

from crn_hub.text import clause

CONFIG = "config.json"  # what the network is built from
WEIGHTS = "model.safetensors"
CARD = "README.md"
TRAINING_RECORD = "training.json"  # see `crn_hub.hub.training_record`; may be missing
SAMPLES = "samples"  # folder of pictures that the card shows
STYLES = "styles.png"  # in that folder: layouts in each of the model's styles
SWATCHES = "swatches"  # folder of the class colours as small pictures, which the card shows too
SWATCH_FILES = f"{SWATCHES}/{'[0-9a-f]' * 6}.png"  # pattern: one file for each colour, named by it


def pictures_in(folder: Path) -> list[Path]:
    """The PNG files of a folder, sorted by name; none if there is no such folder."""
    return sorted(file for file in folder.glob("[!.]*.png") if file.is_file())


def read_object(file: Path, name: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
        file: config.json or training.json.
        name: what messages call the model that it belongs to.

    Raises:
        ValueError: if the file holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{name}: {file.name} is not readable JSON ({clause(error)}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"{name}: {file.name} is not a JSON object but {type(content).__name__}.")
    return content
