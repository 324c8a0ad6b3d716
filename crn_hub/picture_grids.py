"""Sheets of pictures for people to look at, and pictures inside HTML."""

import base64
from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from crn_hub.pictures import resize_picture
from crn_hub.text import one_line

MARGIN, HEAD, LEFT = 4, 22, 90  # pixels of a sheet; LEFT: at least
GAP = 2  # pixels between the pictures of `tiled`
HIDDEN_COLOR = (225, 225, 225)
JPEG_QUALITY = 90  # of the pictures in the HTML

Tiles = list[Image.Image | None]  # None: a picture that is not to be shown


def draw_grid(titles: Sequence[str], lines: Sequence[tuple[str, Tiles]], tile: tuple[int, int]) -> Image.Image:
    """A sheet of pictures.

    Args:
        titles: of the columns.
        lines: of each line its label and its pictures. In the place of one that is not to be shown, a grey tile says
            so; a column of such pictures alone is left out.
        tile: (height, width) at which pictures are shown, in pixels.
    """
    height, width = tile
    font = ImageFont.load_default(14)
    columns = [c for c in range(len(titles)) if any(pictures[c] is not None for _, pictures in lines)]
    left = max(LEFT, *(int(font.getlength(part)) + 10 for label, _ in lines for part in label.splitlines()))
    across, down = left + len(columns) * (width + MARGIN), HEAD + len(lines) * (height + MARGIN)
    sheet = Image.new("RGB", (across, down), "white")
    draw = ImageDraw.Draw(sheet)
    for place, column in enumerate(columns):
        x = left + place * (width + MARGIN)
        draw.text((x + 2, 2), _fitting(one_line(titles[column]), width - 4, font), "black", font)
        for line, (_, pictures) in enumerate(lines):
            y = HEAD + line * (height + MARGIN)
            picture = pictures[column]
            if picture is None:
                picture = Image.new("RGB", (width, height), HIDDEN_COLOR)
                ImageDraw.Draw(picture).text((width / 2, height / 2), "not to be shown", "black", font, anchor="mm")
            sheet.paste(resize_picture(picture, tile), (x, y))
    for line, (label, _) in enumerate(lines):
        draw.text((4, HEAD + line * (height + MARGIN) + 4), label, "black", font)
    return sheet


def _fitting(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """The text, shortened if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def tiled(lines: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures of one size in lines of equal length, with narrow white gaps."""
    width, height = lines[0][0].size
    sheet = Image.new("RGB", (len(lines[0]) * (width + GAP) + GAP, len(lines) * (height + GAP) + GAP), "white")
    for row, line in enumerate(lines):
        for column, picture in enumerate(line):
            sheet.paste(picture, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    return sheet


def inline(picture: Image.Image) -> str:
    """A picture as the address of an `<img>`, which holds it."""
    data = BytesIO()
    picture.save(data, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
