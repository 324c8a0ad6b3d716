"""Draws the starting layouts of the demo: six procedural scenes, and three of straight shapes made by hand.

They are palette PNGs of 512 x 256 pixels in the classes of scenes.

python scripts/draw_layouts.py
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from crn_hub.classes import ClassSet
from crn_hub.scenes import (
    BICYCLIST,
    BUILDING,
    CAR,
    DOOR,
    FENCE,
    PAVEMENT,
    PEDESTRIAN,
    POLE,
    ROAD,
    SCENE_CLASSES,
    SIGN,
    SKY,
    TREE,
    WINDOW,
    street_scene,
)

FOLDER = Path(__file__).parent.parent / "crn_hub" / "demo" / "examples"

Draw = ImageDraw.ImageDraw
Edge = tuple[float, float, float]  # x, top, bottom


def facade(draw: Draw, left: Edge, right: Edge, floors: int, columns: int, door: int) -> None:
    """Windows, and a door in column `door`, on a wall between two upright edges, in perspective."""
    (x0, top0, bottom0), (x1, top1, bottom1) = left, right
    tall0, tall1 = bottom0 - top0, bottom1 - top1

    def at(along: float, up: float) -> tuple[float, float]:  # both 0..1 on the wall itself
        tall = 1 / ((1 - along) / tall0 + along / tall1)  # the height in the picture is one over the distance
        across = along * tall / tall1
        return x0 + across * (x1 - x0), bottom0 + across * (bottom1 - bottom0) - up * tall

    for floor, column in product(range(floors), range(columns)):
        kind, low, high = (DOOR, 0.06, 0.76) if (floor, column) == (0, door) else (WINDOW, 0.3, 0.8)
        a, b = (column + 0.28) / columns, (column + 0.72) / columns
        low, high = (floor + low) / floors, (floor + high) / floors
        draw.polygon([at(a, low), at(a, high), at(b, high), at(b, low)], kind)


def car(draw: Draw, x: int, y: int, size: int) -> None:
    """A car seen from behind that stands on (x, y)."""
    half = size // 2
    draw.polygon(
        [
            (x - half, y), (x - half, y - size * 0.4), (x - half * 0.7, y - size * 0.75),
            (x + half * 0.7, y - size * 0.75), (x + half, y - size * 0.4), (x + half, y),
        ],
        CAR,
    )  # fmt: skip


def person(draw: Draw, x: int, y: int, height: int, class_id: int = PEDESTRIAN) -> None:
    """A person who stands on (x, y)."""
    width = height * 0.15
    draw.ellipse((x - width * 0.7, y - height, x + width * 0.7, y - height * 0.82), class_id)
    draw.rounded_rectangle((x - width, y - height * 0.8, x + width, y - height * 0.4), width * 0.6, class_id)
    draw.polygon(
        [(x - width, y - height * 0.45), (x + width, y - height * 0.45), (x + width * 0.8, y), (x - width, y)], class_id
    )


def tree(draw: Draw, x: int, y: int, height: int) -> None:
    """A tree that stands on (x, y)."""
    draw.rectangle((x - height * 0.03, y - height * 0.45, x + height * 0.03, y), TREE)
    for dx, dy, radius in ((0, 0.75, 0.25), (-0.18, 0.62, 0.18), (0.19, 0.6, 0.18), (0.03, 0.52, 0.2)):
        cx, cy, r = x + dx * height, y - dy * height, radius * height
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), TREE)


def lamp(draw: Draw, x: int, y: int, height: int, arm: int) -> None:
    """A lamp post on (x, y) whose arm reaches `arm` pixels to the right."""
    draw.rectangle((x - 1, y - height, x + 1, y), POLE)
    draw.rectangle((min(x, x + arm), y - height, max(x, x + arm), y - height + 2), POLE)


def crossroads(draw: Draw) -> None:
    """Two streets meet; houses at the corners, a cyclist crosses."""
    draw.rectangle((0, 120, 512, 256), ROAD)
    for corner in ([(0, 150), (150, 140), (70, 165), (0, 190)], [(512, 150), (350, 140), (455, 165), (512, 195)]):
        draw.polygon(corner, PAVEMENT)
    draw.polygon([(0, 20), (90, 48), (150, 60), (150, 140), (0, 152)], BUILDING)
    draw.polygon([(512, 10), (400, 55), (350, 66), (350, 140), (512, 152)], BUILDING)
    facade(draw, (0, 20, 152), (150, 60, 140), 3, 4, 2)
    facade(draw, (350, 66, 140), (512, 10, 152), 3, 4, 1)
    draw.polygon([(0, 256), (0, 226), (90, 240), (130, 256)], PAVEMENT)
    draw.polygon([(512, 256), (512, 226), (420, 240), (380, 256)], PAVEMENT)
    draw.rectangle((150, 112, 350, 140), TREE)
    draw.polygon([(206, 140), (206, 92), (246, 92), (252, 80), (292, 80), (298, 140)], BUILDING)
    facade(draw, (208, 94, 140), (292, 94, 140), 2, 4, 2)
    tree(draw, 180, 142, 84)
    tree(draw, 322, 142, 74)
    lamp(draw, 118, 156, 100, 26)
    draw.rectangle((389, 110, 391, 152), POLE)
    draw.rectangle((380, 92, 400, 112), SIGN)
    car(draw, 285, 176, 46)
    person(draw, 216, 178, 40, BICYCLIST)
    person(draw, 60, 176, 46)
    person(draw, 450, 170, 44)


def bridge_ahead(draw: Draw) -> None:
    """A road passes under a railway bridge; walls and hedges on both sides."""
    draw.polygon([(0, 256), (210, 128), (300, 128), (512, 256)], ROAD)
    draw.polygon([(0, 256), (0, 216), (210, 126), (218, 130), (40, 256)], PAVEMENT)
    draw.polygon([(512, 256), (512, 216), (300, 126), (292, 130), (476, 256)], PAVEMENT)
    draw.polygon([(0, 90), (80, 74), (150, 92), (210, 100), (210, 128), (0, 218)], TREE)
    draw.polygon([(512, 84), (430, 78), (360, 96), (300, 100), (300, 128), (512, 218)], TREE)
    draw.polygon([(0, 160), (210, 116), (210, 126), (0, 216)], FENCE)
    draw.rectangle((190, 96, 320, 128), TREE)
    draw.polygon([(60, 62), (452, 62), (452, 92), (60, 92)], BUILDING)
    draw.rectangle((150, 62, 196, 140), BUILDING)
    draw.rectangle((312, 62, 358, 140), BUILDING)
    draw.rectangle((60, 54, 452, 62), FENCE)
    car(draw, 228, 160, 34)
    car(draw, 318, 196, 62)
    lamp(draw, 120, 206, 130, 34)
    draw.rectangle((404, 120, 406, 184), POLE)
    draw.ellipse((392, 98, 418, 124), SIGN)


def crayon_street(draw: Draw) -> None:
    """A child's drawing: a house, two round trees, a fence, people in front of it."""
    draw.rectangle((0, 160, 512, 256), PAVEMENT)
    draw.rectangle((0, 196, 512, 256), ROAD)
    draw.polygon([(150, 160), (150, 80), (220, 26), (290, 80), (290, 160)], BUILDING)
    draw.rectangle((262, 28, 276, 70), BUILDING)
    draw.ellipse((210, 50, 230, 70), WINDOW)
    facade(draw, (150, 80, 160), (290, 80, 160), 1, 3, 1)
    for x, radius in ((70, 44), (420, 52)):
        draw.rectangle((x - 7, 100, x + 7, 168), TREE)
        draw.ellipse((x - radius, 88 - radius, x + radius, 88 + radius), TREE)
    draw.rectangle((300, 132, 372, 166), FENCE)
    draw.rectangle((110, 132, 140, 166), FENCE)
    draw.rounded_rectangle((300, 188, 420, 232), 10, CAR)
    draw.rounded_rectangle((322, 166, 396, 200), 12, CAR)
    draw.ellipse((312, 220, 338, 246), CAR)
    draw.ellipse((382, 220, 408, 246), CAR)
    person(draw, 190, 196, 44)
    person(draw, 226, 196, 36)
    person(draw, 480, 196, 46)


SCENES = {  # seeds
    "avenue": 12,
    "high-street": 0,
    "park-road": 9,
    "two-cyclists": 21,
    "lorry-ahead": 22,
    "parked-cars": 25,
}

DRAWINGS: dict[str, Callable[[Draw], None]] = {
    "crossroads": crossroads,
    "bridge-ahead": bridge_ahead,
    "crayon-street": crayon_street,
}


def ids_of(draw: Callable[[Draw], None]) -> np.ndarray:
    """The ids of a drawing, uint8 (256, 512)."""
    image = Image.new("L", (512, 256), SKY)
    pen = ImageDraw.Draw(image)
    pen.fontmode = "1"  # no antialiasing
    draw(pen)
    return np.asarray(image)


def all_layouts() -> dict[str, np.ndarray]:
    """Name of the file -> ids, uint8 (256, 512)."""
    scenes = {name: street_scene(seed)[0] for name, seed in SCENES.items()}
    return scenes | {name: ids_of(draw) for name, draw in DRAWINGS.items()}


def main() -> None:
    for name, ids in all_layouts().items():
        ClassSet.load(SCENE_CLASSES).to_image(ids).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
