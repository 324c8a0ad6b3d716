"""How far the texture of each class is from that of photographs, wherever in a picture it is.

A texture is the distribution of a network's features within the regions of a class, over all pictures of a set. Two of
them are compared by the sliced Wasserstein distance: features are projected on random directions, and the distance of
the projections is that of their sorted values (Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for
neural texture synthesis", CVPR 2021). Of each picture only quantiles of the projections are kept.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.classes import ClassSet
from crn_hub.losses import class_masks
from crn_hub.metrics.joining import regions
from crn_hub.segmentation import Segmenter

DIRECTIONS, QUANTILES = 16, 16
FEWEST = 8  # places in a layer; a smaller region has no texture there


@torch.inference_mode()
def texture_quantiles(segmenter: Segmenter, pixels: Tensor, ids: np.ndarray, classes: ClassSet) -> np.ndarray:
    """The textures of one picture: float32 (layers, regions, directions, quantiles), nan for regions without one.

    Args:
        segmenter: the network whose features are taken; no loss uses it.
        pixels: uint8 (1, 3, H, W).
        ids: what the picture shows, uint8 (H, W).
        classes: of the ids; each of their `regions` is described by itself.
    """
    maps = segmenter.feature_maps(pixels.float())
    masks = class_masks(torch.from_numpy(ids)[None].to(pixels.device), len(classes), maps)
    middles = (torch.arange(QUANTILES, device=pixels.device) + 0.5) / QUANTILES
    places = regions(classes)
    found = torch.full((len(maps), len(places), DIRECTIONS, QUANTILES), torch.nan)
    for layer, (features, mask) in enumerate(zip(maps, masks, strict=True)):
        projected = torch.einsum("dc,chw->dhw", _directions(layer, features), features[0])
        for region, kinds in enumerate(places):
            inside = mask[0, kinds].sum(dim=0) > 0.5
            if int(inside.sum()) >= FEWEST:
                found[layer, region] = torch.quantile(projected[:, inside], middles, dim=1).T.cpu()
    return found.numpy()


def _directions(layer: int, features: Tensor) -> Tensor:
    """(D, C): unit vectors, the same for a layer every time."""
    generator = torch.Generator().manual_seed(layer)
    return F.normalize(torch.randn(DIRECTIONS, features.shape[1], generator=generator), dim=1).to(features)


def compare_textures(
    given: np.ndarray,
    real: np.ndarray,
    pixels: tuple[np.ndarray, np.ndarray],
    drawn: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """How far the textures of some pictures are from those of photographs.

    1 is how far the first half of the photographs is from the second, which shows other places.

    Args:
        given, real: quantiles of the features of N pictures (N, layers, n + 1, directions, quantiles) and M
            photographs (M, ...).
        pixels: how many pixels of each class the pictures have (N, n + 1), and the photographs (M, n + 1).
        drawn: how often each picture counts (S, N), and each photograph (S, M), in S comparisons; by default once.

    Returns:
        Over all classes (S,), and of each class in the first comparison (n + 1,); means over the layers, nan for
        classes that are not in both sets, or in only one half of the photographs.
    """
    often, often_real = drawn or (np.ones((1, len(given))), np.ones((1, len(real))))
    apart = _distances(given, real, often, often_real, pixels)
    first, second = (np.arange(len(real)) < len(real) // 2)[None], (np.arange(len(real)) >= len(real) // 2)[None]
    unit = _distances(real, real, first, second, (pixels[1], pixels[1]))[0]
    known = np.isfinite(unit) & (unit > 0)
    share = np.where(known, pixels[1].sum(axis=0), 0)  # (layers, n + 1)
    counted = np.where(np.isfinite(apart), share, 0)
    wanted = (np.nan_to_num(unit) * counted).sum(axis=2)
    over_all = np.nansum(apart * counted, axis=2) / np.where(wanted > 0, wanted, np.nan)
    return _mean_of_layers(over_all.T), _mean_of_layers(apart[0] / np.where(known, unit, np.nan))


def _mean_of_layers(values: np.ndarray) -> np.ndarray:
    """(layers, ...) -> the mean of those that are known (...); nan where none is."""
    known = np.isfinite(values).sum(axis=0)
    return np.nansum(values, axis=0) / np.where(known > 0, known, np.nan)


def _distances(
    one: np.ndarray,
    other: np.ndarray,
    one_drawn: np.ndarray,
    other_drawn: np.ndarray,
    pixels: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """(S, layers, n + 1): distances between two sets of pictures, in units of the features; nan if one lacks a class.

    A picture counts in the texture of a class by its pixels of it, and as often as it is drawn (S, N).
    """
    both = np.concatenate([one, other])
    found = np.full((len(one_drawn), *both.shape[1:3]), np.nan)
    for layer, kind in np.ndindex(*both.shape[1:3]):
        there = ~np.isnan(both[:, layer, kind, 0, 0])
        weights = [drawn * count[:, kind] for drawn, count in zip((one_drawn, other_drawn), pixels, strict=True)]
        weights = [w * t for w, t in zip(weights, np.split(there, [len(one)]), strict=True)]
        totals = [w.sum(axis=1, keepdims=True) for w in weights]
        known = (totals[0] > 0).ravel() & (totals[1] > 0).ravel()
        if known.any():
            first, second = (w[known] / t[known] for w, t in zip(weights, totals, strict=True))
            shares = np.concatenate([first, -second], axis=1)[:, there].astype(np.float32)
            found[known, layer, kind] = _wasserstein(both[there, layer, kind], shares)
    return found


def _wasserstein(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(S,): the Wasserstein-1 distances of two distributions, the mean over the directions.

    Args:
        values: (P, D, Q), quantiles of each picture of both sets.
        shares: (S, P), the share of each picture in the distribution of its set, negative for the second set.
    """
    _, directions, quantiles = values.shape
    distances = np.zeros(len(shares))
    for direction in range(directions):
        flat = values[:, direction].ravel()
        order = np.argsort(flat)
        apart = np.cumsum(shares[:, order // quantiles], axis=1)[:, :-1] / quantiles  # of the distribution functions
        distances += np.abs(apart) @ np.diff(flat[order])
    return distances / directions
