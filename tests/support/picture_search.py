"""Finds photographs within pictures, at any place and size: in a contact sheet, a screenshot, a corner of a plot.

Of each photograph the middle is looked for, which every crop of it keeps. Two steps: normalised correlation of coarse
templates with all windows of the picture, at many sizes; then, where that is highest, correlation of fine ones, in
which only edges are left: what a network makes of the photograph's layout has the slow changes of brightness too.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from PIL import Image, ImageFilter

SMALLEST, STEP = 36, 1.1  # height in pixels of the smallest middle that is looked for; ratio of one height to the next
SCALES = (0.967, 1.0, 1.033)  # of the heights between
COARSE, FINE, MARGIN = 6, 32, 3  # heights of templates, half their widths; how far fine ones are moved
ALIKE = 0.7  # correlation of coarse templates from which fine ones are tried
FOUND = 0.85  # correlation of fine templates: nine in ten copies have more, other pictures here at most 0.77

Place = tuple[np.ndarray, np.ndarray, np.ndarray, float]  # for each photograph correlation, left, top; and the height
Box = tuple[float, float, float, float]  # left, top, right, bottom


class Templates:
    """The middles of photographs, three quarters of their width and half as high, coarse and fine."""

    def __init__(self, photographs: Sequence[Image.Image]):
        coarse, fine = [], []
        for photograph in photographs:
            x, y, width = photograph.width / 2, photograph.height / 2, 0.75 * photograph.width
            middle = (x - width / 2, y - width / 4, x + width / 2, y + width / 4)
            coarse.append(_pixels(photograph.convert("L"), middle, COARSE))
            fine.append(_edges(photograph.convert("L"), middle, FINE))
        self.flattest = min(pixels.std() for pixels in coarse)
        self.coarse = _normalised(np.stack(coarse).reshape(len(coarse), -1))
        self.fine = _normalised(_without_lines(np.stack(fine)).reshape(len(fine), -1))


def find(picture: Image.Image, templates: Templates, places: int = 2) -> np.ndarray:
    """The photographs that are in a picture, by their numbers.

    Args:
        picture: where to look.
        templates: of the photographs.
        places: how many places are tried with fine templates.
    """
    return np.flatnonzero(correlations(picture, templates, places) > FOUND)


def correlations(picture: Image.Image, templates: Templates, places: int) -> np.ndarray:
    """For each photograph, how much the part of the picture that is most like it is like it: 0..1, 1 is a copy."""
    grey = picture.convert("L")
    heights = SMALLEST * STEP ** np.arange(50)
    heights = heights[heights <= min(grey.height, grey.width / 2)]
    found = [best for height in heights for best in _search(grey, height, templates)]
    result = np.zeros(len(templates.coarse))
    if not found:
        return result
    values, lefts, tops = (np.stack(parts) for parts in zip(*(best[:3] for best in found), strict=True))
    sides = np.array([best[3] for best in found])
    for photograph in range(len(result)):
        for at in np.argsort(values[:, photograph])[-places:]:
            if values[at, photograph] > ALIKE:
                place = lefts[at, photograph], tops[at, photograph], sides[at]
                refined = _refined(grey, *place, templates.fine[photograph])
                result[photograph] = max(result[photograph], refined)
    return result


def _search(grey: Image.Image, height: float, templates: Templates) -> Iterator[Place]:
    """Windows of `height` pixels, part by part of the picture: for each photograph the one most like it."""
    size = (max(2 * COARSE, round(grey.width * COARSE / height)), max(COARSE, round(grey.height * COARSE / height)))
    pixels = np.asarray(grey.resize(size, Image.Resampling.BOX), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (COARSE, 2 * COARSE))
    for y, x in product(range(0, windows.shape[0], COARSE), range(0, windows.shape[1], 2 * COARSE)):
        block = windows[y : y + COARSE, x : x + 2 * COARSE]
        flat = block.reshape(-1, 2 * COARSE**2)
        places = np.flatnonzero(flat.std(axis=1) > templates.flattest / 2)
        if len(places):
            values = _normalised(flat[places]) @ templates.coarse.T
            best = values.argmax(axis=0)
            down, across = np.divmod(places[best], block.shape[1])
            left, top = (x + across) * grey.width / size[0], (y + down) * grey.height / size[1]
            yield values[best, range(len(best))], left, top, height


def _refined(grey: Image.Image, left: float, top: float, height: float, template: np.ndarray) -> float:
    """The highest correlation of a fine template with windows near a place."""
    best = 0.0
    x, y = left + height, top + height / 2  # the middle
    for scale in SCALES:
        unit = height * scale / FINE
        half = unit * (FINE / 2 + MARGIN)
        edges = _edges(grey, (x - 2 * half, y - half, x + 2 * half, y + half), FINE + 2 * MARGIN)
        windows = np.lib.stride_tricks.sliding_window_view(edges, (FINE, 2 * FINE))[:, MARGIN:-MARGIN]
        windows = _without_lines(windows).reshape(-1, 2 * FINE**2)
        best = max(best, float((_normalised(windows) @ template).max()))
    return best


def _pixels(picture: Image.Image, box: Box, height: int) -> np.ndarray:
    """A part of a picture as float32 (height, 2 * height); black outside of the picture."""
    left, top, right, bottom = np.floor(box[:2]).tolist() + np.ceil(box[2:]).tolist()
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    part = picture.crop((int(left), int(top), int(right), int(bottom)))
    return np.asarray(part.resize((2 * height, height), Image.Resampling.BOX, inner), np.float32)


def _edges(picture: Image.Image, box: Box, height: int) -> np.ndarray:
    """The same without slow changes, and without noise."""
    small = Image.fromarray(_pixels(picture, box, height).astype(np.uint8))
    fine, slow = (np.asarray(small.filter(ImageFilter.GaussianBlur(radius)), np.float32) for radius in (1, 3))
    return fine - slow


def _without_lines(pixels: np.ndarray) -> np.ndarray:
    """Pixels (..., h, w) without what is the same in a whole row or column: any street has kerbs and edges of roofs."""
    pixels = pixels - pixels.mean(axis=-1, keepdims=True)
    return pixels - pixels.mean(axis=-2, keepdims=True)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) with mean 0 and length 1; flat ones become nearly 0."""
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
