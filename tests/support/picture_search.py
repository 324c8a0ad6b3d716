"""Finds photographs within pictures, at any place and size: in a contact sheet, a screenshot, a corner of a plot.

Of each photograph the middle is looked for, which every crop of it keeps. Two steps: normalised correlation of coarse
templates with all windows of the picture, at many sizes; then, where that is highest, correlation of fine ones, in
which only edges are left: what a network makes of the photograph's layout has the slow changes of brightness too.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

SMALLEST, STEP = 36, 1.1  # height in pixels of the smallest middle that is looked for; ratio of one height to the next
SCALES = (0.967, 1.0, 1.033)  # of the heights between
COARSE, FINE, MARGIN = 6, 32, 3  # heights of templates, half their widths; how far fine ones are moved
ALIKE = 0.7  # correlation of coarse templates from which fine ones are tried
FOUND = 0.85  # correlation of fine templates: nine in ten copies have more, other pictures here at most 0.77

Places = tuple[np.ndarray, np.ndarray, np.ndarray]  # (places, photographs): correlation, left, top
Box = tuple[float, float, float, float]  # left, top, right, bottom


def _in_windows(length: int) -> np.ndarray:
    """0 or 1 (windows, places): which places in a row are in which of the windows of this length."""
    first, place = np.arange(2 * MARGIN + 1)[:, None], np.arange(length + 2 * MARGIN)
    return ((place >= first) & (place < first + length)).astype(np.float32)


DOWN, ACROSS = _in_windows(FINE), _in_windows(2 * FINE).T  # DOWN @ pixels @ ACROSS are the sums over fine windows


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
    found = [_search(grey, height, templates) for height in heights]
    result = np.zeros(len(templates.coarse))
    if not found:
        return result
    values, lefts, tops = (np.concatenate(parts) for parts in zip(*found, strict=True))
    sides = np.repeat(heights, [len(best[0]) for best in found])
    for photograph in range(len(result)):
        for at in np.argsort(values[:, photograph])[-places:]:
            if values[at, photograph] > ALIKE:
                place = lefts[at, photograph], tops[at, photograph], sides[at]
                refined = _refined(grey, *place, templates.fine[photograph])
                result[photograph] = max(result[photograph], refined)
    return result


def _search(grey: Image.Image, height: float, templates: Templates) -> Places:
    """Windows of `height` pixels, part by part of the picture: for each photograph the one most like it."""
    size = (max(2 * COARSE, round(grey.width * COARSE / height)), max(COARSE, round(grey.height * COARSE / height)))
    pixels = np.asarray(grey.resize(size, Image.Resampling.BOX), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (COARSE, 2 * COARSE))
    across = -(-windows.shape[1] // (2 * COARSE))
    found = []
    for y in range(0, windows.shape[0], COARSE):
        row = windows[y : y + COARSE]
        vectors = np.zeros((COARSE, across * 2 * COARSE, 2 * COARSE**2), np.float32)  # no window: like none
        vectors[: len(row), : row.shape[1]] = row.reshape(*row.shape[:2], -1)
        vectors = vectors.reshape(COARSE, across, 2 * COARSE, -1).swapaxes(0, 1).reshape(-1, vectors.shape[-1])
        normalised = _normalised(vectors)
        normalised[vectors.std(axis=1) <= templates.flattest / 2] = 0
        values = (normalised @ templates.coarse.T).reshape(across, -1, len(templates.coarse))
        best = values.argmax(axis=1)
        down, right = np.divmod(best, 2 * COARSE)
        right += 2 * COARSE * np.arange(across)[:, None]
        left, top = right * grey.width / size[0], (y + down) * grey.height / size[1]
        found.append((np.take_along_axis(values, best[:, None], axis=1)[:, 0], left, top))
    values, lefts, tops = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return values, lefts, tops


def _refined(grey: Image.Image, left: float, top: float, height: float, template: np.ndarray) -> float:
    """The highest correlation of a fine template with windows near a place."""
    best = 0.0
    x, y = left + height, top + height / 2  # the middle
    for scale in SCALES:
        unit = height * scale / FINE
        half = unit * (FINE / 2 + MARGIN)
        edges = _edges(grey, (x - 2 * half, y - half, x + 2 * half, y + half), FINE + 2 * MARGIN)
        edges = edges[:, MARGIN:-MARGIN]
        windows = np.lib.stride_tricks.sliding_window_view(edges, (FINE, 2 * FINE))
        products = windows.reshape(-1, 2 * FINE**2) @ template  # in which there are no lines, so they count nowhere
        lengths = np.sqrt(np.maximum(_squares_without_lines(edges), 1)).ravel()
        best = max(best, float((products / lengths).max()))
    return best


def _squares_without_lines(pixels: np.ndarray) -> np.ndarray:
    """The sum of squares of `_without_lines` of each window (FINE, 2 * FINE)."""
    of_rows, of_columns = pixels @ ACROSS, DOWN @ pixels  # of each line in a window
    lines = DOWN @ of_rows**2 / (2 * FINE) + of_columns**2 @ ACROSS / FINE
    return DOWN @ pixels**2 @ ACROSS - lines + (DOWN @ of_rows) ** 2 / (2 * FINE**2)


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
