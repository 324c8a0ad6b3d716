"""Photographs -> layouts, by a segmentation network."""

from functools import lru_cache

import numpy as np
import torch

from crn_hub.box import BOX, resolve_segmenter
from crn_hub.classes import ClassSet
from crn_hub.pictures import Photograph, read_photograph
from crn_hub.segmentation.segmenters import Segmenter, load_segmenter

KEPT = 4  # networks


def segment(photograph: Photograph, classes: ClassSet | None = None, segmenter: str = BOX) -> np.ndarray:
    """The layout of a photograph: uint8 (H, W) of its size, ids of `classes`, 255 for none of them.

    Args:
        photograph: path, PIL image or array, uint8 (H, W, 3).
        classes: those of the layout, such as a model's; by default the segmentation network's own.
        segmenter: a folder that `crn train-segmenter` made, a checkpoint on the Hub, or "box" for the network in the
            box, which knows street scenes by day.

    Raises:
        ValueError: if the photograph or the network cannot be read, or none of its labels is one of the classes.
        FileNotFoundError, ConnectionError: if there is no such network, or it cannot be fetched.
    """
    return label_photograph(_loaded(segmenter, classes), photograph)


def label_photograph(network: Segmenter, photograph: Photograph) -> np.ndarray:
    """Ids of the network's classes, uint8 (H, W).

    Raises:
        ValueError: if the photograph cannot be read.
    """
    pixels = torch.from_numpy(read_photograph(photograph).copy()).permute(2, 0, 1)
    with torch.inference_mode():
        ids, _ = network.label(pixels[None].float().to(network.channels.device))
    return ids[0].cpu().numpy()  # type: ignore[no-any-return]


@lru_cache(KEPT)
def _loaded(name: str, classes: ClassSet | None) -> Segmenter:
    return load_segmenter(resolve_segmenter(name), classes)
