"""What an inspection found: as text for the console, and as a page with plots and a sheet of pairs."""

from html import escape
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from crn_hub.classes import LayoutError
from crn_hub.data import spread
from crn_hub.files import write_text
from crn_hub.inspection.inspecting import BITS, Inspection, Photograph, rows_alike
from crn_hub.picture_grids import Tiles, draw_grid, inline
from crn_hub.pictures import draw_plot, save_picture
from crn_hub.text import one_line, some

SHOWN_PAIRS = 4  # of each split on the sheet
SHOWN_ALIKE = 6  # pairs on the sheet
LISTED = 20  # problems, sizes and pairs in a list
TILE = (144, 216)  # (height, width) of a picture on the sheet


def describe(inspection: Inspection) -> str:
    """What was found, for the console."""
    lines = []
    for split, survey in inspection.surveys.items():
        photographs = inspection.of_split(split)
        lines.append(f"split {one_line(split)}: {len(inspection.data[split]):,} rows, {len(photographs):,} read")
        if without := inspection.without_label[split]:
            lines.append(f"{without:,} rows have no label")
        lines.append(_sizes(inspection, split))
        for what in ("brightness", "colourfulness"):
            values = [getattr(photograph, what) for photograph in photographs]
            if values:
                low, middle, high = np.percentile(values, (5, 50, 95))
                lines.append(f"{what}: median {middle:.0f}, from {low:.0f} to {high:.0f} in nine of ten photographs")
        if survey.rows:
            lines += [survey.table(), *survey.notes, *(f"warning: {warning}" for warning in survey.warnings())]
        lines.append("")
    alike = rows_alike(inspection.photographs)
    if alike:
        lines.append(f"{len(alike):,} pairs of rows of different splits look alike:")
        lines += [_pair(*pair) for pair in alike[:LISTED]]
    elif len(inspection.surveys) > 1:
        lines.append("no rows of different splits look alike")
    lines += [f"problem: {problem}" for problem in inspection.problems[:LISTED]]
    if len(inspection.problems) > LISTED:
        lines.append(f"and {len(inspection.problems) - LISTED:,} more problems")
    if not inspection.problems:
        lines.append("all rows that were read can be used")
    return "\n".join(lines)


def write_page(inspection: Inspection, output: Path) -> list[Path]:
    """Writes inspection.html, plots.png and pairs.png into a folder; returns them."""
    output.mkdir(parents=True, exist_ok=True)
    plots, pairs = _plots(inspection), _pairs(inspection)
    save_picture(plots, output / "plots.png")
    save_picture(pairs, output / "pairs.png")
    title = f"Inspection of {escape(one_line(inspection.dataset))}"
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1c1c1c; background: #fff }}
img {{ max-width: 100%; height: auto }} pre {{ font-size: 13px; white-space: pre-wrap }}
</style></head><body>
<h1>{title}</h1>
<img src="{inline(plots)}" alt="Classes, sizes, brightness and colourfulness of each split">
<h2>Pairs</h2>
<p>Rows spread over each split, and photographs of different splits that look alike.</p>
<img src="{inline(pairs)}" alt="Photographs and their label maps">
<h2>All that was found</h2>
<pre>{escape(describe(inspection))}</pre>
</body></html>
"""
    write_text(output / "inspection.html", page)
    return [output / name for name in ("inspection.html", "plots.png", "pairs.png")]


def _sizes(inspection: Inspection, split: str) -> str:
    sizes = inspection.sizes(split).most_common()
    listed = [f"{width} x {height} ({count:,})" for (height, width), count in sizes]
    return f"sizes (width x height): {some(listed, 6)}"


def _pair(one: Photograph, other: Photograph, bits: int) -> str:
    same = "the same hash" if not bits else f"{bits} of {BITS} bits differ"
    return f"  {one_line(one.split)} row {one.row}, {one_line(other.split)} row {other.row}: {same}"


def _plots(inspection: Inspection) -> Image.Image:
    names = [*inspection.classes.names, "unlabelled"]
    figure = Figure(figsize=(11, 4.2 + 0.26 * len(names)), dpi=100, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(0.26 * len(names) + 0.8, 3.4))[:, 0]
    axes = above.subplots()
    splits = [split for split, survey in inspection.surveys.items() if survey.rows]
    height = 0.8 / max(len(splits), 1)
    for number, split in enumerate(splits):
        at = np.arange(len(names)) + (number - (len(splits) - 1) / 2) * height
        axes.barh(at, 100 * inspection.surveys[split].shares, height, label=_shown(split))
    axes.set(xscale="symlog", xlim=(0, 100), xlabel="% of the pixels (logarithmic above 2)", title="classes")
    axes.set_xticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
    axes.set_yticks(range(len(names)), [_shown(name) for name in names])
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    if splits:
        axes.legend()
    left, middle, right = below.subplots(1, 3)
    for split in inspection.surveys:
        photographs = inspection.of_split(split)
        if not photographs:
            continue
        left.scatter([p.size[1] for p in photographs], [p.size[0] for p in photographs], s=14, alpha=0.5)
        middle.hist([p.brightness for p in photographs], bins=np.arange(0, 256, 8), alpha=0.5, density=True)
        right.hist([p.colourfulness for p in photographs], bins=np.arange(0, 128, 4), alpha=0.5, density=True)
    left.set(title="sizes in pixels", xlabel="width", ylabel="height", xlim=(0, None), ylim=(0, None))
    middle.set(title="brightness of photographs", xlabel="mean luma, 0 to 255", yticks=[])
    right.set(title="colourfulness", xlabel="0: grey, above 100: garish", yticks=[])
    return draw_plot(figure)


def _pairs(inspection: Inspection) -> Image.Image:
    lines: list[tuple[str, Tiles]] = []
    for split in inspection.data:
        read = [photograph.row for photograph in inspection.of_split(split)]
        for place in spread(len(read), SHOWN_PAIRS):
            lines.append((f"{_short(split)}\nrow {read[place]}", _tiles(inspection, split, read[place])))
    for one, other, bits in rows_alike(inspection.photographs)[:SHOWN_ALIKE]:
        label = f"alike\n{_short(one.split)} {one.row}\n{_short(other.split)} {other.row}\n{bits} bits"
        pictures = [Image.fromarray(inspection.data[p.split].photograph(p.row)) for p in (one, other)]
        lines.append((label, [pictures[0], pictures[1]]))
    return draw_grid(["photograph", "label map, or what it looks like"], lines, TILE)


def _tiles(inspection: Inspection, split: str, row: int) -> Tiles:
    data = inspection.data[split]
    try:
        pixels, reading, _ = data.read(row)
    except LayoutError:  # without a label
        return [Image.fromarray(data.photograph(row)), Image.new("RGB", (TILE[1], TILE[0]), "white")]
    return [Image.fromarray(pixels), inspection.classes.to_image(reading.ids).convert("RGB")]


def _short(split: str) -> str:
    return one_line(split)[:12]


def _shown(name: str) -> str:
    """A name for matplotlib, which reads text between dollar signs as formulas and hides labels that begin with _."""
    return one_line(name)[-40:].lstrip("_").replace("$", r"\$")
