"""What was measured as tables, one picture, and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from crn_hub.benchmark.synthesis import MachineLimits, SynthesisCost
from crn_hub.benchmark.training import TrainingCost
from crn_hub.files import appearing_in
from crn_hub.hub.card import escape, markdown_table
from crn_hub.pictures import draw_plot, few_colors, save_picture
from crn_hub.text import one_line, three_digits

COLORS = ("#8cb0d9", "#f5b26b", "#9fd0cb", "#8fc387", "#f0dc7f", "#cfa9cb", "#c3a58f", "#d0c8c6", "#f08b8d", "#b4d7d3")


def tables(
    machines: Sequence[MachineLimits], photographs: Sequence[SynthesisCost], steps: Sequence[TrainingCost]
) -> str:
    """All of it in Markdown."""
    texts = []
    for machine in machines:
        texts.append(
            f"{machine.where}: {machine.rate:,.0f} GFLOP/s in large products, {machine.bandwidth:,.0f} GB/s in copies"
        )
        head = [
            *("model", "precision", "ms, median", "fastest, slowest", "times the limit", "GFLOP computed"),
            *("memory, GB", "difference"),
        ]
        rows = [
            [
                f"{escape(cost.name)} ({cost.network})",
                cost.precision,
                milliseconds(cost.median),
                f"{milliseconds(min(cost.seconds))}, {milliseconds(max(cost.seconds))}",
                f"{cost.median / cost.limit:.2f}",
                f"{cost.computed:,.1f}",
                f"{cost.memory / 1e9:.1f}",
                "" if cost.precision == "float32" else f"{cost.errors[0]:.0f} (mean {cost.errors[1]:.2f}) of 255",
            ]
            for cost in photographs
            if cost.where == machine.where
        ]
        texts.append(markdown_table(head, rows))
    if steps:
        texts.append(f"Training steps of one image, float32, {steps[0].where}")
        parts = [*dict.fromkeys(part for cost in steps for part in cost.parts)]
        rows = [
            ["images per second", *(three_digits(1 / cost.median) for cost in steps)],
            ["a step, ms", *(milliseconds(cost.median) for cost in steps)],
            *(
                [part, *(milliseconds(cost.parts[part]) if part in cost.parts else "" for cost in steps)]
                for part in parts
            ),
        ]
        texts.append(markdown_table(["", *(escape(cost.name) for cost in steps)], rows))
    return "\n\n".join(texts)


def milliseconds(seconds: float) -> str:
    return three_digits(1000 * seconds)


def picture(photographs: Sequence[SynthesisCost], steps: Sequence[TrainingCost]) -> Image.Image:
    """Where the time goes: a bar for the photograph of each model, and one for its training step.

    All bars are equally long; how many milliseconds each stands for is in its name.
    """
    photograph = "A photograph (black: what all its layers would take in float32 at the rate of large products)"
    panels = {photograph: _bars(photographs)}
    if steps:
        panels["A training step of one image"] = [
            Bar(_named(cost.name, cost.median), cost.parts, cost.median) for cost in steps
        ]
    heights = [1.3 + 0.4 * len(bars) for bars in panels.values()]
    figure = Figure(figsize=(11, sum(heights) + 0.6), dpi=100, layout="constrained")
    rows = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, bars) in zip(rows, panels.items(), strict=True):
        _draw(axes, bars)
        axes.set_title(title, loc="left", size=11)
    return few_colors(draw_plot(figure))


class Bar(NamedTuple):
    """A bar: its name, seconds of each part, of the whole, and of a limit to be marked."""

    name: str
    parts: Mapping[str, float]
    whole: float
    limit: float | None = None


def _bars(photographs: Sequence[SynthesisCost]) -> list[Bar]:
    several = len({(cost.where, cost.precision) for cost in photographs}) > 1
    found = []
    for cost in photographs:
        name = _named(cost.name, cost.median)
        if several:
            name += f"\n{cost.precision}, {cost.threads} thread{'s' * (cost.threads > 1)}"
        found.append(Bar(name, cost.parts, cost.median, cost.limit))
    return found


def _draw(axes: Axes, bars: Sequence[Bar]) -> None:
    parts = [*dict.fromkeys(part for bar in bars for part in bar.parts)]
    places = range(len(bars))
    ends = [0.0] * len(bars)
    for number, part in enumerate(parts):
        lengths = [bar.parts.get(part, 0.0) / bar.whole for bar in bars]
        axes.barh(places, lengths, 0.7, ends, color=COLORS[number % len(COLORS)], label=part)
        for place, length, end in zip(places, lengths, ends, strict=True):
            if length > 0.03:
                axes.text(end + length / 2, place, f"{length:.0%}", ha="center", va="center", size=8)
        ends = [end + length for end, length in zip(ends, lengths, strict=True)]
    limits = {place: bar.limit / bar.whole for place, bar in zip(places, bars, strict=True) if bar.limit is not None}
    for place, limit in limits.items():
        axes.plot([1, max(1, limit)], [place, place], color="black", linewidth=1, linestyle=":")
        for where in (-1, 1):  # above and below the bar, whose middle has text
            axes.plot([limit, limit], [place + 0.3 * where, place + 0.48 * where], color="black", linewidth=2)
    axes.set_yticks(places, [bar.name for bar in bars], size=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max([1, *limits.values()]) + 0.01)
    axes.set_xticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.02), ncols=4, fontsize=8, frameon=False)


def _named(name: str, seconds: float) -> str:
    """A name with its time, for matplotlib, which reads text between dollar signs as formulas."""
    shown = one_line(name)[-30:].replace("$", r"\$")
    return f"{shown}, {milliseconds(seconds)} ms"


def write_report(
    folder: Path,
    machines: Sequence[MachineLimits],
    photographs: Sequence[SynthesisCost],
    steps: Sequence[TrainingCost],
) -> None:
    """Writes benchmark.md, benchmark.json and time.png into a folder, all or none."""
    record = {
        "machines": [asdict(machine) for machine in machines],
        "photographs": [asdict(cost) for cost in photographs],
        "training_steps": [asdict(cost) for cost in steps],
    }
    with appearing_in(folder) as drafts:
        (drafts / "benchmark.md").write_text(tables(machines, photographs, steps) + "\n", encoding="utf-8")
        (drafts / "benchmark.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        save_picture(picture(photographs, steps), drafts / "time.png")
