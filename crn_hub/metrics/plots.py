"""Plots of an evaluation: the measures of each class, and quality against arithmetic."""

from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from crn_hub.metrics.evaluation import OTHERS, PHOTOGRAPHS, Evaluation
from crn_hub.metrics.summary import RATIOS
from crn_hub.metrics.table import columns_of, titles_of
from crn_hub.pictures import draw_plot, few_colors, save_picture
from crn_hub.text import one_line

GREYS = {PHOTOGRAPHS: "0.6", OTHERS: "0.75"}  # everything else has a colour
SHORT = ("< 1 px", "1 to 2", "2 to 4", "4 to 8", "8 to 16", "colour", "light")  # `RATIOS`, where there is no room
FARTHEST = 8.0  # the ratio, and its inverse, beyond which colours no longer change


def write_plots(evaluation: Evaluation, output: Path) -> list[Path]:
    """Writes classes.png, appearance.png and arithmetic.png into a folder; returns them."""
    figures = {"classes.png": _classes, "appearance.png": _appearance, "arithmetic.png": _arithmetic}
    for name, draw in figures.items():
        save_picture(draw(evaluation), output / name)
    return [output / name for name in figures]


def _classes(evaluation: Evaluation) -> Image.Image:
    """Bars for each class: intersection over union and texture distance, if measured, and perceptual distance."""
    columns, names = columns_of(evaluation), _present(evaluation)
    panels = {
        "iou": "IoU of each class (higher is better)",
        "texture": "texture distance of each class (lower is better; 1: photographs of different places)",
        "perceptual": "perceptual distance over the pixels of each class (lower is better)",
    }
    measured = [key for key in panels if any(key in summary.of_classes for _, summary in evaluation.models)]
    figure = Figure(figsize=(max(8.0, 0.8 * len(names)), 3.4 * len(measured)), dpi=100, layout="constrained")
    for axes, key in zip(figure.subplots(len(measured), 1, squeeze=False)[:, 0], measured, strict=True):
        bars = {name: column.of_classes[key] for name, column in columns.items() if key in column.of_classes}
        width = 0.8 / len(bars)
        for number, (name, values) in enumerate(bars.items()):
            at = np.arange(len(names)) + (number - (len(bars) - 1) / 2) * width
            heights = values[[*names.values()]]
            axes.bar(at, np.nan_to_num(heights), width, label=_shown(name), color=GREYS.get(name))
            for place in at[np.isnan(heights)]:
                axes.text(place, 0, "?", ha="center", va="bottom", size=8, color="0.4")  # not measured
        axes.set_title(panels[key], loc="left", size=10)
        axes.set_xticks(np.arange(len(names)), [_shown(name) for name in names], rotation=30, ha="right")
        axes.grid(alpha=0.3, axis="y")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return few_colors(draw_plot(figure))


def _appearance(evaluation: Evaluation) -> Image.Image:
    """Contrast from fine to coarse, colourfulness and brightness as ratios: over all, and below for each class."""
    columns, names = columns_of(evaluation), _present(evaluation)
    columns = {name: column for name, column in columns.items() if "brightness" in column.measures}
    across = min(3, len(columns))
    down = -(-len(columns) // across)
    size = (max(8.0, 5.2 * across), 3.6 + down * (1.2 + 0.3 * len(names)))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    (above, below) = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.6, size[1] - 3.6))[:, 0]
    axes = above.subplots()
    for number, (name, column) in enumerate(columns.items()):
        values = [column.measures[key] for key in RATIOS]
        ends = [(v.value, v.value) if v.low is None or v.high is None else (v.low, v.high) for v in values]
        spread = [[v.value - low, high - v.value] for v, (low, high) in zip(values, ends, strict=True)]
        style = {"fmt": "o-", "capsize": 3, "color": GREYS.get(name, f"C{number % 10}"), "label": _shown(name)}
        for part in (slice(0, 5), slice(5, 6), slice(6, 7)):  # a line joins the bands only
            shown = {**style, "label": style["label"] if part.start == 0 else None}
            at = np.arange(len(RATIOS))[part] + 0.04 * (number - (len(columns) - 1) / 2)
            axes.errorbar(at, [v.value for v in values[part]], yerr=np.transpose(spread[part]), **shown)
    axes.axhline(1, color="0.4", linewidth=1)
    axes.set(title="contrast of details by their size, colourfulness, brightness: ratio to the photographs (1: alike)")
    axes.set(yscale="log", ylabel="ratio (logarithmic)")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(range(len(RATIOS)), SHORT)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    panels = below.subplots(down, across, squeeze=False).ravel()
    for axes, (name, column) in zip(panels, columns.items(), strict=False):
        ratios = np.stack([column.of_classes[key][[*names.values()]] for key in RATIOS], axis=1)
        _draw_ratios(axes, ratios, [_shown(label) for label in names], _shown(name))
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    return few_colors(draw_plot(figure))


