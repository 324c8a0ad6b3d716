"""Contact sheets of an evaluation, PNG and HTML: layouts of some rows, the images of each model, photographs."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from crn_hub.files import write_text
from crn_hub.metrics.evaluation import Evaluation
from crn_hub.metrics.picture_sources import chosen_image
from crn_hub.metrics.table import class_tables, columns_of, lines_of, notes_of
from crn_hub.networks import CRN
from crn_hub.picture_grids import Tiles, draw_grid, inline
from crn_hub.pictures import save_picture, to_pixels
from crn_hub.text import one_line, three_digits

DRAWN_ROWS, EXTREME_ROWS = 4, 2  # how many rows are drawn at random; how many best and how many worst ones
SEED = 0
TILE_HEIGHT = 128  # pixels in the PNG


def write_contact_sheets(evaluation: Evaluation, output: Path, hidden: Collection[int] = ()) -> list[Path]:
    """Writes contact-sheet.png and contact-sheet.html into a folder; returns them.

    Args:
        evaluation: whose rows and models are shown.
        output: the folder.
        hidden: rows of the data whose photographs are left out (`data.hidden_rows`).
    """
    rows = _choose_rows(evaluation)
    tiles = {i: _tiles(evaluation, i, hidden) for i in dict.fromkeys(i for several in rows.values() for i in several)}
    lines = [(f"{heading}\nrow {evaluation.data.used[i]}", tiles[i]) for heading in rows for i in rows[heading]]
    height, width = evaluation.data.size
    tile = (TILE_HEIGHT, max(1, round(TILE_HEIGHT * width / height)))
    save_picture(draw_grid(_column_names(evaluation), lines, tile), output / "contact-sheet.png")
    write_text(output / "contact-sheet.html", _page(evaluation, rows, tiles))
    return [output / "contact-sheet.png", output / "contact-sheet.html"]


def rows_shown(evaluation: Evaluation) -> list[int]:
    """The numbers of the rows on the contact sheets."""
    return sorted({evaluation.data.used[i] for several in _choose_rows(evaluation).values() for i in several})


def _choose_rows(evaluation: Evaluation) -> dict[str, list[int]]:
    """The rows with the smallest and the greatest distance, and some others drawn at random, by their headings."""
    distance = np.mean([summary.row_perceptual for _, summary in evaluation.models], axis=0)
    order = np.argsort(distance, kind="stable").tolist()
    extreme = min(EXTREME_ROWS, len(order) // 2)
    between = order[extreme : len(order) - extreme]
    drawn = np.random.default_rng(SEED).permutation(between)[:DRAWN_ROWS].tolist()
    rows = {"by seed": sorted(drawn), "best": order[:extreme], "worst": order[::-1][:extreme]}
    return {heading: several for heading, several in rows.items() if several}


def draw_styles(
    model: CRN, layouts: Mapping[str, np.ndarray], tile: tuple[int, int], styles: Sequence[str] | None = None
) -> Image.Image:
    """Layouts beside what the model makes of each in several styles.

    Args:
        model: with styles.
        layouts: uint8 ids (H, W), by their names.
        tile: (height, width) of each picture in pixels.
        styles: names of styles; all by default.
    """
    names = styles or [style.name for style in model.styles]
    lines: list[tuple[str, Tiles]] = []
    for name, ids in layouts.items():
        photographs = [model.synthesize(ids, num_images=1, style=style)[0] for style in names]
        lines.append((name, [model.classes.to_image(ids).convert("RGB"), *photographs]))
    return draw_grid(["layout", *names], lines, tile)


def _tiles(evaluation: Evaluation, index: int, hidden: Collection[int]) -> Tiles:
    """Layout, the measured image of each model, and photograph, at the size of the evaluation."""
    pair = evaluation.data[index]
    outputs = [model.images(index) for model, _ in evaluation.models]
    return [
        Image.fromarray(evaluation.data.classes.to_colors(pair["ids"].numpy())),
        *(Image.fromarray(images[chosen_image(index, len(images))]) for images in outputs),
        None if evaluation.data.used[index] in hidden else Image.fromarray(to_pixels(pair["photograph"])),
    ]


def _column_names(evaluation: Evaluation) -> list[str]:
    return ["layout", *(model.name for model, _ in evaluation.models), "photograph"]


def _page(evaluation: Evaluation, rows: dict[str, list[int]], tiles: dict[int, Tiles]) -> str:
    """One HTML file with all its pictures: the table, the notes, and the rows of the contact sheet."""
    names = _column_names(evaluation)
    head = "".join(f"<th scope=col>{escape(one_line(name))}</th>" for name in columns_of(evaluation))

    def table(lines: list[tuple[str, list[str]]]) -> str:
        body = "".join(
            f"<tr><th scope=row>{escape(one_line(title))}</th>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>"
            for title, cells in lines
        )
        return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"

    sections = []
    for heading, several in rows.items():
        lines = []
        for i in several:
            distances = ["", *(three_digits(summary.row_perceptual[i]) for _, summary in evaluation.models), ""]
            figures = "".join(
                f"<figure><img src='{inline(picture)}' alt='{escape(name)} of row {evaluation.data.used[i]}'>"
                f"<figcaption>{escape(one_line(name))}{f', distance {d}' if d else ''}</figcaption></figure>"
                for name, picture, d in zip(names, tiles[i], distances, strict=True)
                if picture is not None
            )
            lines.append(f"<h3>row {evaluation.data.used[i]}</h3><div class=row>{figures}</div>")
        sections.append(f"<h2>{heading}</h2>{''.join(lines)}")
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
{table(lines_of(evaluation))}
<ul>{notes}</ul>
{"".join(f"<h2>{escape(title)}</h2>{table(lines)}" for title, lines in class_tables(evaluation))}
<p>Below: some rows drawn at random (seed {SEED}), then those with the smallest and the greatest perceptual distance,
averaged over the models.</p>
{"".join(sections)}
</body></html>
"""
