"""Trees, hedges and fences."""

from __future__ import annotations

import numpy as np

from crn_hub.scenes.canvas import Canvas, Colour
from crn_hub.scenes.labels import FENCE, TREE

LEAVES: list[Colour] = [(74, 98, 46), (96, 112, 54), (62, 84, 50), (124, 108, 56), (98, 84, 62)]
FENCES: list[Colour] = [(92, 74, 56), (124, 100, 74), (58, 62, 58), (150, 154, 152)]
TURN = np.linspace(0, 2 * np.pi, 26, endpoint=False)  # corners of a blob of leaves
COS, SIN = np.cos(TURN), np.sin(TURN)


def paint_tree(canvas: Canvas, x: float, z: float, height: float) -> None:
    rng, leaf, thick = canvas.rng, canvas.pick(LEAVES), 0.02 * height + 0.06
    bare, width = height * rng.uniform(0.2, 0.38), height * rng.uniform(0.25, 0.42)
    trunk = [(-thick, 0), (-thick / 2, height * 0.6), (thick / 2, height * 0.6), (thick, 0)]
    canvas.fill(canvas.facing(x, z, trunk), TREE, (74, 62, 50), z, 0.8)
    if rng.random() < 0.12:  # a conifer
        for level in (0.3, 0.48, 0.66, 0.84):
            paint_crown(canvas, x, height * level, z, width * (1.25 - level), height * 0.16, (50, 70, 48))
    else:
        paint_crown(canvas, x, (bare + height) / 2, z, width, (height - bare) / 2, leaf)


def paint_crown(canvas: Canvas, x: float, y: float, z: float, rx: float, ry: float, leaf: Colour) -> None:
    """A heap of ragged blobs within an ellipse, darker below and away from the sun."""
    rng, count = canvas.rng, 12 if z < 60 else 6
    angle, away = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.15, 0.75, count)
    size = rng.uniform(0.3, 0.5, count)
    size[0], away[0] = 0.75, 0.1  # a core that connects the others
    across, up = np.cos(angle) * away, np.sin(angle) * away
    radius = size[:, None] * (1 + 0.14 * rng.standard_normal((count, len(TURN))))
    (px, py), scale = canvas.at(x, y, z), canvas.scale / z
    xs = px + (across[:, None] + radius * COS) * rx * scale
    ys = py - (up[:, None] + radius * SIN) * ry * scale
    blobs = np.stack([xs, ys], -1).reshape(count, -1).tolist()
    shades = 0.84 + 0.28 * up + 0.25 * canvas.sun * canvas.sun_side * across + rng.normal(0, 0.05, count)
    for n in [0, *(np.argsort(up[1:]) + 1).tolist()]:
        canvas.fill(blobs[n], TREE, leaf, z, float(shades[n]))


def paint_hedge(canvas: Canvas, x: float, z0: float, z1: float, height: float) -> None:
    tops = (height * canvas.rng.uniform(0.85, 1.15, 14)).tolist()
    points = [canvas.at(x, top, z) for top, z in zip(tops, np.linspace(z0, z1, 14).tolist(), strict=True)]
    canvas.fill([*points, canvas.at(x, 0, z1), canvas.at(x, 0, z0)], TREE, (64, 84, 44), z0, 0.85)


def paint_fence(canvas: Canvas, x: float, z0: float, z1: float, height: float, paint: Colour, boards: bool) -> None:
    """Boards, or see-through railings. The ids are solid either way, as in hand-made labels."""
    canvas.fill(canvas.along(x, z0, z1, 0, height), FENCE, paint, z0, 0.9, 255 if boards else 90)
    for z in np.arange(z0, z1, 0.25).tolist():
        canvas.line([canvas.at(x, 0, z), canvas.at(x, height, z)], paint, z, 0.6)
    for y in (0.15, height):
        canvas.fill(canvas.along(x, z0, z1, y - 0.05, y), FENCE, paint, z0, 0.7)
