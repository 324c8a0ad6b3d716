"""A blind look at an evaluation: layouts of some rows, each with the photograph and the models' images without names.

Which is which is in another file, so that one can write down what one sees before knowing whose picture it is.
"""

import csv
import io
from pathlib import Path
from string import ascii_uppercase

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from crn_hub.files import write_text
from crn_hub.metrics.evaluation import Evaluation
from crn_hub.metrics.picture_sources import chosen_image
from crn_hub.pictures import resize_picture, save_picture, to_pixels
from crn_hub.text import one_line

SHEET, KEY = "blind.png", "blind-key.csv"
LEAST_HEIGHT, MARGIN, HEAD = 256, 4, 24  # pixels; smaller pictures are enlarged
PHOTOGRAPH = "recorded photograph"  # in the key


def write_blind_sheet(evaluation: Evaluation, count: int, seed: int, output: Path) -> list[Path]:
    """Writes blind.png and blind-key.csv into a folder; returns them.

    Rows are drawn, and the pictures of each row shuffled anew, by the seed.

    Args:
        count: how many rows to show; not more than the evaluation has.
    """
    drawn = np.random.default_rng(seed).permutation(len(evaluation.data))[:count].tolist()
    key, lines = io.StringIO(), []
    writer = csv.writer(key, lineterminator="\n")
    writer.writerow(["row", "letter", "picture"])
    for index in drawn:
        row = evaluation.data.used[index]
        layout, pictures = _layout(evaluation, index), _pictures(evaluation, index)
        order = np.random.default_rng((seed, row)).permutation(len(pictures)).tolist()
        shuffled = [pictures[i] for i in order]
        writer.writerows([row, _letter(i), one_line(name)] for i, (name, _) in enumerate(shuffled))
        lines.append((row, [layout, *(picture for _, picture in shuffled)]))
    save_picture(_sheet(lines, _tile(evaluation.data.size)), output / SHEET)
    write_text(output / KEY, key.getvalue())
    return [output / SHEET, output / KEY]


def _layout(evaluation: Evaluation, index: int) -> Image.Image:
    """The layout of a row in class colours, at the size of a tile."""
    height, width = _tile(evaluation.data.size)
    colors = evaluation.data.classes.to_colors(evaluation.data[index]["ids"].numpy())
    return Image.fromarray(colors).resize((width, height), Image.Resampling.NEAREST)


def _pictures(evaluation: Evaluation, index: int) -> list[tuple[str, Image.Image]]:
    """The photograph of a row and the measured image of each model, with their names, at the size of a tile."""
    pixels = [(PHOTOGRAPH, to_pixels(evaluation.data[index]["photograph"]))]
    for model in (model for model, _ in evaluation.models if not model.own_colors):
        images = model.images(index)
        pixels.append((model.name, images[chosen_image(index, len(images))]))
    tile = _tile(evaluation.data.size)
    return [(name, resize_picture(Image.fromarray(picture), tile)) for name, picture in pixels]


def _tile(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of each picture on the sheet, large enough to be judged."""
    height = max(LEAST_HEIGHT, size[0])
    return height, round(height * size[1] / size[0])


def _letter(index: int) -> str:
    return ascii_uppercase[index % 26] * (index // 26 + 1)  # after Z comes AA, then BB


def _sheet(lines: list[tuple[int, list[Image.Image]]], tile: tuple[int, int]) -> Image.Image:
    """One line for each row: its number and the letters, below them layout and pictures."""
    font = ImageFont.load_default(16)
    columns = len(lines[0][1])
    line_height = HEAD + tile[0] + MARGIN
    sheet = Image.new("RGB", (columns * (tile[1] + MARGIN), len(lines) * line_height), "white")
    draw = ImageDraw.Draw(sheet)
    for line, (row, pictures) in enumerate(lines):
        titles = [f"row {row}: layout", *map(_letter, range(columns - 1))]
        for column, (title, picture) in enumerate(zip(titles, pictures, strict=True)):
            left, top = column * (tile[1] + MARGIN), line * line_height
            draw.text((left + 4, top + 2), title, "black", font)
            sheet.paste(picture, (left, top + HEAD))
    return sheet
