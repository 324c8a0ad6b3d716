"""An evaluation to look at: contact sheets, the classes, and quality against arithmetic."""

import base64
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image, ImageDraw, ImageFont

from crn_hub.files import write_text
from crn_hub.metrics.evaluation import OTHERS, PHOTOGRAPHS, Evaluation
from crn_hub.metrics.measuring import chosen_image
from crn_hub.metrics.report import columns_of, iou_rows, notes_of, rows_of, titles_of
from crn_hub.pictures import resize_picture, save_picture, to_pixels
from crn_hub.text import one_line, three_digits

DRAWN_ROWS, EXTREME_ROWS = 4, 2  # of a contact sheet: drawn by seed; best, and worst
SEED = 0
TILE_HEIGHT, MARGIN, HEAD = 128, 4, 22  # pixels, in the PNG
JPEG_QUALITY = 90  # of the HTML's pictures


def write_pictures(evaluation: Evaluation, output: Path) -> list[Path]:
    """Writes contact-sheet.png, contact-sheet.html, classes.png and arithmetic.png into a folder; returns them."""
    rows = _choose_rows(evaluation)
    tiles = {i: _tiles(evaluation, i) for i in dict.fromkeys(i for several in rows.values() for i in several)}
    save_picture(_sheet(evaluation, rows, tiles), output / "contact-sheet.png")
    write_text(output / "contact-sheet.html", _page(evaluation, rows, tiles))
    save_picture(_classes(evaluation), output / "classes.png")
    save_picture(_arithmetic(evaluation), output / "arithmetic.png")
    return [output / name for name in ("contact-sheet.png", "contact-sheet.html", "classes.png", "arithmetic.png")]


def _choose_rows(evaluation: Evaluation) -> dict[str, list[int]]:
    """What rows are shown as -> rows: those with the least and the greatest distance, and some of the others."""
    distance = np.mean([summary.row_perceptual for _, summary in evaluation.models], axis=0)
    order = np.argsort(distance, kind="stable").tolist()
    extreme = min(EXTREME_ROWS, len(order) // 2)
    between = order[extreme : len(order) - extreme]
    drawn = np.random.default_rng(SEED).permutation(between)[:DRAWN_ROWS].tolist()
    rows = {"by seed": sorted(drawn), "best": order[:extreme], "worst": order[::-1][:extreme]}
    return {why: several for why, several in rows.items() if several}


def _tiles(evaluation: Evaluation, index: int) -> list[Image.Image]:
    """Layout, the image of each model that was measured, photograph; at the size of the evaluation."""
    pair = evaluation.data[index]
    outputs = [model.images(index) for model, _ in evaluation.models]
    return [
        Image.fromarray(pixels)
        for pixels in (
            evaluation.data.classes.to_colors(pair["ids"].numpy()),
            *(images[chosen_image(index, len(images))] for images in outputs),
            to_pixels(pair["photograph"]),
        )
    ]


def _names(evaluation: Evaluation) -> list[str]:
    return ["layout", *(model.name for model, _ in evaluation.models), "photograph"]


def _sheet(evaluation: Evaluation, rows: dict[str, list[int]], tiles: dict[int, list[Image.Image]]) -> Image.Image:
    height, width = evaluation.data.size
    tile = (TILE_HEIGHT, max(1, round(TILE_HEIGHT * width / height)))
    font = ImageFont.load_default(14)
    labels = [(why, i) for why, several in rows.items() for i in several]
    names = _names(evaluation)
    left = 90
    across, down = left + len(names) * (tile[1] + MARGIN), HEAD + len(labels) * (tile[0] + MARGIN)
    sheet = Image.new("RGB", (across, down), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        at = left + column * (tile[1] + MARGIN)
        draw.text((at + 2, 2), _fitting(one_line(name), tile[1] - 4, font), "black", font)
    for line, (why, i) in enumerate(labels):
        top = HEAD + line * (tile[0] + MARGIN)
        draw.text((4, top + 4), f"{why}\nrow {evaluation.data.used[i]}", "black", font)
        for column, picture in enumerate(tiles[i]):
            sheet.paste(resize_picture(picture, tile), (left + column * (tile[1] + MARGIN), top))
    return sheet


def _fitting(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """As much of the text as fits into so many pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def _page(evaluation: Evaluation, rows: dict[str, list[int]], tiles: dict[int, list[Image.Image]]) -> str:
    """One HTML file with all its pictures: the table, the notes, and the rows of the contact sheet."""
    names = _names(evaluation)
    head = "".join(f"<th scope=col>{escape(one_line(name))}</th>" for name in columns_of(evaluation))

    def table(lines: list[tuple[str, list[str]]]) -> str:
        body = "".join(
            f"<tr><th scope=row>{escape(one_line(title))}</th>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>"
            for title, cells in lines
        )
        return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"

    iou = iou_rows(evaluation)
    sections = []
    for why, several in rows.items():
        lines = []
        for i in several:
            distances = ["", *(three_digits(summary.row_perceptual[i]) for _, summary in evaluation.models), ""]
            figures = "".join(
                f"<figure><img src='{_inline(picture)}' alt='{escape(name)} of row {evaluation.data.used[i]}'>"
                f"<figcaption>{escape(one_line(name))}{f', distance {d}' if d else ''}</figcaption></figure>"
                for name, picture, d in zip(names, tiles[i], distances, strict=True)
            )
            lines.append(f"<h3>row {evaluation.data.used[i]}</h3><div class=row>{figures}</div>")
        sections.append(f"<h2>{why}</h2>{''.join(lines)}")
    notes = "".join(f"<li>{escape(note)}</li>" for note in notes_of(evaluation))
    title = f"Evaluation on {escape(one_line(evaluation.facts['dataset']))}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1c1c1c; background: #fff }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th[scope=row] {{ position: sticky; left: 0; background: #fff }}
th, td {{ padding: .25rem .8rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #ddd }}
.row {{ display: grid; gap: .5rem; grid-template-columns: repeat({len(names)}, minmax(12rem, 1fr)); overflow-x: auto }}
figure {{ margin: 0 }} img {{ width: 100%; display: block }} figcaption {{ font-size: .85em; color: #444 }}
li {{ max-width: 60rem }} h3 {{ margin: 1rem 0 .3rem; font-size: 1em }}
</style></head><body>
<h1>{title}</h1>
{table(rows_of(evaluation))}
<ul>{notes}</ul>
{"<h2>IoU of each class</h2>" + table(iou) if iou else ""}
<p>Below: the rows with the least and the greatest perceptual distance, on average over the models, and before them some
of the others, drawn by seed {SEED}.</p>
{"".join(sections)}
</body></html>
"""


def _inline(picture: Image.Image) -> str:
    data = BytesIO()
    picture.save(data, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _classes(evaluation: Evaluation) -> Image.Image:
    """Bars for each class: intersection over union (if measured), and perceptual distance."""
    columns = columns_of(evaluation)
    there = np.flatnonzero(np.isfinite(evaluation.models[0][1].class_perceptual[:-1]))  # classes that rows have
    names = [evaluation.data.classes.names[i] for i in there]
    with_iou = {name: c.class_iou[there] for name, c in columns.items() if c.class_iou is not None}
    distances = {model.name: summary.class_perceptual[there] for model, summary in evaluation.models}
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
    """GFLOP per layout against each measure, a point with its interval for each model."""
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
    """A name for matplotlib, which would read formulas between dollar signs and hide labels that begin with _."""
    return one_line(name)[-40:].lstrip("_").replace("$", r"\$")


def _drawn(figure: Figure) -> Image.Image:
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    return Image.open(drawn).convert("RGB")
