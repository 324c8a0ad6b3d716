"""Measurements of rows -> the measures of a model, each with an interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from crn_hub.metrics.distributions import Resampling, frechet_distance, kernel_distance
from crn_hub.metrics.meter import RowMeasurements
from crn_hub.segmentation.agreement import class_iou, pixel_accuracy

RESAMPLES = 200
WITHIN = 1.96  # standard deviations: 95 % of a normal distribution
MOST_RESAMPLED = 1000  # rows; with more, each resample of the Fréchet distance would take seconds


class Measure(NamedTuple):
    """One of the measures.

    Attributes:
        key: its name in JSON and CSV.
        title: its name in tables, with {features} for the name of the feature network.
        better: "lower" or "higher".
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
        class_iou: (n,) 0..1, nan for classes without a labelled pixel; None if not measured.
        class_perceptual: (n + 1,) the perceptual distance over the pixels of each class, unlabelled last; nan for
            classes without pixels.
        row_perceptual: (N,) the perceptual distance of each row.
    """

    measures: dict[str, Value]
    class_iou: np.ndarray | None
    class_perceptual: np.ndarray
    row_perceptual: np.ndarray


def summarise(measurements: Sequence[RowMeasurements], real: Sequence[RowMeasurements]) -> Summary:
    """The measures of a model, and their intervals.

    An interval is the value plus and minus 1.96 standard deviations over 200 resamples of the rows, drawn with
    replacement, limited to possible values. All models have the same resamples.

    Args:
        measurements: of each row, with a model's images.
        real: of the same rows, with the recorded photographs themselves.
    """
    stacked = {name: np.stack([row[name] for row in measurements]) for name in measurements[0]}
    count = len(measurements)
    draws = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    everything = np.arange(count)
    measures: dict[str, Value] = {}

    def add(
        key: str, statistic: Callable[[np.ndarray], float], value: float | None = None, spread: bool = True
    ) -> None:
        value = statistic(everything) if value is None else value
        spread = spread and np.isfinite(value)  # PSNR of a photograph with itself is infinite
        deviation = float(np.nanstd([statistic(rows) for rows in draws])) if spread else None
        if deviation is None:
            measures[key] = Value(value, None, None)
        else:
            low, high = POSSIBLE.get(key, (0.0, np.inf))
            ends = value - WITHIN * deviation, value + WITHIN * deviation
            measures[key] = Value(value, max(ends[0], low), min(ends[1], high))

    for features, (frechet, kernel) in DISTANCES.items():
        if features in stacked:
            of_photographs, given = np.stack([row[features] for row in real]), stacked[features]
            resampling = Resampling(of_photographs, given)
            add(frechet, resampling.frechet, frechet_distance(of_photographs, given), spread=count <= MOST_RESAMPLED)
            add(kernel, resampling.kernel, kernel_distance(of_photographs, given))
    if "counts" in stacked:
        add("miou", lambda rows: float(np.nanmean(class_iou(stacked["counts"][rows].sum(axis=0)))))
        add("pixel_accuracy", lambda rows: float(pixel_accuracy(stacked["counts"][rows].sum(axis=0))))
    of_rows = stacked["perceptual"].sum(axis=1)
    for key in ("lpips", "ssim", "psnr", "diversity", "lpips_diversity"):
        if key in stacked:
            add(key, partial(_mean, stacked[key]))
    add("perceptual", partial(_mean, of_rows))

    share = stacked["share"].sum(axis=0)
    of_classes = np.divide(stacked["perceptual"].sum(axis=0), share, out=np.full(len(share), np.nan), where=share > 0)
    return Summary(
        {measure.key: measures[measure.key] for measure in MEASURES if measure.key in measures},
        class_iou(stacked["counts"].sum(axis=0)) if "counts" in stacked else None,
        of_classes,
        of_rows,
    )


def _mean(values: np.ndarray, rows: np.ndarray) -> float:
    return float(values[rows].mean())