def _draw_ratios(axes: Axes, ratios: np.ndarray, labels: list[str], title: str) -> None:
    """A table (classes, ratios) in colours: blue where there is too little, red where there is too much."""
    limit = np.log2(FARTHEST)
    with np.errstate(divide="ignore"):
        axes.imshow(np.log2(ratios), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), ratio in np.ndenumerate(ratios):
        if np.isfinite(ratio):
            color = "white" if abs(np.log2(max(ratio, 1e-9))) > 0.6 * limit else "black"
            axes.text(column, row, f"{ratio:.2f}", ha="center", va="center", size=8, color=color)
    axes.set_xticks(range(len(SHORT)), SHORT, size=8)
    axes.set_yticks(range(len(labels)), labels, size=8)
    axes.set_title(title, size=10)


def _present(evaluation: Evaluation) -> dict[str, int]:
    """The classes that any row has, name -> id, and the classes that count as one with them."""
    distances = evaluation.models[0][1].of_classes["perceptual"]
    return {name: i for name, i in evaluation.joining.counted.items() if np.isfinite(distances[i])}


def _arithmetic(evaluation: Evaluation) -> Image.Image:
    """Each measure against GFLOP per layout: a point with its interval for each model."""
    titles = titles_of(evaluation)
    across = min(3, len(titles))
    down = -(-len(titles) // across)
    figure = Figure(figsize=(4.2 * across, 3 * down), dpi=100, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    gflop = [model.model.gflop for model, _ in evaluation.models]
    for axes, (key, title) in zip(panels, titles.items(), strict=False):
        for number, (model, summary) in enumerate(evaluation.models):
            if (value := summary.measures.get(key)) is None or not np.isfinite(value.value):
                continue
            spread = None if value.high is None else [value.high - value.value]
            style = {"fmt": "o", "capsize": 3, "color": f"C{number % 10}", "label": _shown(model.name)}
            axes.errorbar([model.model.gflop], [value.value], yerr=spread, **style)
        _reference_line(axes, evaluation, key)
        if key in RATIOS:
            axes.axhline(1, color="0.4", linewidth=1)
        axes.set(title=_shown(title), xlabel="GFLOP per layout", xscale="log", xlim=(min(gflop) / 2, max(gflop) * 2))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.title.set_size(9)
        axes.grid(alpha=0.3)
    for axes in panels[len(titles) :]:
        axes.set_axis_off()
    handles: dict[str, Artist] = {}
    for axes in panels[: len(titles)]:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend([*handles.values()], [*handles], loc="outside lower center", ncols=min(4, len(handles)))
    return few_colors(draw_plot(figure))


def _reference_line(axes: Axes, evaluation: Evaluation, key: str) -> None:
    for name, summary in columns_of(evaluation).items():
        if name in (PHOTOGRAPHS, OTHERS) and key in summary.measures:
            style = "-" if name == PHOTOGRAPHS else ":"
            axes.axhline(summary.measures[key].value, color="0.4", linestyle=style, label=name)


def _shown(name: str) -> str:
    """A name for matplotlib, which reads text between dollar signs as formulas and hides labels that begin with _."""
    return one_line(name)[-40:].lstrip("_").replace("$", r"\$")
