"""Plots of an evaluation: the measures of each class, and quality against arithmetic."""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from crn_hub.metrics.evaluation import OTHERS, PHOTOGRAPHS, Evaluation
from crn_hub.metrics.table import columns_of, titles_of
from crn_hub.pictures import save_picture
from crn_hub.text import one_line


def write_plots(evaluation: Evaluation, output: Path) -> list[Path]:
    """Writes classes.png and arithmetic.png into a folder; returns them."""
    save_picture(_classes(evaluation), output / "classes.png")
    save_picture(_arithmetic(evaluation), output / "arithmetic.png")
    return [output / "classes.png", output / "arithmetic.png"]


def _classes(evaluation: Evaluation) -> Image.Image:
    """Bars for each class: intersection over union, if measured, and perceptual distance."""
    columns = columns_of(evaluation)
    present = np.flatnonzero(np.isfinite(evaluation.models[0][1].class_perceptual[:-1]))  # in any row
    names = [evaluation.data.classes.names[i] for i in present]
    with_iou = {name: c.class_iou[present] for name, c in columns.items() if c.class_iou is not None}
    distances = {model.name: summary.class_perceptual[present] for model, summary in evaluation.models}
    panels = [("IoU of each class (higher is better)", with_iou)] if with_iou else []
    panels.append(("perceptual distance over the pixels of each class (lower is better)", distances))
    figure = Figure(figsize=(max(8.0, 0.8 * len(names)), 3.4 * len(panels)), dpi=100, layout="constrained")
    for axes, (title, bars) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        width = 0.8 / len(bars)
        for number, (name, values) in enumerate(bars.items()):
            at = np.arange(len(names)) + (number - (len(bars) - 1) / 2) * width
            axes.bar(at, np.nan_to_num(values), width, label=_shown(name), color="0.6" if name == PHOTOGRAPHS else None)
        axes.set(title=title)
        axes.set_xticks(np.arange(len(names)), [_shown(name) for name in names], rotation=30, ha="right")
        axes.grid(alpha=0.3, axis="y")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return _drawn(figure)


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
    return _drawn(figure)


def _reference_line(axes: Axes, evaluation: Evaluation, key: str) -> None:
    for name, summary in columns_of(evaluation).items():
        if name in (PHOTOGRAPHS, OTHERS) and key in summary.measures:
            style = "-" if name == PHOTOGRAPHS else ":"
            axes.axhline(summary.measures[key].value, color="0.4", linestyle=style, label=name)


def _shown(name: str) -> str:
    """A name for matplotlib, which reads text between dollar signs as formulas and hides labels that begin with _."""
    return one_line(name)[-40:].lstrip("_").replace("$", r"\$")


def _drawn(figure: Figure) -> Image.Image:
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    return Image.open(drawn).convert("RGB")
