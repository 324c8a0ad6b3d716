"""Measurements of rows -> the measures of a model, each with an interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from crn_hub.metrics.appearance import SCALES, brightness, colourfulness, contrasts
from crn_hub.metrics.distributions import Resampling, frechet_distance, kernel_distance
from crn_hub.metrics.joining import Joining
from crn_hub.metrics.meter import RowMeasurements
from crn_hub.metrics.texture import compare_textures
from crn_hub.segmentation.agreement import class_iou, pixel_accuracy

RESAMPLES = 200
WITHIN = 1.96  # standard deviations: 95 % of a normal distribution
MOST_RESAMPLED = 1000  # rows; with more, each resample of the Fréchet distance would take seconds


class Measure(NamedTuple):
    """One of the measures.

    Attributes:
        key: its name in JSON and CSV.
        title: its name in tables, with {features} for the name of the feature network.
        better: "lower", "higher", or "alike" for ratios to the photographs', which are best at 1.
        network: the network that it uses: "inception", "alexnet", "segmenter", "perceptual", or "" for none.
        hub: its name on the Hub.
    """

    key: str
    title: str
    better: str
    network: str
    hub: str


MEASURES = (
    Measure("fid", "FID", "lower", "inception", "fid"),
    Measure("kid", "KID", "lower", "inception", "kid"),
    Measure("frechet_segmenter", "Fréchet distance, segmenter", "lower", "segmenter", "frechet_distance"),
    Measure("kernel_segmenter", "kernel distance, segmenter", "lower", "segmenter", "kernel_distance"),
    Measure("frechet_perceptual", "Fréchet distance, {features}", "lower", "perceptual", "frechet_distance"),
    Measure("kernel_perceptual", "kernel distance, {features}", "lower", "perceptual", "kernel_distance"),
    Measure("miou", "mIoU", "higher", "segmenter", "mean_iou"),
    Measure("pixel_accuracy", "pixel accuracy", "higher", "segmenter", "accuracy"),
    Measure("contrast_1", "contrast of details, below 1 pixel", "alike", "", "contrast_ratio"),
    *(
        Measure(f"contrast_{to}", f"contrast of details, {of} to {to} pixels", "alike", "", "contrast_ratio")
        for of, to in pairwise(SCALES)
    ),
    Measure("colourfulness", "colourfulness", "alike", "", "colourfulness_ratio"),
    Measure("brightness", "brightness", "alike", "", "brightness_ratio"),
    Measure("texture", "texture distance, segmenter", "lower", "segmenter", "texture_distance"),
    Measure("perceptual", "perceptual distance, {features}", "lower", "perceptual", "perceptual_distance"),
    Measure("lpips", "LPIPS", "lower", "alexnet", "lpips"),
    Measure("ssim", "SSIM", "higher", "", "ssim"),
    Measure("psnr", "PSNR, dB", "higher", "", "psnr"),
    Measure("diversity", "distance between the k images, {features}", "higher", "perceptual", "perceptual_diversity"),
    Measure("lpips_diversity", "LPIPS between the k images", "higher", "alexnet", "lpips_diversity"),
)
POSSIBLE = {  # the range of a measure, if it is not 0 to infinity
    "kid": (-np.inf, np.inf),
    "kernel_segmenter": (-np.inf, np.inf),
    "kernel_perceptual": (-np.inf, np.inf),
    "miou": (0.0, 1.0),
    "pixel_accuracy": (0.0, 1.0),
    "ssim": (-1.0, 1.0),
    "psnr": (-np.inf, np.inf),
}
DISTANCES = {  # features -> the Fréchet distance and the kernel distance that they give
    "features_inception": ("fid", "kid"),
    "features_segmenter": ("frechet_segmenter", "kernel_segmenter"),
    "features_perceptual": ("frechet_perceptual", "kernel_perceptual"),
}


@dataclass(frozen=True)
class Value:
    """A measure's value and its 95 % interval, None if there is none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Summary:
    """The measures of one model.

    Attributes:
        measures: by the keys of `MEASURES`, without those that were not measured.
        of_classes: the measures over the pixels of each class (n + 1,), unlabelled last, without those that were not
            measured: "iou", and by the keys of `MEASURES` "perceptual", "texture" and all ratios; nan for classes
            without pixels and those that count as others.
        row_perceptual: (N,) the perceptual distance of each row.
    """

    measures: dict[str, Value]
    of_classes: dict[str, np.ndarray]
    row_perceptual: np.ndarray


