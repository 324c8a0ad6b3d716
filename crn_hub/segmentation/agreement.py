"""How well two label maps agree: intersection over union of each class, and pixel accuracy.

The measures of the Cityscapes benchmark (Cordts et al., CVPR 2016, section 4.1), from counts that are summed over
pictures.
"""

import numpy as np

from crn_hub.classes import UNLABELLED


def count_pixels(found: np.ndarray, wanted: np.ndarray, num_classes: int) -> np.ndarray:
    """int64 (3, n): for each class the number of pixels that have it in both maps, in `found`, and in `wanted`.

    Pixels that are unlabelled in `wanted` are ignored. Ids are uint8 (H, W); 255 in `found` is an error.
    """
    labelled = wanted != UNLABELLED
    found, wanted = found[labelled], wanted[labelled]
    return np.stack([np.bincount(ids, minlength=256)[:num_classes] for ids in (found[found == wanted], found, wanted)])


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Counts (..., 3, n) -> intersection over union (..., n), 0..1; nan for classes without a wanted pixel."""
    both, found, wanted = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    return np.where(wanted > 0, both / np.maximum(found + wanted - both, 1), np.nan)


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Counts (..., 3, n) -> the share of labelled pixels with the right class (...), 0..1; nan without such pixels."""
    right, wanted = counts[..., 0, :].sum(axis=-1), counts[..., 2, :].sum(axis=-1)
    return np.where(wanted > 0, right / np.maximum(wanted, 1), np.nan)
