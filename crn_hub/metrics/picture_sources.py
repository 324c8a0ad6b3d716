"""Whose pictures an evaluation measures: those of models, and recorded photographs in their place."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crn_hub.classes import UNLABELLED
from crn_hub.data import PairDataset
from crn_hub.fingerprint import fingerprint
from crn_hub.networks.hub_model import HubModel
from crn_hub.pictures import resize_picture, to_pixels
from crn_hub.text import some


class ModelOnRows:
    """The images that a model makes from the layouts of some rows.

    Args:
        name: the model's name in reports.
        folder: its folder, which need not exist if it came from the Hub; None for the model in the box.
        model: the network.
        data: the rows at the model's size, with the classes of the evaluation.
        size: (height, width) of the photographs.
    """

    def __init__(self, name: str, folder: Path | None, model: HubModel, data: PairDataset, size: tuple[int, int]):
        self.name, self.folder, self.model, self.data, self.size = name, folder, model, data, size
        self.data_as_shown = data.at_size(size)
        self.key = fingerprint(model, model.config)
        self.translation = data.classes.translation_to(model.classes)
        self.known = data.classes.matches_in(model.classes)[: len(data.classes)] != UNLABELLED  # as classes of its own
        found = self.translation[: len(data.classes)] != UNLABELLED
        self.unknown = [name for name, known in zip(data.classes.names, found, strict=True) if not known]
        if not found.any():
            raise ValueError(f"{name}: it knows none of the classes of the data ({some(data.classes.names)}).")

    def ids(self, index: int) -> np.ndarray:
        """uint8 (H, W): what its images of a row should show, in the classes of the evaluation."""
        return self.data_as_shown[index]["ids"].numpy()

    @torch.inference_mode()
    def images(self, index: int) -> np.ndarray:
        """uint8 (K, H, W, 3): what `HubModel.synthesize` makes of the layout of a row."""
        ids = torch.from_numpy(self.translation[self.data[index]["ids"].numpy()])
        outputs = to_pixels(self.model(ids[None].to(next(self.model.parameters()).device))[0])
        return np.stack([np.asarray(resize_picture(Image.fromarray(output), self.size)) for output in outputs])


class Photographs:
    """Recorded photographs in place of a model's images: of the same rows, or of as many other ones.

    Args:
        name: their name in the progress bar.
        data: the rows, at the size of the evaluation.
    """

    def __init__(self, name: str, data: PairDataset):
        self.name, self.data = name, data
        self.key = hashlib.sha256(name.encode()).hexdigest()[:16]

    def images(self, index: int) -> np.ndarray:
        """uint8 (1, H, W, 3): the photograph of a row."""
        return to_pixels(self.data[index]["photograph"])[None]

    def ids(self, index: int) -> np.ndarray:
        """uint8 (H, W): what that photograph shows."""
        return self.data[index]["ids"].numpy()


PictureSource = ModelOnRows | Photographs


def chosen_image(index: int, num_images: int) -> int:
    """Which of a model's k images of a row is measured: one per row, taking the k images in turn."""
    return index % num_images
