"""A whole scene: plans a street, then paints everything in it from far to near.

Each thing is painted on the ids and on the picture at once, so that the two agree. No random draw depends on the size,
so a seed gives the same scene at every size; changing the order of the draws would change the scene of every seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from operator import index

import numpy as np
from PIL import Image

from crn_hub.scenes.background import paint_background
from crn_hub.scenes.buildings import paint_building, paint_far_house
from crn_hub.scenes.canvas import Canvas
from crn_hub.scenes.figures import SIGNS, paint_figure
from crn_hub.scenes.gardens import FENCES, paint_crown, paint_fence, paint_hedge, paint_tree
from crn_hub.scenes.street import LANE, Side, Street
from crn_hub.scenes.texture import develop
from crn_hub.scenes.vehicles import BODIES, paint_vehicle

Thing = tuple[float, Callable[[], None]]  # metres from the camera, by which painting is ordered; paints it


def street_scene(seed: int, size: tuple[int, int] = (256, 512)) -> tuple[np.ndarray, Image.Image]:
    """A driver's view of a street that does not exist.

    Args:
        seed: 0 or more. A seed gives the same scene in every run, and the same composition at every size.
        size: (height, width) in pixels, from (32, 64) to (2048, 4096), and 1 to 3 times as wide as high.

    Returns:
        The layout, uint8 (height, width), with ids 0..12 of the class set named by SCENE_CLASSES, and the
        picture, a PIL image in RGB of the same size.

    Raises:
        ValueError: the seed is not an integer of 0 or more, or the size is out of bounds.
    """
    try:
        number = index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"The seed of a scene must be an integer of 0 or more, not {seed!r}.")
    try:
        height, width = (index(n) for n in size)
    except (TypeError, ValueError):
        height = width = 0
    if not (32 <= height <= 2048 and 64 <= width <= 4096 and height <= width <= 3 * height):
        raise ValueError(
            "The size of a scene must be (height, width) from (32, 64) to (2048, 4096) pixels "
            f"and 1 to 3 times as wide as high, not {size!r}."
        )
    rng = np.random.default_rng(number)
    canvas, street = Canvas(rng, height, width), Street(rng)
    paint_background(canvas, street)
    things = _backdrop(canvas, street.end) + _traffic(canvas, street)
    for side in street.sides:
        things += _borders(canvas, side, street.end) + _roadside(canvas, side, street.end)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    ids = np.array(canvas.ids)
    return ids, develop(rng, ids, canvas.picture)


def _backdrop(canvas: Canvas, end: float) -> list[Thing]:
    """Houses and trees that close the view where the street ends."""
    rng, things = canvas.rng, list[Thing]()
    town = rng.uniform(0.1, 0.9)
    x, stop = -0.8 * end - 20, 0.8 * end + 20
    while x < stop:
        wide, z, height = rng.uniform(8, 22), end + rng.uniform(9, 17), rng.uniform(4, 11)
        if rng.random() < town:
            things.append((z, partial(paint_far_house, canvas, x, z, wide, height, rng.uniform(0, 3))))
        else:
            bush = partial(paint_crown, canvas, x + wide / 2, height * 0.45, z, wide * 0.8, height * 0.4, (80, 96, 56))
            things += [(z - 0.1, partial(paint_tree, canvas, x + 3, z, height)), (z, bush)]
        x += wide
    return things


def _traffic(canvas: Canvas, street: Street) -> list[Thing]:
    """Cars parked and moving, cyclists, and people who cross."""
    rng, things = canvas.rng, list[Thing]()

    def drive(x: float, rear: float, yaw: float, buses: float = 0.0) -> None:
        kind = str(rng.choice(list(BODIES), p=[0.54 - buses, 0.3, 0.16, buses]))
        z = rear + BODIES[kind].length / 2 * abs(math.cos(yaw))
        things.append((z, partial(paint_vehicle, canvas, x, z, yaw + rng.normal(0, 0.025), kind)))

    for side in street.sides:
        z = rng.uniform(5, 14)
        while side.parked and z < min(street.end, 110):
            if rng.random() < 0.75 and not side.blocked(z) and not side.blocked(z + 5):
                drive(side.sign * (side.kerb - 1.05), z, 0 if side.sign < 0 or rng.random() < 0.4 else math.pi)
            z += rng.uniform(5.2, 8)
    for lane, yaw in ((0.0, 0.0), (LANE, math.pi)):
        z = rng.uniform(9, 30)
        while rng.random() < 0.72 and z < min(street.end, 100):
            drive(lane + rng.normal(0, 0.15), z, yaw, 0.08)
            z += rng.uniform(10, 40)
    if street.junction and rng.random() < 0.5:
        drive(rng.uniform(-5, 8), street.junction + 3, math.pi / 2 * float(rng.choice([-1, 1])))
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.45 else 0):
        z, name = rng.uniform(8, 30), "rider" if rng.random() < 0.75 else "rider from the side"
        things.append((z, partial(paint_figure, canvas, name, float(rng.choice([-1.2, -0.9, LANE + 1.1])), z)))
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.2 else 0):
        z = rng.uniform(10, 26)
        things.append((z, partial(paint_figure, canvas, "person", rng.uniform(-2, 5), z)))
    return things


def _borders(canvas: Canvas, side: Side, end: float) -> list[Thing]:
    """Fences or hedges around gardens and parks, sometimes railings at the kerb."""
    rng, things = canvas.rng, list[Thing]()
    kind = rng.choice(["fence", "hedge", "none"], p=[0.45, 0.35, 0.2] if side.green else [0.15, 0.0, 0.85])
    x, height = side.sign * (side.front + 0.1 if side.green else side.kerb + 0.3), rng.uniform(0.9, 1.5)
    colour, boards = canvas.pick(FENCES), bool(side.green and rng.random() < 0.5)
    z = rng.uniform(2, 10)
    while z < end and kind != "none":
        stop = z + rng.uniform(8, 22)
        for a in np.arange(z, stop - 1, 5).tolist():  # short runs follow the bend
            b = min(a + 5, stop)
            if side.blocked(a) or side.blocked(b):
                continue
            if kind == "fence":
                things.append((b, partial(paint_fence, canvas, x, a, b, height, colour, boards)))
            else:
                things.append((b, partial(paint_hedge, canvas, x, a, b, height + 0.4)))
        z = stop + rng.uniform(0.5, 6)
    return things


def _roadside(canvas: Canvas, side: Side, end: float) -> list[Thing]:
    """Buildings, trees, lamps, signs and people on one side."""
    things: list[Thing] = [(block.z1, partial(paint_building, canvas, side, block)) for block in side.blocks]
    things += _trees(canvas, side, end) + _street_furniture(canvas, side, end) + _pedestrians(canvas, side)
    return [(z, paint) for z, paint in things if z > 2 and not side.blocked(z)]  # nearer ones are out of view


def _trees(canvas: Canvas, side: Side, end: float) -> list[Thing]:
    """Trees in gardens and parks, and rows of them at the kerb."""
    rng, edge, things = canvas.rng, side.kerb + 0.4, list[Thing]()
    if side.green:
        for _ in range(int(rng.integers(8, 18) if side.style == "park" else rng.integers(0, 8))):
            x, z = side.front + rng.exponential(5) + 1, rng.uniform(7, end)
            things.append((z, partial(paint_tree, canvas, side.sign * x, z, rng.uniform(4, 13))))
    if rng.random() < 0.35:
        for z in np.arange(rng.uniform(8, 20), end, rng.uniform(9, 20)).tolist():
            things.append((z, partial(paint_tree, canvas, side.sign * (edge + 0.5), z, rng.uniform(4, 9))))
    return things


def _street_furniture(canvas: Canvas, side: Side, end: float) -> list[Thing]:
    """Lamps, signs and bollards at the kerb."""
    rng, x, things = canvas.rng, side.sign * (side.kerb + 0.4), list[Thing]()
    if rng.random() < 0.8:
        for z in np.arange(rng.uniform(5, 25), end, rng.uniform(18, 32)).tolist():
            things.append((z, partial(paint_figure, canvas, "lamp", x, z, -side.sign)))
    for _ in range(int(rng.integers(0, 4))):
        z = rng.uniform(7, 45)
        things.append((z, partial(paint_figure, canvas, str(rng.choice(SIGNS)), x, z)))
    if rng.random() < 0.15:
        for z in np.arange(rng.uniform(6, 9), 30, 1.8).tolist():
            things.append((z, partial(paint_figure, canvas, "bollard", x, z)))
    return things


def _pedestrians(canvas: Canvas, side: Side) -> list[Thing]:
    """People on the pavement, alone and in pairs."""
    rng, things = canvas.rng, list[Thing]()
    for _ in range(int(rng.poisson(2.5 if side.style == "shops" else 1.2))):
        x, z = side.sign * rng.uniform(side.kerb + 0.5, side.front - 0.3), rng.uniform(7, 40)
        for n in range(2 if rng.random() < 0.3 else 1):
            things.append((z + 0.1 * n, partial(paint_figure, canvas, "person", x + 0.6 * n, z)))
    return things
