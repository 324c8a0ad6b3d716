"""Buildings: houses along the street, houses that close the view, and their walls with windows."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from crn_hub.scenes.canvas import Canvas, Colour, Point, rectangle
from crn_hub.scenes.labels import BUILDING, DOOR, WINDOW
from crn_hub.scenes.street import Block, Side

NEAR = 1.5  # metres; nearer things beside the street are out of view
END_LIGHT = 0.82  # on walls that face the camera

STEP = 0.2  # metres, under a door

# Smaller windows and doors have no ids of their own: height and width in picture widths, under which are 5 % of the
# windows that people outlined in LabelMeFacade; and pixels, for small pictures.
LOWEST, NARROWEST, PIXELS = 0.02, 0.01, 2

# fmt: off
WALLS: list[Colour] = [
    (152, 98, 78), (168, 118, 92), (186, 164, 128), (202, 190, 158), (214, 208, 196), (128, 92, 80),
    (160, 150, 138), (196, 176, 150), (138, 108, 86), (178, 186, 190)]
ROOFS: list[Colour] = [(112, 70, 56), (84, 84, 92), (98, 84, 74)]
GLOW: Colour = (330, 270, 170)  # of a lit room at dusk
TRIMS: list[Colour] = [(34, 72, 54), (120, 32, 36), (36, 50, 96), (60, 58, 60), (196, 150, 50), (214, 210, 200)]
# fmt: on


def paint_building(canvas: Canvas, side: Side, block: Block) -> None:
    """A house along the street: the wall to the street, the end wall towards the camera, a roof, chimneys."""
    rng, at = canvas.rng, canvas.at
    wall, tiles, shade = canvas.pick(WALLS), canvas.pick(ROOFS), canvas.wall_light(side.sign)
    roof = rng.choice(["flat", "pitched", "gables"], p=[0.0, 0.8, 0.2] if side.green else [0.4, 0.45, 0.15])
    deep, rise = rng.uniform(7, 11), rng.uniform(1.5, 3.2)
    chimneys, shop = rng.random() < 0.5, side.style == "shops" and rng.random() < 0.85
    z0, z1, height, top = max(block.z0, NEAR), block.z1, block.height, block.height + rise
    x, ridge, far = (side.sign * (block.x + behind) for behind in (0, deep / 2, deep))

    if roof == "pitched":
        for z in (z0 + 0.5, z1 - 0.5) if chimneys else ():
            stack = canvas.facing(ridge, z, rectangle(-0.5, height, 0.5, top + 1))
            canvas.fill(stack, BUILDING, (124, 82, 66), z, END_LIGHT)
        slope = [at(x, height, z0), at(ridge, top, z0), at(ridge, top, z1), at(x, height, z1)]
        canvas.fill(slope, BUILDING, tiles, z0, shade)
        canvas.fill([at(x, height, z0), at(ridge, top, z0), at(far, height, z0)], BUILDING, wall, z0, END_LIGHT)
    if z0 > 40:  # too far away, and too well hidden by its neighbours, for windows to show
        canvas.fill(canvas.facing(0, z0, rectangle(x, 0, far, height)), BUILDING, wall, z0, END_LIGHT)
    elif z0 > NEAR:
        _paint_facade(canvas, (far, z0), (x, z0), height, wall, END_LIGHT)
    _paint_facade(canvas, (x, z0), (x, z1), height, wall, shade, shop)
    if roof == "flat":
        canvas.fill(canvas.along(x, z0, z1, height - 0.3, height + 0.2), BUILDING, (196, 192, 184), z0, shade)
    if roof == "gables":
        steps = np.linspace(z0, z1, max(1, round((z1 - z0) / 6)) + 1).tolist()
        for a, b in pairwise(steps):
            peak = [at(x, height, a), at(x, top, (a + b) / 2), at(x, height, b)]
            canvas.fill(peak, BUILDING, wall, a, shade)


def paint_far_house(canvas: Canvas, x: float, z: float, wide: float, height: float, rise: float) -> None:
    """A house that faces the camera."""
    roof = [(0.0, height), (0.12 * wide, height + rise), (0.88 * wide, height + rise), (wide, height)]
    canvas.fill(canvas.facing(x, z, roof), BUILDING, canvas.pick(ROOFS), z)
    _paint_facade(canvas, (x, z), (x + wide, z), height, canvas.pick(WALLS), 0.88)


def _paint_facade(
    canvas: Canvas,
    start: Point,
    stop: Point,
    height: float,
    wall: Colour,
    shade: float,
    shop: bool = False,
) -> None:
    """A wall above the line start..stop on the ground, each (x, z), with windows, a door, and perhaps a shop."""
    rng, (x0, z0), (x1, z1) = canvas.rng, start, stop
    long, z = math.hypot(x1 - x0, z1 - z0), (z0 + z1) / 2
    dx, dz = (x1 - x0) / long, (z1 - z0) / long

    def patch(a: float, b: float, low: float, high: float) -> list[Point]:  # a, b: metres along the wall
        return [canvas.at(x0 + dx * along, y, z0 + dz * along) for along, y in rectangle(a, low, b, high)]

    def detail(a: float, b: float, low: float, high: float, colour: Colour, kind: int | None = None) -> None:
        points = patch(a, b, low, high)
        canvas.fill(points, kind if _would_be_labelled(canvas, points) else None, colour, z, shade)

    floors, columns = max(1, round(height / 3)), max(1, round(long / rng.uniform(2.2, 3.2)))
    storey, pitch = height / floors, long / columns
    wide, tall = pitch * rng.uniform(0.36, 0.55), storey * rng.uniform(0.42, 0.6)  # of a window
    frame: Colour = (226, 224, 216) if rng.random() < 0.7 else (70, 66, 62)
    door, trim = int(rng.integers(columns)), canvas.pick(TRIMS)
    lit = rng.random((floors, columns)) < (0.3 if canvas.dusk else 0)
    sheen = rng.uniform(45, 95, (floors, columns)).tolist()

    canvas.fill(patch(0, long, 0, height), BUILDING, wall, z, shade)
    if z < 40:
        detail(0, long, 0, 0.5, (110, 104, 98))
        for course in np.arange(0.9, height, 0.45).tolist():  # a hint of bricks or panels
            canvas.line(patch(0, long, course, course)[::3], wall, z, shade * 0.7, 60)
    if shop:
        detail(0.2, long - 0.2, 0.5, storey - 0.7, (58, 62, 66))
        detail(0.1, long - 0.1, storey - 0.7, storey - 0.1, trim)
    for floor, column in np.ndindex(floors, columns):
        a, low, g = column * pitch + (pitch - wide) / 2, (floor + 0.3) * storey, sheen[floor][column]
        if floor == 0 and column == door:
            detail(a, a + 1, STEP, 2.1, trim, DOOR)
        elif shop and floor == 0:
            detail(a - 0.4, a + wide + 0.4, 0.6, storey - 0.9, (g * 1.3, g * 1.3, g * 1.2), WINDOW)
        else:
            if z < 60:
                detail(a - 0.1, a + wide + 0.1, low - 0.12, low + tall + 0.1, frame, WINDOW)
            detail(a, a + wide, low, low + tall, GLOW if lit[floor, column] else (g * 0.9, g, g * 1.1), WINDOW)
            if z < 25:
                bar = low + tall / 2
                detail(a, a + wide, bar - 0.04, bar + 0.04, frame)


def _would_be_labelled(canvas: Canvas, outline: list[Point]) -> bool:
    """Whether a window or a door is so large in the picture that people who label photographs would outline it."""
    xs, ys = zip(*outline, strict=True)
    high, wide = (max(values) - min(values) for values in (ys, xs))
    return high >= max(LOWEST * canvas.width, PIXELS) and wide >= max(NARROWEST * canvas.width, PIXELS)
