"""The colours of a layout's regions, as a photograph has them: what a layout itself doesn't say.

A region is what is connected of one class, diagonal neighbours included; what is unlabelled has regions, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

NEIGHBOURS = np.ones((3, 3))  # of a pixel
SMALLEST = 1 / 512  # share of the picture; a smaller region has the mean colour of its class
COARSE_SHARE = 0.25  # of the pairs in training, whose regions all have the mean colours of their classes
JITTER = 0.06  # standard deviation of what is added to the colours in training, on the -1..1 scale


@dataclass(frozen=True)
class Regions:
    """The regions of a layout, R in all; the first ones are whole classes, for what is too small to be one.

    Attributes:
        number: (H, W), of each pixel's region.
        kinds: (R,), the id of each region's class.
        whole: how many of them are whole classes.
    """

    number: np.ndarray
    kinds: np.ndarray
    whole: int


def find_regions(ids: np.ndarray) -> Regions:
    """The regions of a layout, uint8 (H, W), that are large enough to have colours of their own."""
    kinds, of_class = _classes_in(ids)
    part, class_of_part = np.empty(ids.shape, np.intp), np.empty(0, np.intp)  # all parts, large or small
    for index, box in enumerate(ndimage.find_objects(of_class + 1)):
        inside, count = ndimage.label(of_class[box] == index, NEIGHBOURS)
        np.add(inside, len(class_of_part) - 1, out=part[box], where=inside > 0)
        class_of_part = np.append(class_of_part, np.full(count, index))
    is_large = np.bincount(part.ravel()) >= SMALLEST * ids.size
    number_of_part = np.where(is_large, len(kinds) + np.cumsum(is_large) - 1, class_of_part)
    return Regions(number_of_part[part], np.append(kinds, kinds[class_of_part[is_large]]), len(kinds))


def _classes_in(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ids -> those that occur, in order, and for each pixel the number of its own among them."""
    kinds = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
    number = np.zeros(256, np.intp)
    number[kinds] = np.arange(len(kinds))
    return kinds.astype(ids.dtype), number[ids]


def region_colors(pixels: np.ndarray, ids: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """float32 (3, H, W), RGB in -1..1: for each pixel the mean colour of its region.

    In training some are coarser, and all are a little off, so that colours which people choose are nothing new.

    Args:
        pixels: the photograph, uint8 (H, W, 3).
        ids: its label map, uint8 (H, W).
        rng: draws what is coarser and off in training; None for the colours as they are.
    """
    if rng is not None and rng.random() < COARSE_SHARE:
        kinds, number = _classes_in(ids)
        count = len(kinds)
        means = mean_colors(pixels, number, count)
    else:
        regions = find_regions(ids)
        number, count = regions.number, len(regions.kinds)
        means = mean_colors(pixels, number, count)
        # A small region has the mean of its whole class, large regions included.
        of_class = np.searchsorted(regions.kinds[: regions.whole], ids)
        means[: regions.whole] = mean_colors(pixels, of_class, regions.whole)
    colors = means / 127.5 - 1
    if rng is not None:
        colors = np.clip(colors + rng.normal(0, JITTER, colors.shape), -1, 1)
    return np.take(colors.T.astype(np.float32), number, axis=1)


def class_colors(rows: Iterable[tuple[np.ndarray, np.ndarray]], num_classes: int) -> np.ndarray:
    """float32 (n + 1, 3), RGB in -1..1: the mean colour of each class, unlabelled last; grey for one without pixels.

    Args:
        rows: photographs, uint8 (H, W, 3), and their label maps, uint8 (H, W).
    """
    sums, counts = np.zeros((num_classes + 1, 3)), np.zeros(num_classes + 1)
    for pixels, ids in rows:
        kinds = np.minimum(ids, num_classes)
        count = np.bincount(kinds.ravel(), minlength=num_classes + 1)
        sums += mean_colors(pixels, kinds, num_classes + 1) * count[:, None]
        counts += count
    means = np.divide(sums, counts[:, None], out=np.full(sums.shape, 127.5), where=counts[:, None] > 0)
    return (means / 127.5 - 1).astype(np.float32)


def mean_colors(pixels: np.ndarray, number: np.ndarray, count: int) -> np.ndarray:
    """(count, 3): the mean colour of the pixels (H, W, 3) with each number (H, W); 0 without any."""
    number = number.ravel()
    sums = [np.bincount(number, pixels[..., channel].ravel(), count) for channel in range(3)]
    return np.stack(sums, axis=1) / np.maximum(np.bincount(number, minlength=count), 1)[:, None]