def summarise(measurements: Sequence[RowMeasurements], real: Sequence[RowMeasurements], joining: Joining) -> Summary:
    """The measures of a model, and their intervals.

    An interval is the value plus and minus 1.96 standard deviations over 200 resamples of the rows, drawn with
    replacement, limited to possible values. All models have the same resamples.

    Args:
        measurements: of each row, with a model's images.
        real: of the same rows, with the recorded photographs themselves.
        joining: which classes count as one.
    """
    stacked, photographs = _stack(measurements, joining), _stack(real, joining)
    count = len(measurements)
    draws = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    everything = np.arange(count)
    measures: dict[str, Value] = {}

    def add(
        key: str, statistic: Callable[[np.ndarray], float], value: float | None = None, spread: bool = True
    ) -> None:
        value = statistic(everything) if value is None else value
        spread = spread and np.isfinite(value)  # PSNR of a photograph with itself is infinite
        measures[key] = _with_interval(key, value, [statistic(rows) for rows in draws] if spread else [])

    for features, (frechet, kernel) in DISTANCES.items():
        if features in stacked:
            of_photographs, given = photographs[features], stacked[features]
            resampling = Resampling(of_photographs, given)
            add(frechet, resampling.frechet, frechet_distance(of_photographs, given), spread=count <= MOST_RESAMPLED)
            add(kernel, resampling.kernel, kernel_distance(of_photographs, given))
    of_classes: dict[str, np.ndarray] = {}
    if "counts" in stacked:
        of_classes["iou"] = np.append(class_iou(stacked["counts"].sum(axis=0)), np.nan)
        add("miou", lambda rows: float(np.nanmean(class_iou(stacked["counts"][rows].sum(axis=0)))))
        add("pixel_accuracy", lambda rows: float(pixel_accuracy(stacked["counts"][rows].sum(axis=0))))
    if "signals" in stacked:
        signals = stacked["signals"], photographs["signals"]
        over_all = [sums.sum(axis=1) for sums in signals]
        for key, statistic in RATIOS.items():
            of_classes[key] = _ratio(statistic, *signals)
            add(key, partial(_ratio_of_rows, statistic, *over_all))
    if "texture" in stacked:
        pixels = stacked["signals"][..., 0], photographs["signals"][..., 0]
        drawn = np.stack([np.bincount(rows, minlength=count) for rows in (everything, *draws)])
        drawn = drawn[: 1 if count > MOST_RESAMPLED else None]
        (value, *others), of_classes["texture"] = compare_textures(
            stacked["texture"], photographs["texture"], pixels, (drawn, drawn)
        )
        measures["texture"] = _with_interval("texture", float(value), others)
    of_rows = stacked["perceptual"].sum(axis=1)
    for key in ("lpips", "ssim", "psnr", "diversity", "lpips_diversity"):
        if key in stacked:
            add(key, partial(_mean, stacked[key]))
    add("perceptual", partial(_mean, of_rows))

    share = stacked["share"].sum(axis=0)
    errors = stacked["perceptual"].sum(axis=0)
    of_classes["perceptual"] = np.divide(errors, share, out=np.full(len(share), np.nan), where=share > 0)
    return Summary(
        {measure.key: measures[measure.key] for measure in MEASURES if measure.key in measures}, of_classes, of_rows
    )


def _with_interval(key: str, value: float, resampled: Sequence[float]) -> Value:
    """A measure with the interval that its values for the resamples give; without one if there are none."""
    if not len(resampled):
        return Value(value, None, None)
    low, high = POSSIBLE.get(key, (0.0, np.inf))
    deviation = float(np.nanstd(resampled))
    return Value(value, max(value - WITHIN * deviation, low), min(value + WITHIN * deviation, high))


def _stack(rows: Sequence[RowMeasurements], joining: Joining) -> dict[str, np.ndarray]:
    """The measurements of all rows (N, ...) by name, with joined classes as one."""
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    for name, axes in (("perceptual", [1]), ("share", [1]), ("signals", [1]), ("counts", [1, 2])):
        for axis in axes if name in stacked else ():
            stacked[name] = joining.add_up(stacked[name], axis)
    if "texture" in stacked:
        stacked["texture"] = stacked["texture"][:, :, joining.region]
    return stacked


def _contrast(band: int, sums: np.ndarray) -> np.ndarray:
    """Sums of signals (N, ..., signals) -> the contrast within a band over the pixels of all rows (...)."""
    return contrasts(sums.sum(axis=0))[..., band]


def _colourfulness(sums: np.ndarray) -> np.ndarray:
    """Sums of signals (N, ..., signals) -> the mean colourfulness of the rows (...), weighted by their pixels."""
    return _weighted_mean(colourfulness(sums), sums[..., 0], axis=0)


def _brightness(sums: np.ndarray) -> np.ndarray:
    """Sums of signals (N, ..., signals) -> the brightness over the pixels of all rows (...)."""
    return brightness(sums.sum(axis=0))


RATIOS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # key -> what is divided by that of the photographs
    **{f"contrast_{scale}": partial(_contrast, band) for band, scale in enumerate(SCALES)},
    "colourfulness": _colourfulness,
    "brightness": _brightness,
}


def _ratio(statistic: Callable[[np.ndarray], np.ndarray], given: np.ndarray, real: np.ndarray) -> np.ndarray:
    """A statistic of sums of signals, divided by that of the photographs; nan where that is 0, or without pixels."""
    of_photographs = statistic(real)
    return statistic(given) / np.where(of_photographs > 0, of_photographs, np.nan)


def _ratio_of_rows(
    statistic: Callable[[np.ndarray], np.ndarray], given: np.ndarray, real: np.ndarray, rows: np.ndarray
) -> float:
    return float(_ratio(statistic, given[rows], real[rows]))


def _weighted_mean(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """The mean along an axis, without the values that are nan; nan if there are no others."""
    weights = np.where(np.isnan(values), 0, weights)
    total = weights.sum(axis=axis)
    return np.nansum(values * weights, axis=axis) / np.where(total > 0, total, np.nan)


def _mean(values: np.ndarray, rows: np.ndarray) -> float:
    return float(values[rows].mean())
