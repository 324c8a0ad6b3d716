"""Photographs -> layouts, by a segmentation network."""

import math
from functools import lru_cache

import numpy as np
import torch
from PIL import Image

from crn_hub.box import BOX
from crn_hub.classes import ClassSet
from crn_hub.pictures import Photograph, read_photograph, resize_picture
from crn_hub.segmentation.segmenters import Segmenter, load_segmenter

KEPT = 4  # networks
LARGEST = 2**21  # pixels that are labelled at once, those of a photograph of Cityscapes


def segment(photograph: Photograph, classes: ClassSet | None = None, segmenter: str = BOX) -> np.ndarray:
    """The layout of a photograph: uint8 (H, W) of its size, ids of `classes`, 255 for none of them.

    Args:
        photograph: path, PIL image or array, uint8 (H, W, 3).
        classes: those of the layout, such as a model's; by default the segmentation network's own.
        segmenter: a folder that `crn train-segmenter` made, a checkpoint on the Hub, or "box" for the network in the
            box, which knows street scenes by day.

    Raises:
        TypeError: if the classes are no `ClassSet`.
        ValueError: if the photograph or the network cannot be read, or none of its labels is one of the classes.
        FileNotFoundError, ConnectionError: if there is no such network, or it cannot be fetched.
    """
    if classes is not None and not isinstance(classes, ClassSet):
        raise TypeError(f"classes must be a ClassSet, such as that of a model or ClassSet.load(...), not {classes!r}.")
    return label_photograph(_loaded(segmenter, classes), photograph)


def label_photograph(network: Segmenter, photograph: Photograph) -> np.ndarray:
    """Ids of the network's classes, uint8 (H, W). Photographs of more than `LARGEST` pixels are labelled at a smaller
    size: scores of all classes for each pixel would fill the memory.

    Raises:
        ValueError: if the photograph cannot be read.
    """
    picture = Image.fromarray(read_photograph(photograph))
    shrinking = min(1.0, math.sqrt(LARGEST / (picture.width * picture.height)))
    small = picture
    if shrinking < 1:
        small = resize_picture(
            picture, (max(1, int(picture.height * shrinking)), max(1, int(picture.width * shrinking)))
        )
    pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)
    with torch.inference_mode():
        ids, _ = network.label(pixels[None].float().to(network.channels.device))
    return np.array(Image.fromarray(ids[0].cpu().numpy()).resize(picture.size, Image.Resampling.NEAREST))


@lru_cache(KEPT)
def _loaded(name: str, classes: ClassSet | None) -> Segmenter:
    return load_segmenter(name, classes)
