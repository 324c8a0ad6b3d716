"""Rows of photograph and label map -> tensors of the network's size: checks, cropping, resizing, augmentation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from crn_hub.classes import UNLABELLED, ClassSet, LayoutError, is_in_colors, read_layout


class PairDataset(Dataset[dict[str, Tensor]]):
    """Rows -> tensors of the network's size.

    The largest part of the network's aspect is cut out of each row (a random one in training, else the middle) and
    resized: photographs with antialiasing, labels by nearest neighbour. What is random depends on (seed, epoch, row)
    only, so neither the order of rows nor the number of processes changes it.

    Args:
        rows: a sequence of {image_column: PIL image, label_column: PIL image or array}.
        classes: the class set of the labels; the label n is read as unlabelled too, as many data sets write it.
        size: (height, width) in pixels.
        seed: of the augmentation; None for none of it.
        random_flip: mirror every other pair.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        classes: ClassSet,
        size: tuple[int, int],
        image_column: str = "image",
        label_column: str = "label",
        seed: int | None = None,
        random_flip: bool = False,
    ):
        self.rows, self.classes, self.size = rows, classes, size
        self.image_column, self.label_column = image_column, label_column
        self.seed, self.random_flip = seed, random_flip
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the augmentation of the epoch; accelerate's data loader calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """{"photograph": float32 (3, H, W), -1..1; "ids": uint8 (H, W)}.

        Raises:
            LayoutError: naming the row and what is wrong with it.
        """
        source = f"row {index}"
        try:
            row = self.rows[index]
        except (OSError, SyntaxError) as error:
            raise LayoutError(f"{source}: not readable ({error}).") from error
        photograph, label = row[self.image_column], row[self.label_column]
        if not isinstance(photograph, Image.Image):
            raise LayoutError(f"{source}: column {self.image_column} holds {type(photograph).__name__}, not an image.")
        if photograph.mode not in ("RGB", "RGBA", "L", "P"):
            raise LayoutError(
                f"{source}: a photograph of mode {photograph.mode} cannot be used; right are 8 bits per channel."
            )
        ids = self._ids(label, f"{source}, column {self.label_column}")
        if (photograph.height, photograph.width) != ids.shape:
            raise LayoutError(
                f"{source}: the photograph has {photograph.width} x {photograph.height} pixels, "
                f"its label {ids.shape[1]} x {ids.shape[0]}; they must agree."
            )
        across, down, flip = 0.5, 0.5, False
        if self.seed is not None:
            draws = np.random.default_rng((self.seed, self.epoch, index)).random(3)
            across, down, flip = draws[0], draws[1], self.random_flip and draws[2] < 0.5
        box = _box_of_aspect(photograph.size, self.size, across, down)
        height, width = self.size
        pixels = np.array(photograph.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, box=box))
        ids = np.array(Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST, box=box))
        if flip:
            pixels, ids = pixels[:, ::-1].copy(), ids[:, ::-1].copy()
        tensor = torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1
        return {"photograph": tensor.contiguous(), "ids": torch.from_numpy(ids)}

    def _ids(self, label: Any, source: str) -> np.ndarray:
        if isinstance(label, Image.Image) and is_in_colors(label, self.classes):  # no preset: a data set says its own
            return read_layout(label, self.classes, layout_classes=self.classes, source=source).ids
        ids = np.array(label)
        if ids.dtype != object and np.issubdtype(ids.dtype, np.integer):
            ids = np.where(ids == len(self.classes), UNLABELLED, ids)
        return self.classes.check_ids(ids, source)


def _box_of_aspect(
    size: tuple[int, int], wanted: tuple[int, int], across: float, down: float
) -> tuple[float, float, float, float]:
    """The largest (left, top, right, bottom) in `size` (width, height) with the aspect of `wanted` (height, width)."""
    width, height = size
    box_width = min(width, height * wanted[1] / wanted[0])
    box_height = min(height, width * wanted[0] / wanted[1])
    left, top = across * (width - box_width), down * (height - box_height)
    return left, top, left + box_width, top + box_height
