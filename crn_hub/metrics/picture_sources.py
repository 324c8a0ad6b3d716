"""Whose pictures an evaluation measures: those of models, and recorded photographs in their place."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from crn_hub.classes import UNLABELLED
from crn_hub.data import PairDataset, sources_of
from crn_hub.fingerprint import fingerprint
from crn_hub.networks import CRN, HubModel
from crn_hub.pictures import to_pixels
from crn_hub.text import some


class ModelOnRows:
    """The images that a model makes from the layouts of some rows.

    A model with styles makes those of each row in one of them, drawn by the row's number with the frequency that it has
    among the training photographs of the row's source, and with that number as seed.

    Args:
        name: the model's name in reports.
        folder: its folder, which need not exist if it came from the Hub; None for the model in the box.
        model: the network.
        data: the rows at the model's size, with the classes of the evaluation.
        size: (height, width) of the photographs.
        own_colors: whether regions have the colours of the recorded photographs instead.
    """

    def __init__(
        self,
        name: str,
        folder: Path | None,
        model: HubModel,
        data: PairDataset,
        size: tuple[int, int],
        own_colors: bool = False,
    ):
        self.name, self.folder, self.model, self.data, self.size = name, folder, model, data, size
        self.own_colors = own_colors
        self.data_as_shown = data.at_size(size)
        self.sources = sources_of(data.rows)
        self.key = fingerprint(model, [model.config, "own colours"] if own_colors else model.config)
        self.translation = data.classes.translation_to(model.classes)
        self.known = data.classes.matches_in(model.classes)[: len(data.classes)] != UNLABELLED  # as classes of its own
        found = self.translation[: len(data.classes)] != UNLABELLED
        self.unknown = [name for name, known in zip(data.classes.names, found, strict=True) if not known]
        if not found.any():
            raise ValueError(f"{name}: it knows none of the classes of the data ({some(data.classes.names)}).")

    def ids(self, index: int) -> np.ndarray:
        """uint8 (H, W): what its images of a row should show, in the classes of the evaluation."""
        return self.data_as_shown[index]["ids"].numpy()

    def images(self, index: int) -> np.ndarray:
        """uint8 (K, H, W, 3): what `HubModel.synthesize` makes of the layout of a row."""
        pair, chosen = self.data[index], self.style_and_seed(index)
        if self.own_colors and isinstance(self.model, CRN):
            chosen["colors"] = to_pixels(pair["photograph"])
        images = self.model.synthesize(self.translation[pair["ids"].numpy()], size=self.size, **chosen)
        return np.stack([np.asarray(image) for image in images])

    def style_and_seed(self, index: int) -> dict[str, Any]:
        """Those of a row's images; of the two only what the network takes, as it refuses what would change nothing."""
        model, row = self.model, int(self.data.used[index])
        chosen: dict[str, Any] = {}
        if isinstance(model, CRN):
            if model.styles and not self.own_colors:
                chosen["style"] = self._style(model, row)
            if model.noise_planes or "style" in chosen:
                chosen["seed"] = row
        return chosen

    def _style(self, model: CRN, row: int) -> int:
        """The number of the style in which a row is shown."""
        of_source = [style.photographs.get(self.sources[row], 0) for style in model.styles]
        of_all = [sum(style.photographs.values()) for style in model.styles]
        found = next((counts for counts in (of_source, of_all) if sum(counts)), [1] * len(model.styles))
        counts = np.array(found, float)
        return int(np.random.default_rng(row).choice(len(counts), p=counts / counts.sum()))


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
