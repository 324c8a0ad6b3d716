"""Finds photographs within pictures, at any place and size: in a contact sheet, a screenshot, a corner of a plot.

Of each photograph the middle is looked for, which every crop of it keeps. Two steps: normalised correlation of coarse
templates with all windows of the picture, at many sizes; then, where that is highest, correlation of fine ones, in
which only edges are left: what a network makes of the photograph's layout has the slow changes of brightness too.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

SMALLEST, STEP = 36, 1.18  # height in pixels of the smallest middle that is looked for; ratio of one height to the next
SCALES = (0.92, 0.96, 1.0, 1.04, 1.08)  # of the heights between
COARSE, FINE, MARGIN = 6, 24, 4  # heights of templates, half their widths; how far fine ones are moved
ALIKE, PLACES = 0.75, 3  # correlation of coarse templates from which fine ones are tried; at how many heights at most

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
        self.coarse, self.fine = (_normalised(np.stack(p).reshape(len(p), -1)) for p in (coarse, fine))


def correlations(picture: Image.Image, templates: Templates) -> np.ndarray:
    """For each photograph, how much the part of the picture that is most like it is like it: 0..1, 1 is a copy."""
    grey = picture.convert("L")
    heights = SMALLEST * STEP ** np.arange(50)
    heights = heights[heights <= min(grey.height, grey.width / 2)]
    found = [_search(grey, height, templates) for height in heights]  # of each (3, photographs)
    result = np.zeros(len(templates.coarse))
    for photograph in range(len(result)):
        places = sorted((*places[:, photograph], height) for places, height in zip(found, heights, strict=True))
        for coarse, left, top, height in places[-PLACES:]:
            if coarse > ALIKE:
                refined = _refined(grey, left, top, height, templates.fine[photograph])
                result[photograph] = max(result[photograph], refined)
    return result


def _search(grey: Image.Image, height: float, templates: Templates) -> np.ndarray:
    """(3, photographs): the highest correlation with a window of `height` pixels, and the window's left and top."""
    size = [max(2 * COARSE, round(length * COARSE / height)) for length in grey.size]
    pixels = np.asarray(grey.resize((size[0], size[1]), Image.Resampling.BOX), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (COARSE, 2 * COARSE))
    across = windows.shape[1]
    flat = windows.reshape(-1, 2 * COARSE**2)
    places = np.flatnonzero(flat.std(axis=1) > templates.flattest / 2)
    best, at = np.zeros(len(templates.coarse), np.float32), np.zeros(len(templates.coarse), int)
    for some in np.array_split(places, len(places) // 8192 + 1):
        if len(some):
            values = _normalised(flat[some]) @ templates.coarse.T
            highest = values.argmax(axis=0)
            value = values[highest, range(len(best))]
            at = np.where(value > best, some[highest], at)
            best = np.maximum(value, best)
    return np.stack([best, at % across * grey.width / size[0], at // across * grey.height / size[1]])


def _refined(grey: Image.Image, left: float, top: float, height: float, template: np.ndarray) -> float:
    """The highest correlation of a fine template with windows near a place."""
    best = 0.0
    x, y = left + height, top + height / 2  # the middle
    for scale in SCALES:
        unit = height * scale / FINE
        half = unit * (FINE / 2 + MARGIN)
        edges = _edges(grey, (x - 2 * half, y - half, x + 2 * half, y + half), FINE + 2 * MARGIN)
        windows = np.lib.stride_tricks.sliding_window_view(edges, (FINE, 2 * FINE))[:, MARGIN:-MARGIN]
        best = max(best, float((_normalised(windows.reshape(-1, 2 * FINE**2)) @ template).max()))
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
    fine, slow = (np.asarray(small.filter(ImageFilter.GaussianBlur(radius)), np.float32) for radius in (0.8, 3))
    return fine - slow


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) with mean 0 and length 1; flat ones become nearly 0."""
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
