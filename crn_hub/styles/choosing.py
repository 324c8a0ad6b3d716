"""The styles of a model: a few of its training photographs, spread over all of them."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crn_hub.styles.style import Style

COUNT = 6
MISSING = 50  # a class that a photograph lacks counts as one that is off by so much, in 0..255
BRIGHTNESS = (
    (70, "dark"),
    (100, "dim"),
    (135, "soft"),
    (256, "bright"),
)  # mean of RGB below which a style is called so
TINT = 10  # by how much red and blue must differ


def choose_styles(
    photographs: Sequence[Style], sources: Sequence[str], kinds: Sequence[int], count: int = COUNT
) -> tuple[Style, ...]:
    """At most `count` styles, each of one photograph: one for each cluster of them, that of the largest first.

    Args:
        photographs: the style of each photograph.
        sources: where each comes from.
        kinds: the ids that every style must have; what its photograph lacks comes from one like it (`Style.completed`),
            and a class that none has is grey.
        count: how many.
    """
    means = _means(photographs, kinds)
    apart = _distances(means)
    middles = [_most_usual(means, inside) for inside in _clusters(apart, count)]
    sizes = np.bincount(apart[:, middles].argmin(axis=1), minlength=len(middles))
    chosen = [middles[cluster] for cluster in np.argsort(-sizes, kind="stable")]
    return styles_of(photographs, sources, kinds, chosen)


def styles_of(
    photographs: Sequence[Style],
    sources: Sequence[str],
    kinds: Sequence[int],
    chosen: Sequence[int],
    names: Sequence[str] | None = None,
) -> tuple[Style, ...]:
    """The styles of some photographs, with how many others are most like each (see `choose_styles`).

    Args:
        photographs, sources, kinds: as above.
        chosen: which photographs, the default first.
        names: of the styles; by default what one sees.
    """
    nearest = _distances(_means(photographs, kinds))[:, chosen].argmin(axis=1)
    grey = Style("", {kind: (((128, 128, 128), 1.0),) for kind in kinds})
    styles = [photographs[index].completed(photographs, kinds).completed([grey], kinds) for index in chosen]
    counts = [
        Counter(source for source, of in zip(sources, nearest, strict=True) if of == n) for n in range(len(chosen))
    ]
    names = names or _numbered([_describe(style) for style in styles])
    return tuple(
        replace(style, name=name, photographs=dict(sorted(count.items())))
        for style, name, count in zip(styles, names, counts, strict=True)
    )


def _means(photographs: Sequence[Style], kinds: Sequence[int]) -> np.ndarray:
    """(N, kinds, 3): the mean colour of each class, NaN for those that a photograph lacks."""
    means = np.full((len(photographs), len(kinds), 3), np.nan)
    for row, style in enumerate(photographs):
        for column, kind in enumerate(kinds):
            if kind in style.colors:
                means[row, column] = style.mean(kind)
    return means


def _distances(means: np.ndarray) -> np.ndarray:
    """(N, N): `Style.unlike` for all pairs; the largest possible distance for two that have nothing in common."""
    squares = np.square(means[:, None] - means[None])
    count = np.isfinite(squares).sum(axis=(2, 3))
    return np.where(count > 0, np.sqrt(np.nansum(squares, axis=(2, 3)) / np.maximum(count, 1)), 255.0)


def _clusters(apart: np.ndarray, count: int) -> list[np.ndarray]:
    """Which photographs each of `count` clusters has, from their distances (N, N)."""
    if len(apart) <= count:
        return [np.array([index]) for index in range(len(apart))]
    from scipy.cluster.hierarchy import fcluster, linkage  # take a while, and only training chooses styles
    from scipy.spatial.distance import squareform

    clusters = fcluster(linkage(squareform(apart, checks=False), "ward"), count, "maxclust")
    return [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]


def _most_usual(means: np.ndarray, inside: np.ndarray) -> int:
    """The photograph of a cluster that has most classes, in the colours that are usual in it."""
    of_cluster = means[inside]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of classes that none has
        usual = np.nanmedian(of_cluster, axis=0)
    off = np.nan_to_num(np.abs(of_cluster - usual).mean(axis=2), nan=MISSING)
    return int(inside[np.square(off).sum(axis=1).argmin()])


def _describe(style: Style) -> str:
    """What one sees: how bright it is, and its tint."""
    red, green, blue = np.mean([style.mean(kind) for kind in style.colors], axis=0)
    light = next(name for below, name in BRIGHTNESS if (red + green + blue) / 3 < below)
    return f"{light}, warm" if red - blue > TINT else f"{light}, cool" if blue - red > TINT else light


def _numbered(described: Sequence[str]) -> list[str]:
    """Numbered where several are alike."""
    return [
        name if described.count(name) == 1 else f"{name} {described[: index + 1].count(name)}"
        for index, name in enumerate(described)
    ]
