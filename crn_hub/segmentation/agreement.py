"""How well two label maps agree: intersection over union of each class, and pixel accuracy.

The measures of the Cityscapes benchmark (Cordts et al., CVPR 2016, section 4.1), from counts that are summed over
pictures.
"""

import numpy as np

from crn_hub.classes import UNLABELLED


def count_pixels(found: np.ndarray, wanted: np.ndarray, num_classes: int) -> np.ndarray:
    """int64 (n, n + 1): how many pixels of each class in `wanted` (rows) have each class in `found` (columns).

    Pixels that are unlabelled in `wanted` are ignored; those of no class in `found` are in the last column. Both are
    ids, uint8 (H, W).
    """
    n, labelled = num_classes, wanted != UNLABELLED
    columns = np.minimum(found[labelled].astype(np.int64), n)
    return np.bincount(wanted[labelled] * (n + 1) + columns, minlength=n * (n + 1)).reshape(n, n + 1)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Counts (..., n, n + 1) -> intersection over union (..., n), 0..1; nan for classes without a wanted pixel."""
    both = np.diagonal(counts, axis1=-2, axis2=-1)
    found, wanted = counts.sum(axis=-2)[..., :-1], counts.sum(axis=-1)
    return np.where(wanted > 0, both / np.maximum(found + wanted - both, 1), np.nan)


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Counts (..., n, n + 1) -> the share of labelled pixels with the right class (...), 0..1; nan without any."""
    right, wanted = np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1))
    return np.where(wanted > 0, right / np.maximum(wanted, 1), np.nan)
