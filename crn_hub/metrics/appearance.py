"""What fog, grain and wrong colours change in a picture: contrast in octave bands, colourfulness, brightness.

Everything is computed from sums over the pixels of each class, so classes, rows and both can be added up later.
Colourfulness is that of Hasler and Süsstrunk, "Measuring colourfulness in natural images", SPIE 2003.
"""

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter

SCALES = (1, 2, 4, 8, 16)  # the coarse end of each band: sigma in pixels of a picture that is 256 high
HEIGHT = 256
SIGNALS = (*(f"contrast_{scale}" for scale in SCALES), "red_green", "yellow_blue", "luma")
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
COLOURFULNESS_OF_MEAN = 0.3  # the weight of the mean colour beside its spread, as published


def sums_of_signals(pixels: np.ndarray, ids: np.ndarray, num_classes: int) -> np.ndarray:
    """Sums over the pixels of each class, float64 (n + 1, 1 + 2 * signals), unlabelled last.

    In each row the number of pixels, then the sum of each of `SIGNALS`, then the sums of their squares.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        ids: uint8 (H, W), 0..n-1 and 255.
    """
    kinds = np.minimum(ids, num_classes).ravel()
    signals = [signal.ravel() for signal in _signals(pixels)]
    columns = [None, *signals, *(signal**2 for signal in signals)]
    return np.stack([np.bincount(kinds, weights, num_classes + 1) for weights in columns], axis=1)


def _signals(pixels: np.ndarray) -> list[np.ndarray]:
    """Each of `SIGNALS` (H, W), on the 0..255 scale: differences of Gaussians of the luma, opponent colours, luma."""
    red, green, blue = np.moveaxis(pixels.astype(np.float64), -1, 0)
    luma = pixels @ LUMA
    blurred = [luma, *(gaussian_filter(luma, scale * len(luma) / HEIGHT, mode="reflect") for scale in SCALES)]
    bands = [fine - coarse for fine, coarse in pairwise(blurred)]
    return [*bands, red - green, (red + green) / 2 - blue, luma]


def contrasts(sums: np.ndarray) -> np.ndarray:
    """Sums (..., 1 + 2 * signals) -> the deviation within each band (..., bands), 0..255; nan without pixels."""
    return _deviations(sums)[..., : len(SCALES)]


def colourfulness(sums: np.ndarray) -> np.ndarray:
    """Sums (..., 1 + 2 * signals) -> colourfulness (...), 0 for grey, above 100 for garish; nan without pixels."""
    place = slice(len(SCALES), len(SCALES) + 2)
    spread = np.hypot(*np.moveaxis(_deviations(sums)[..., place], -1, 0))
    return spread + COLOURFULNESS_OF_MEAN * np.hypot(*np.moveaxis(_means(sums)[..., place], -1, 0))


def brightness(sums: np.ndarray) -> np.ndarray:
    """Sums (..., 1 + 2 * signals) -> the mean luma (...), 0..255; nan without pixels."""
    return _means(sums)[..., -1]


def _means(sums: np.ndarray) -> np.ndarray:
    count = np.where(sums[..., :1] > 0, sums[..., :1], np.nan)
    return sums[..., 1 : 1 + len(SIGNALS)] / count


def _deviations(sums: np.ndarray) -> np.ndarray:
    count = np.where(sums[..., :1] > 0, sums[..., :1], np.nan)
    return np.sqrt(np.maximum(sums[..., 1 + len(SIGNALS) :] / count - _means(sums) ** 2, 0))
