"""Simplifies label maps of photographs until they look painted: blobs, thickened things, straight-edged areas."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.classes import UNLABELLED

# Ranges as shares of the height: the size of the cells that are averaged, and how far things swell.
CELL, SWELLING = (1 / 32, 1 / 8), (1 / 64, 1 / 32)
POINTS = (40, 160)  # range of the number of points whose Voronoi cells make the polygons
UNLABELLED_WEIGHT = 1e-3  # of a pixel: people leave little unpainted, so nearly any class wins over unlabelled


def simplify(ids: np.ndarray, num_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Simplifies a layout in one of three ways, chosen at random.

    - Smoothed: each pixel gets the class with the largest share after averaging over large cells, so outlines become
      round, and poles and specks disappear.
    - Swollen: a random half of the classes grow over larger ones by a few pixels, as if painted with a thick brush.
    - Polygons: each pixel takes the class of the nearest of some random points (Voronoi cells), so edges are straight.

    Args:
        ids: uint8 (H, W), 0..num_classes-1 or 255.
        num_classes: n.
        rng: the random generator.

    Returns:
        uint8 (H, W), with no other classes than `ids`.
    """
    kind = rng.integers(3)
    if kind == 2:
        return _polygons(ids, int(rng.integers(*POINTS, endpoint=True)), rng)
    channel = torch.from_numpy(np.where(ids == UNLABELLED, num_classes, ids)).long()
    shares = F.one_hot(channel, num_classes + 1).permute(2, 0, 1)[None].float()  # (1, n + 1, H, W)
    shares[:, -1] *= UNLABELLED_WEIGHT
    shares = _smoothed(shares, rng.uniform(*CELL)) if kind == 0 else _swollen(shares, rng.uniform(*SWELLING), rng)
    largest = shares[0].argmax(dim=0).numpy().astype(np.uint8)
    return np.where(largest == num_classes, np.uint8(UNLABELLED), largest)


def _smoothed(shares: Tensor, cell: float) -> Tensor:
    height, width = shares.shape[-2:]
    rows, columns = max(1, round(1 / cell)), max(1, round(width / (cell * height)))
    cells = F.adaptive_avg_pool2d(shares, (min(rows, height), min(columns, width)))
    return F.interpolate(cells, (height, width), mode="bicubic")


def _swollen(shares: Tensor, swelling: float, rng: np.random.Generator) -> Tensor:
    reach = max(1, round(swelling * shares.shape[-2]))
    grown = F.max_pool2d(shares, 2 * reach + 1, stride=1, padding=reach)
    order = (-shares.mean(dim=(0, 2, 3))).argsort().argsort()  # small classes are painted last
    chosen = torch.from_numpy(rng.random(shares.shape[1]) < 0.5)
    chosen[-1] = False
    return torch.where(chosen[:, None, None], grown, shares) * (1 + order)[:, None, None]


def _polygons(ids: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    height, width = ids.shape
    labelled = np.argwhere(ids != UNLABELLED)
    if not len(labelled):
        return ids
    points = labelled[rng.integers(len(labelled), size=count)]  # row, column
    classes = ids[points[:, 0], points[:, 1]]
    rows, columns = np.arange(height), np.arange(width)
    nearest, best = np.zeros((height, width), dtype=np.uint8), np.full((height, width), np.inf)
    for (row, column), own in zip(points, classes, strict=True):
        distance = ((rows - row) ** 2)[:, None] + (columns - column) ** 2
        closer = distance < best
        nearest[closer], best[closer] = own, distance[closer]
    return nearest
