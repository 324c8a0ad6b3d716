"""Saving a model into a folder: config.json, weights, training record, card and swatches."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import save_file

from crn_hub.files import appearing_in, file_in_the_way
from crn_hub.hub.card import ModelDescription, is_unedited, write_card, write_swatches
from crn_hub.hub.model_folder import (
    CARD,
    CONFIG,
    SAMPLES,
    SWATCH_FILES,
    SWATCHES,
    TRAINING_RECORD,
    WEIGHTS,
    pictures_in,
)
from crn_hub.hub.training_record import TrainingRecord


class Saveable(Protocol):
    """What a model must offer to be saved and pushed."""

    training_record: TrainingRecord

    @property
    def config(self) -> Mapping[str, Any]:
        """What config.json holds."""

    @property
    def description(self) -> ModelDescription:
        """What the card says of the network."""

    def state_dict(self) -> Mapping[str, Any]: ...


def save_model(model: Saveable, folder: Path, repo_id: str | None = None, with_weights: bool = True) -> None:
    """Writes a model into a folder, in which every file appears by renaming.

    Args:
        model: the model.
        folder: new, or that of an earlier save; a card that people edited stays.
        repo_id: the name on the Hub by which the card's examples load the model; the folder by default.
        with_weights: whether to write model.safetensors too.

    Raises:
        FileExistsError: if a file is where the folder should be.
        OSError: if the folder cannot be written.
        TypeError: if the training record cannot be written as JSON.
    """
    if (file := file_in_the_way(folder)) is not None:
        raise FileExistsError(f"{file}: a file, where a folder is needed to save the model.")
    with appearing_in(folder) as draft:
        if with_weights:
            tensors = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
            save_file(tensors, draft / WEIGHTS, {"format": "pt"})
        (draft / CONFIG).write_text(json.dumps(model.config, indent=2), encoding="utf-8")
        if model.training_record:
            (draft / TRAINING_RECORD).write_text(json.dumps(model.training_record, indent=2), encoding="utf-8")
        else:
            (folder / TRAINING_RECORD).unlink(missing_ok=True)  # another model's
        write_swatches(draft, model.description)
        if not (folder / CARD).exists() or is_unedited(folder / CARD):
            samples = [f"{SAMPLES}/{picture.name}" for picture in pictures_in(folder / SAMPLES)]
            write_card(draft / CARD, model.description, model.training_record, samples, repo_id)
            for swatch in folder.glob(SWATCH_FILES):  # an edited card may still show other colours
                if not (draft / SWATCHES / swatch.name).exists():
                    swatch.unlink()
