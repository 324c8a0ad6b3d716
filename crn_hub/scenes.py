"""Procedural street scenes: a seed gives a layout of class ids and a picture that fits it, pixel by pixel.

They stand in where no photographs are at hand: the quick training run, example layouts, "surprise me" in the
demo, and tests. What is in them follows the driver's-view labels of CamVid (Brostow et al., 2009): streets
with left-hand traffic and parked cars, houses in rows, trees with lumpy crowns, thin poles.

A scene is a small world in metres: x to the right, y up, z ahead of the camera, which looks along a street
whose bend adds `bend * z**2` to x. Sky and ground are computed per pixel; everything else is polygons,
painted from far to near on the ids and on the picture at once, so that the two agree. No random draw depends
on the size, so a seed means the same scene at every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from operator import index

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SCENE_CLASSES = "camvid"  # the preset of ClassSet that the ids belong to
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)

Colour = tuple[float, float, float]
Point = tuple[float, float]
Thing = tuple[float, Callable[[], None]]  # metres from the camera, for the order of painting; what paints it

FOCAL = 0.8  # focal length in image widths, about that of CamVid's camera
NEAR = 1.5  # metres: what stands beside the street is out of view when nearer than this
LANE = 3.2  # metres; the camera drives in the middle of the left lane, at x = 0

# By time of day: how often, sky at the top, sky at the horizon, light on things, strength of the sun.
LIGHTS: list[tuple[float, Colour, Colour, Colour, float]] = [
    (0.34, (86, 138, 206), (205, 222, 238), (1.08, 1.04, 0.96), 1.0),  # sunny
    (0.26, (176, 198, 222), (242, 244, 245), (1.0, 1.0, 1.0), 0.5),  # bright
    (0.26, (172, 178, 186), (218, 220, 222), (0.84, 0.86, 0.89), 0.0),  # overcast
    (0.14, (66, 82, 118), (226, 178, 140), (0.60, 0.55, 0.57), 0.25),  # dusk
]
DUSK = 3
# fmt: off
WALLS: list[Colour] = [
    (152, 98, 78), (168, 118, 92), (186, 164, 128), (202, 190, 158), (214, 208, 196), (128, 92, 80),
    (160, 150, 138), (196, 176, 150), (138, 108, 86), (178, 186, 190)]
ROOFS: list[Colour] = [(112, 70, 56), (84, 84, 92), (98, 84, 74)]
PAINTS: list[Colour] = [  # of cars
    (36, 38, 44), (188, 192, 196), (232, 232, 230), (150, 28, 32), (38, 62, 118), (96, 102, 108),
    (52, 84, 66), (24, 26, 30), (120, 132, 146), (170, 154, 120)]
CLOTHES: list[Colour] = [
    (40, 44, 56), (70, 66, 70), (128, 44, 44), (54, 76, 118), (150, 142, 128), (36, 60, 50), (196, 190, 60)]
TRIMS: list[Colour] = [(34, 72, 54), (120, 32, 36), (36, 50, 96), (60, 58, 60), (196, 150, 50), (214, 210, 200)]
HUES: list[Colour] = [(34, 74, 160), (196, 36, 40), (24, 100, 62), (226, 190, 60)]  # of signs
LEAVES: list[Colour] = [(74, 98, 46), (96, 112, 54), (62, 84, 50), (124, 108, 56), (98, 84, 62)]
FENCES: list[Colour] = [(92, 74, 56), (124, 100, 74), (58, 62, 58), (150, 154, 152)]
SKIN, HAIR, RUBBER = (196, 152, 126), (62, 48, 38), (30, 30, 32)
STEEL, WHITE, RED = (108, 112, 114), (226, 226, 222), (196, 36, 40)

# Vehicles from the side, rear to front, in metres (along, up); where the glass begins; half the width.
BODIES: dict[str, tuple[list[Point], float, float]] = {
    "hatchback": ([(0.05, 0.3), (0, 0.55), (0.06, 0.92), (0.5, 1.4), (1.0, 1.48), (2.2, 1.45), (3.0, 0.95),
                   (3.8, 0.8), (3.95, 0.6), (3.92, 0.3)], 0.95, 0.86),
    "saloon": ([(0.05, 0.3), (0, 0.6), (0.06, 0.96), (0.6, 1.0), (1.2, 1.4), (2.5, 1.43), (3.3, 0.97),
                (4.3, 0.78), (4.48, 0.55), (4.45, 0.3)], 0.98, 0.88),
    "van": ([(0.05, 0.35), (0, 0.6), (0.02, 1.2), (0.1, 1.95), (0.3, 2.05), (3.5, 2.05), (4.2, 1.2),
             (4.9, 1.0), (5.0, 0.6), (4.95, 0.35)], 1.2, 0.95),
    "bus": ([(0.05, 0.4), (0, 0.7), (0.02, 1.4), (0.1, 2.9), (0.3, 3.0), (9.7, 3.0), (9.95, 1.4),
             (10, 0.9), (10, 0.7), (9.95, 0.4)], 1.4, 1.22),
}


def _disc(x: float, y: float, rx: float, ry: float) -> list[Point]:
    return [(x + rx * math.cos(n * math.pi / 8), y + ry * math.sin(n * math.pi / 8)) for n in range(16)]


def _box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    return [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]


# Small things as flat parts facing the camera, in metres (right, up): class, colour or its name, outline.
Part = tuple[int, Colour | str, list[Point]]
TRUNK: list[Part] = [  # head and body, of people on foot; riders get the same as another class
    (PEDESTRIAN, "coat", [(-0.18, 0.8), (-0.24, 1.38), (-0.1, 1.5), (0.1, 1.5), (0.24, 1.38), (0.18, 0.8)]),
    (PEDESTRIAN, "coat", [(-0.24, 1.4), (-0.36, 0.9), (-0.26, 0.86), (-0.12, 1.35)]),
    (PEDESTRIAN, "coat", [(0.24, 1.4), (0.4, 0.94), (0.3, 0.88), (0.12, 1.35)]),
    (PEDESTRIAN, SKIN, _disc(0, 1.62, 0.1, 0.13)), (PEDESTRIAN, HAIR, _disc(0, 1.69, 0.11, 0.09))]
POST: Part = (POLE, STEEL, _box(-0.05, 0, 0.05, 2.5))
FIGURES: dict[str, list[Part]] = {
    "person": [
        (PEDESTRIAN, "legs", [(-0.14, 0.9), (0.03, 0.9), (-0.10, 0), (-0.28, 0)]),
        (PEDESTRIAN, "legs", [(-0.03, 0.9), (0.14, 0.9), (0.30, 0), (0.14, 0)]), *TRUNK],
    "rider": [
        (BICYCLIST, RUBBER, _disc(0, 0.34, 0.05, 0.34)),
        (BICYCLIST, "legs", [(-0.17, 0.95), (-0.04, 0.95), (-0.08, 0.22), (-0.18, 0.22)]),
        (BICYCLIST, "legs", [(0.04, 0.95), (0.17, 0.95), (0.18, 0.45), (0.08, 0.45)]),
        *((BICYCLIST, colour, outline) for _, colour, outline in TRUNK)],
    "rider from the side": [
        (BICYCLIST, RUBBER, _disc(-0.52, 0.34, 0.34, 0.34)), (BICYCLIST, RUBBER, _disc(0.52, 0.34, 0.34, 0.34)),
        (BICYCLIST, STEEL, _disc(-0.52, 0.34, 0.27, 0.27)), (BICYCLIST, STEEL, _disc(0.52, 0.34, 0.27, 0.27)),
        (BICYCLIST, RED, [(-0.52, 0.3), (-0.2, 0.9), (0.42, 0.86), (0.52, 0.34), (0.4, 0.75), (0.0, 0.28)]),
        (BICYCLIST, "legs", [(-0.28, 1), (-0.05, 1), (0.22, 0.62), (0.1, 0.2), (-0.02, 0.2), (0.04, 0.6)]),
        (BICYCLIST, "coat", [(-0.3, 0.92), (-0.16, 1.45), (0.08, 1.5), (0.0, 0.92)]),
        (BICYCLIST, "coat", [(-0.02, 1.42), (0.46, 1.02), (0.5, 1.08), (0.08, 1.5)]),
        (BICYCLIST, SKIN, _disc(0.1, 1.62, 0.11, 0.13)), (BICYCLIST, HAIR, _disc(0.08, 1.7, 0.13, 0.08))],
    "lamp": [
        (POLE, STEEL, [(-0.08, 0), (-0.05, 7), (0.05, 7), (0.08, 0)]),
        (POLE, STEEL, [(0, 6.85), (1.3, 7.15), (1.3, 7.25), (0, 7)]),
        (POLE, WHITE, _box(1.0, 7.05, 1.8, 7.28))],
    "bollard": [(POLE, STEEL, _box(-0.06, 0, 0.06, 1.1))],
    "light": [POST, (SIGN, RUBBER, _box(-0.2, 2.1, 0.2, 3.1)), (SIGN, "lamp", _disc(0, 2.8, 0.1, 0.1)),
              (SIGN, (62, 56, 44), _disc(0, 2.4, 0.1, 0.1))],
    "round": [POST, (SIGN, "hue", _disc(0, 2.5, 0.38, 0.38)), (SIGN, WHITE, _disc(0, 2.5, 0.26, 0.26))],
    "triangle": [POST, (SIGN, RED, [(-0.46, 2.1), (0, 2.9), (0.46, 2.1)]),
                 (SIGN, WHITE, [(-0.26, 2.22), (0, 2.68), (0.26, 2.22)])],
    "plate": [POST, (SIGN, "hue", _box(-0.35, 1.9, 0.35, 2.8)), (SIGN, WHITE, _box(-0.25, 2.3, 0.25, 2.5))],
    "board": [POST, (SIGN, "hue", _box(-0.75, 2, 0.75, 3)), (SIGN, WHITE, _box(-0.6, 2.6, 0.5, 2.75)),
              (SIGN, WHITE, _box(-0.6, 2.25, 0.2, 2.4))],
}
SIGNS = ["light", "light", "round", "round", "triangle", "triangle", "plate", "board"]
# fmt: on


class _Canvas:
    """Camera, light and the two images; everything but sky and ground is painted through `fill`."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.horizon = rng.uniform(0.4, 0.5)  # image heights from the top
        self.top = int(height * self.horizon) + 1  # first row of ground
        self.heading = rng.normal(0, 0.05)  # turns the camera, so that the vanishing point wanders
        self.bend = rng.normal(0, 0.0022) if rng.random() < 0.6 else 0.0  # of the street, per metre
        self.eye = rng.uniform(1.25, 1.6)  # metres above the road
        self.time = int(rng.choice(len(LIGHTS), p=[light[0] for light in LIGHTS]))
        _, self.zenith, self.haze, tint, self.sun = LIGHTS[self.time]
        exposure = rng.uniform(0.92, 1.14)
        self.tint = (tint[0] * exposure, tint[1] * exposure, tint[2] * exposure)
        self.sun_side = 1 if rng.random() < 0.5 else -1  # +1: the sun stands to the right
        self.sun_reach = rng.uniform(0.5, 1.6)  # metres of shadow across the street per metre of height
        self.clear = rng.uniform(150, 420)  # metres after which haze hides 63 % of a thing

    def start(self, ids: np.ndarray, picture: np.ndarray) -> None:
        self.ids, self.picture = Image.fromarray(ids), Image.fromarray(picture)
        self.draw_ids, self.draw_picture = ImageDraw.Draw(self.ids), ImageDraw.Draw(self.picture, "RGBA")

    def at(self, x: float, y: float, z: float) -> Point:
        """The pixel that shows a point of the world."""
        scale = self.width * FOCAL
        across = self.width / 2 + scale * (x / z + self.bend * z + self.heading)
        return across, self.height * self.horizon - scale * (y - self.eye) / z

    def upright(self, x: float, z0: float, z1: float, low: float, high: float) -> list[Point]:
        """A rectangle that stands along the street."""
        return [self.at(x, y, z) for z, y in _box(z0, low, z1, high)]

    def colour(self, colour: Colour, z: float, shade: float, alpha: int = 255) -> tuple[int, int, int, int]:
        """What a surface of this colour looks like from z metres; shade 1 is fully lit."""
        fog = 1 - math.exp(-z / self.clear)
        (r, g, b), (tr, tg, tb), (hr, hg, hb), k = colour, self.tint, self.haze, shade * (1 - fog)
        rgb = int(r * tr * k + hr * fog), int(g * tg * k + hg * fog), int(b * tb * k + hb * fog)
        return min(rgb[0], 255), min(rgb[1], 255), min(rgb[2], 255), alpha

    def fill(
        self,
        points: Sequence[Point],
        kind: int | None,
        colour: Colour,
        z: float,
        shade: float = 1,
        alpha: int = 255,
    ) -> None:
        """Paint a polygon on both images; kind None is detail that leaves the ids as they are."""
        self.draw_picture.polygon(points, fill=self.colour(colour, z, shade, alpha))
        if kind is not None:
            self.draw_ids.polygon(points, fill=kind)

    def line(self, ends: Sequence[Point], colour: Colour, z: float, shade: float, alpha: int = 255) -> None:
        """A thin line on the picture only."""
        width = max(1, self.height // 256)
        self.draw_picture.line(ends, fill=self.colour(colour, z, shade, alpha), width=width)

    def wall_light(self, side: int) -> float:
        """Light on walls of one side of the street: those across from the sun are lit."""
        return 1.0 - self.sun * (0.36 if side == self.sun_side else -0.06)

    def pick(self, colours: Sequence[Colour]) -> Colour:
        return colours[int(self.rng.integers(len(colours)))]


class _Side:
    """One side of the street, in metres; x is counted away from the camera."""

    def __init__(self, canvas: _Canvas, sign: int, narrow: bool, end: float, junction: float) -> None:
        rng, self.sign = canvas.rng, sign  # -1 left, +1 right
        self.style = str(rng.choice(["terrace", "shops", "houses", "park"], p=[0.34, 0.22, 0.24, 0.2]))
        if narrow and self.style in ("houses", "park"):
            self.style = "terrace"
        houses = self.style == "houses"
        self.green = self.style in ("houses", "park")
        self.parked = bool(rng.random() < (0.25 if self.style == "park" else 0.5))
        lane = rng.uniform(1.5, 1.9) if sign < 0 else LANE + rng.uniform(1.4, 2)
        self.kerb = lane + 2.1 * self.parked + (0 if narrow else rng.uniform(0, 1.2))
        self.front = self.kerb + (rng.uniform(1.2, 2) if narrow else rng.uniform(2, 4.5))  # the pavement ends
        turning = junction > 0 and rng.random() < 0.75
        self.gap = (junction, junction + rng.uniform(5, 8)) if turning else (0.0, 0.0)  # z of a side street
        self.blocks: list[tuple[float, float, float, float]] = []  # buildings: z0, z1, x, height
        z, floors = rng.uniform(-8, 4), int(rng.integers(1 if houses else 2, 3 if houses else 5))
        while z < end and self.style != "park":
            if rng.random() < 0.3:
                floors = int(np.clip(floors + rng.integers(-1, 2), 1 if houses else 2, 2 if houses else 5))
            long = rng.uniform(8, 12) if houses else rng.uniform(5, 16)
            setback = rng.uniform(3, 8) if houses else float(rng.choice([0, 0, 0.3, 1.2]))
            if turning and z + long > self.gap[0] - 1.5 and z < self.gap[1] + 1.5:
                z = self.gap[1] + 1.6
            self.blocks.append((z, z + long, self.front + setback, floors * rng.uniform(2.8, 3.3)))
            z += long + (rng.uniform(2, 9) if houses or rng.random() < 0.08 else 0)

    def blocked(self, z: float) -> bool:
        return self.gap[0] - 1 < z < self.gap[1] + 1


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))


def _noise(rng: np.random.Generator, rows: int, columns: int, size: tuple[int, int]) -> np.ndarray:
    """Noise (H, W) float32 in about -1..1 with rows x columns grains, smooth between them."""
    grains = rng.integers(0, 256, (rows, columns), dtype=np.uint8).astype(np.float32) / 127.5 - 1
    return _resized(grains, size)


def _sky(canvas: _Canvas) -> np.ndarray:
    """A gradient with clouds above the horizon, (rows, W, 3) float32 in 0..255."""
    rng, coarse = canvas.rng, (64, 128)
    clouds = sum(_noise(rng, n, n, coarse) * (3 / n) ** 0.6 for n in (3, 6, 14, 40))
    cover = np.clip(clouds + rng.uniform(-0.5, 0.9), 0, 1) * (0.45 if canvas.sun == 0 else 0.8)
    veil = _resized(cover.astype(np.float32), (canvas.top, canvas.width))
    zenith, haze = np.array(canvas.zenith, np.float32), np.array(canvas.haze, np.float32)
    cloud = haze * 0.86 if canvas.sun == 0 else np.minimum(haze * 1.06 + 8, 250)
    sky = zenith + (haze - zenith) * np.linspace(0, 1, canvas.top, dtype=np.float32)[:, None, None] ** 0.8
    return sky + (cloud - sky) * veil[..., None]


def _ground(canvas: _Canvas, sides: list[_Side], end: float, junction: float) -> tuple[np.ndarray, np.ndarray]:
    """Road, pavements, grass below the horizon: ids (rows, W) and picture (rows, W, 3) float32 in 0..255."""
    rng, scale = canvas.rng, canvas.width * FOCAL
    down = np.arange(canvas.top, canvas.height, dtype=np.float32) + 0.5 - canvas.height * canvas.horizon
    z = scale * canvas.eye / down[:, None]  # (rows, 1)
    across = (np.arange(canvas.width, dtype=np.float32)[None] + 0.5 - canvas.width / 2) / scale
    x = (across - canvas.heading - canvas.bend * z) * z  # (rows, W)

    right = x > 0
    aside = np.where(right, x - sides[1].kerb, -x - sides[0].kerb)  # metres beyond the kerb
    ids = np.where(aside < 0, np.uint8(ROAD), np.uint8(PAVEMENT))
    for side, here in zip(sides, (~right, right), strict=True):
        if side.green:
            ids[here & (aside > side.front - side.kerb)] = TREE  # lawns: all plants are "tree" in CamVid
        if side.gap[1]:
            ids[here & (aside > 0) & (z > side.gap[0] - 2) & (z < side.gap[1] + 2)] = PAVEMENT
            ids[here & (z > side.gap[0]) & (z < side.gap[1])] = ROAD
    ids[(z > end)[:, 0]] = ROAD  # the street meets another at its end
    ids[(z > end + 7)[:, 0]] = PAVEMENT
    road, pavement = ids == ROAD, ids == PAVEMENT

    near = np.exp(-z / 25)  # detail fades with distance, or it would flicker
    foot = np.maximum(z / scale, 0.01)  # metres that a pixel spans, for soft edges
    fine, corner = _noise(rng, 256, 256, (256, 256)), _noise(rng, 12, 12, (128, 128))
    soft = np.pad(corner, (0, 128), "symmetric")  # mirrored, so that the tiles join without a seam
    zi, xi = (z * 24).astype(np.int32), (x * 24).astype(np.int32)
    grain = fine[zi & 255, xi & 255]
    light = 1 + np.where(ids == TREE, 0.16, 0.07).astype(np.float32) * (
        grain * near + 1.5 * soft[(zi >> 2) & 255, (xi >> 3) & 255] * near**0.3
    )
    slabs, kerbstone = (np.mod(z, 0.9) < 0.05) | (np.mod(aside, 0.6) < 0.04), np.abs(aside - 0.1) / 0.1
    light -= pavement * 0.22 * (near * slabs - near**0.3 * np.clip(1.5 - kerbstone, 0, 1))
    light -= road * 0.2 * np.clip(1 - np.abs(aside + 0.15) / 0.25, 0, 1)  # gutter
    light -= road * 0.05 * np.cos(np.clip(x / 0.9, -3, 3) * np.pi)  # tracks worn by tyres
    shady = next(side for side in sides if side.sign == canvas.sun_side)
    reach = np.full_like(z, 1e6)  # x from which on the ground lies in the shadow of a building
    for z0, z1, wall, height in shady.blocks:
        reach[(z > z0) & (z < z1)] = wall - height * canvas.sun_reach
    light *= 1 - canvas.sun * 0.5 * np.clip((x * shady.sign - reach) * 4, 0, 1)

    def line(at: float, width: float) -> np.ndarray:
        return np.clip((width / 2 - np.abs(x - at)) / foot + 0.5, 0, 1)

    open_road = (np.abs(z - junction - 3.5) > 5.5) | (junction == 0)
    dashes = np.mod(z + rng.uniform(0, 9), float(rng.choice([6, 9]))) < float(rng.choice([2, 4]))
    white, yellow = line(LANE / 2, 0.13) * (dashes & open_road), np.zeros_like(x)
    if rng.random() < 0.35:  # a zebra crossing
        at = junction - 5 if junction else rng.uniform(9, 25)
        white = np.maximum(white, (np.abs(z - at) < 1.3) & (np.mod(x, 1.2) < 0.6))
    if rng.random() < 0.5:  # double yellow lines
        for side in sides:
            for gap in (0.28, 0.5):
                yellow = np.maximum(yellow, line(side.sign * (side.kerb - gap), 0.08) * open_road)

    tone = np.zeros((11, 3), np.float32)
    tone[ROAD] = np.array((104, 104, 108)) * rng.uniform(0.8, 1.15)
    tone[PAVEMENT] = np.array((164, 160, 154)) * rng.uniform(0.85, 1.1)
    tone[TREE] = (92, 112, 52)
    picture = tone[ids]
    worn = (0.6 + 0.2 * grain) * road * (z < end)
    for paint, colour in ((white, (225, 225, 220)), (yellow, (206, 176, 70))):
        picture += (np.array(colour, np.float32) - picture) * (paint * worn).astype(np.float32)[..., None]
    fog = 1 - np.exp(-z / canvas.clear)
    picture *= (light * (1 - fog)).astype(np.float32)[..., None] * np.array(canvas.tint, np.float32)
    return ids, picture + np.array(canvas.haze, np.float32) * fog[..., None]


def _facade(canvas: _Canvas, start: Point, stop: Point, height: float, wall: Colour, shade: float, shop: bool) -> None:
    """A wall above the line start..stop on the ground, each (x, z), with windows and a door or a shop."""
    rng, (x0, z0), (x1, z1) = canvas.rng, start, stop
    long, z = math.hypot(x1 - x0, z1 - z0), (z0 + z1) / 2
    dx, dz = (x1 - x0) / long, (z1 - z0) / long

    def patch(a: float, b: float, low: float, high: float) -> list[Point]:  # a, b: metres along the wall
        return [canvas.at(x0 + dx * along, y, z0 + dz * along) for along, y in _box(a, low, b, high)]

    floors, columns = max(1, round(height / 3)), max(1, round(long / rng.uniform(2.2, 3.2)))
    storey, pitch = height / floors, long / columns
    wide, tall = pitch * rng.uniform(0.36, 0.55), storey * rng.uniform(0.42, 0.6)
    frame: Colour = (226, 224, 216) if rng.random() < 0.7 else (70, 66, 62)
    door, trim = int(rng.integers(columns)), canvas.pick(TRIMS)
    lit = rng.random((floors, columns)) < (0.3 if canvas.time == DUSK else 0)
    sheen = rng.uniform(45, 95, (floors, columns)).tolist()
    canvas.fill(patch(0, long, 0, height), BUILDING, wall, z, shade)
    if z < 40:
        canvas.fill(patch(0, long, 0, 0.5), None, (110, 104, 98), z, shade)
        for course in np.arange(0.9, height, 0.45).tolist():  # a hint of bricks or panels
            canvas.line(patch(0, long, course, course)[::3], wall, z, shade * 0.7, 60)
    if shop:
        canvas.fill(patch(0.2, long - 0.2, 0.5, storey - 0.7), None, (58, 62, 66), z, shade)
        canvas.fill(patch(0.1, long - 0.1, storey - 0.7, storey - 0.1), None, trim, z, shade)
    for floor, column in np.ndindex(floors, columns):
        a, low = column * pitch + (pitch - wide) / 2, (floor + 0.3) * storey
        g = sheen[floor][column]
        glass: Colour = (330, 270, 170) if lit[floor, column] else (g * 0.9, g, g * 1.1)
        if shop and floor == 0:
            glass = (g * 1.3, g * 1.3, g * 1.2)
            canvas.fill(patch(a - 0.4, a + wide + 0.4, 0.6, storey - 0.9), None, glass, z, shade)
        elif floor == 0 and column == door:
            canvas.fill(patch(a, a + 1, 0, 2.1), None, trim, z, shade)
        else:
            if z < 60:
                canvas.fill(patch(a - 0.1, a + wide + 0.1, low - 0.12, low + tall + 0.1), None, frame, z, shade)
            canvas.fill(patch(a, a + wide, low, low + tall), None, glass, z, shade)
            if z < 25:
                bar = low + tall / 2
                canvas.fill(patch(a, a + wide, bar - 0.04, bar + 0.04), None, frame, z, shade)


def _building(canvas: _Canvas, side: _Side, z0: float, z1: float, x: float, height: float) -> None:
    """A house along the street: the wall to the street, the end wall towards the camera, a roof, chimneys."""
    rng, at = canvas.rng, canvas.at
    wall, tiles, shade, ends = canvas.pick(WALLS), canvas.pick(ROOFS), canvas.wall_light(side.sign), 0.82
    roof = rng.choice(["flat", "pitched", "gables"], p=[0.0, 0.8, 0.2] if side.green else [0.4, 0.45, 0.15])
    deep, rise = rng.uniform(7, 11), rng.uniform(1.5, 3.2)
    chimneys, shop = rng.random() < 0.5, side.style == "shops" and rng.random() < 0.85
    if z1 <= NEAR + 0.5:
        return
    z0 = max(z0, NEAR)
    x, ridge, far, top = side.sign * x, side.sign * (x + deep / 2), side.sign * (x + deep), height + rise
    if roof == "pitched":
        for zc in (z0 + 0.5, z1 - 0.5) if chimneys else ():
            stack = [at(ridge + dx, y, zc) for dx, y in _box(-0.5, height, 0.5, top + 1)]
            canvas.fill(stack, BUILDING, (124, 82, 66), zc, ends)
        slope = [at(x, height, z0), at(ridge, top, z0), at(ridge, top, z1), at(x, height, z1)]
        canvas.fill(slope, BUILDING, tiles, z0, shade)
        canvas.fill([at(x, height, z0), at(ridge, top, z0), at(far, height, z0)], BUILDING, wall, z0, ends)
    if z0 > 40:  # too far, and too hidden by its neighbours, to show windows
        canvas.fill([at(a, y, z0) for a, y in _box(x, 0, far, height)], BUILDING, wall, z0, ends)
    elif z0 > NEAR:
        _facade(canvas, (far, z0), (x, z0), height, wall, ends, False)
    _facade(canvas, (x, z0), (x, z1), height, wall, shade, shop)
    if roof == "flat":
        canvas.fill(canvas.upright(x, z0, z1, height - 0.3, height + 0.2), BUILDING, (196, 192, 184), z0, shade)
    if roof == "gables":
        steps = np.linspace(z0, z1, max(1, round((z1 - z0) / 6)) + 1).tolist()
        for a, b in pairwise(steps):
            peak = [at(x, height, a), at(x, top, (a + b) / 2), at(x, height, b)]
            canvas.fill(peak, BUILDING, wall, a, shade)


def _crown(canvas: _Canvas, x: float, y: float, z: float, rx: float, ry: float, leaf: Colour) -> None:
    """A heap of ragged blobs within an ellipse, darker below and away from the sun."""
    rng, count = canvas.rng, 12 if z < 60 else 6
    angle, away = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.15, 0.75, count)
    size = rng.uniform(0.3, 0.5, count)
    size[0], away[0] = 0.75, 0.1  # a core that holds the others together
    across, up = np.cos(angle) * away, np.sin(angle) * away
    turn = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    radius = size[:, None] * (1 + 0.14 * rng.standard_normal((count, 26)))
    (px, py), scale = canvas.at(x, y, z), canvas.width * FOCAL / z
    xs = px + (across[:, None] + radius * np.cos(turn)) * rx * scale
    ys = py - (up[:, None] + radius * np.sin(turn)) * ry * scale
    blobs = np.stack([xs, ys], -1).reshape(count, -1).tolist()
    shades = 0.84 + 0.28 * up + 0.25 * canvas.sun * canvas.sun_side * across + rng.normal(0, 0.05, count)
    for n in [0, *(np.argsort(up[1:]) + 1).tolist()]:
        canvas.fill(blobs[n], TREE, leaf, z, float(shades[n]))


def _tree(canvas: _Canvas, x: float, z: float, height: float) -> None:
    rng, leaf, thick = canvas.rng, canvas.pick(LEAVES), 0.02 * height + 0.06
    bare, width = height * rng.uniform(0.2, 0.38), height * rng.uniform(0.25, 0.42)
    trunk = [(-thick, 0), (-thick / 2, height * 0.6), (thick / 2, height * 0.6), (thick, 0)]
    canvas.fill([canvas.at(x + dx, y, z) for dx, y in trunk], TREE, (74, 62, 50), z, 0.8)
    if rng.random() < 0.12:  # a conifer
        for level in (0.3, 0.48, 0.66, 0.84):
            _crown(canvas, x, height * level, z, width * (1.25 - level), height * 0.16, (50, 70, 48))
    else:
        _crown(canvas, x, (bare + height) / 2, z, width, (height - bare) / 2, leaf)


def _hedge(canvas: _Canvas, x: float, z0: float, z1: float, height: float) -> None:
    tops = (height * canvas.rng.uniform(0.85, 1.15, 14)).tolist()
    points = [canvas.at(x, top, z) for top, z in zip(tops, np.linspace(z0, z1, 14).tolist(), strict=True)]
    canvas.fill([*points, canvas.at(x, 0, z1), canvas.at(x, 0, z0)], TREE, (64, 84, 44), z0, 0.85)


def _fence(canvas: _Canvas, x: float, z0: float, z1: float, height: float, paint: Colour, boards: bool) -> None:
    """Boards, or railings to see through. The ids are solid either way, as people label them."""
    canvas.fill(canvas.upright(x, z0, z1, 0, height), FENCE, paint, z0, 0.9, 255 if boards else 90)
    for z in np.arange(z0, z1, 0.25).tolist():
        canvas.line([canvas.at(x, 0, z), canvas.at(x, height, z)], paint, z, 0.6)
    for y in (0.15, height):
        canvas.fill(canvas.upright(x, z0, z1, y - 0.05, y), FENCE, paint, z0, 0.7)


def _car(canvas: _Canvas, x: float, z: float, yaw: float, kind: str) -> None:
    """A vehicle with its middle at (x, z); yaw 0 drives away from the camera, pi comes towards it."""
    paint, (outline, belt, broad) = canvas.pick(PAINTS), BODIES[kind]
    cos, sin = math.cos(yaw), math.sin(yaw)
    length, high = max(p[0] for p in outline), max(p[1] for p in outline)

    def point(along: float, aside: float, y: float) -> Point:
        a = along - length / 2
        return canvas.at(x + a * sin + aside * cos, y, z + a * cos - aside * sin)

    def half(along: float, y: float) -> float:  # narrower at the roof and at both ends
        taper = max(0.0, y - belt) / (high - belt) * (0.2 if high < 1.8 else 0.06)
        return broad * (1 - taper - (0 if 0.2 < along < length - 0.2 else 0.08))

    def area(p: list[Point]) -> float:  # its sign tells whether a face looks at the camera
        return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(p, p[1:] + p[:1], strict=True))

    def within(p: list[Point], kx: float, ky: float) -> list[Point]:  # the pane inside its frame
        mx, my = sum(a for a, _ in p) / len(p), sum(b for _, b in p) / len(p)
        return [(mx + (a - mx) * kx, my + (b - my) * ky) for a, b in p]

    ground = [point(a, w, 0) for a, w in _box(-0.2, -1.05 * broad - 0.1, length + 0.2, 1.05 * broad + 0.1)]
    canvas.fill(ground, None, (20, 20, 22), z, 0.6, 170)
    wheels = (length * 0.18, length * 0.81)
    for along in wheels:  # tyres seen under the bumpers
        for w in (-broad + 0.12, broad - 0.12):
            canvas.fill([point(along, w + dx, y) for dx, y in _box(-0.1, 0, 0.1, 0.45)], CAR, RUBBER, z)
    faces: list[tuple[float, list[tuple[list[Point], Colour, float]]]] = []
    for (a0, y0), (a1, y1) in pairwise(outline):
        h0, h1 = half(a0, y0), half(a1, y1)
        quad = [point(a0, -h0, y0), point(a0, h0, y0), point(a1, h1, y1), point(a1, -h1, y1)]
        if area(quad) < 0:
            flat = abs(y1 - y0) < 0.25 * abs(a1 - a0)
            layers = [(quad, paint, 1.12 if flat else 0.65 if y0 + y1 < 1.2 else 0.9)]
            if min(y0, y1) >= belt - 0.12 and abs(y1 - y0) > 0.25:
                layers.append((within(quad, 0.86, 0.84), (52, 60, 68), 1))
            faces.append((z + ((a0 + a1) / 2 - length / 2) * cos, layers))
    for side in (-1, 1):
        low = [point(a, side * half(a, min(y, belt)), min(y, belt)) for a, y in outline]
        if area(low) * side > 0:
            light = canvas.wall_light(side if cos > 0 else -side) * 0.88
            cabin = [point(a, side * half(a, y), y) for a, y in outline if y >= belt - 0.06]
            layers = [(low, paint, light), (cabin, paint, light), (within(cabin, 0.9, 0.8), (48, 56, 64), 1)]
            for a in (length * 0.47, length * 0.69):
                pillar = [point(a + da, side * half(a, y), y) for da, y in _box(0, belt, 0.08, high)]
                layers.append((pillar, paint, light))
            for along in wheels:
                for r, tone in ((0.33, RUBBER), (0.2, STEEL)):
                    layers.append(([point(a, side * broad, y) for a, y in _disc(along, 0.33, r, r)], tone, 1))
            faces.append((z - side * broad * sin, layers))
    for _, layers in sorted(faces, key=lambda face: -face[0]):
        for points, colour, shade in layers:
            canvas.fill(points, CAR, colour, z, shade)
    if abs(cos) > 0.3:  # lamps and number plate
        back = cos > 0
        end, h = (0.0, half(0, 0.7)) if back else (length, half(length, 0.7))
        lamp: Colour = (200, 30, 28) if back else (240, 240, 228)
        low_y, high_y = (0.68, 0.9) if back else (0.6, 0.76)
        for w in (-h, h - 0.24):
            canvas.fill([point(end, a, y) for a, y in _box(w, low_y, w + 0.24, high_y)], CAR, lamp, z, 1.1)
        plate: Colour = (214, 190, 70) if back else WHITE
        canvas.fill([point(end, a, y) for a, y in _box(-0.26, 0.5, 0.26, 0.61)], CAR, plate, z)


def _figure(canvas: _Canvas, name: str, x: float, z: float, facing: int = 0) -> None:
    """One of FIGURES at (x, z); facing +1 or -1 is a side to turn to, 0 leaves it to chance."""
    rng = canvas.rng
    coat, (r, g, b), hue = canvas.pick(CLOTHES), canvas.pick(CLOTHES), canvas.pick(HUES)
    lamp: Colour = (255, 70, 50) if rng.random() < 0.5 else (90, 240, 160)
    colours: dict[str, Colour] = {
        "coat": coat,
        "legs": (r * 0.6, g * 0.6, b * 0.65),
        "hue": hue,
        "lamp": lamp,
    }
    tall, wide = (
        rng.uniform(0.9, 1.1),
        rng.uniform(0.85, 1.15) * (facing or (1 if rng.random() < 0.5 else -1)),
    )
    canvas.fill([canvas.at(x + dx, 0, z + dz) for dx, dz in _disc(0, 0, 0.4, 0.3)], None, RUBBER, z, 0.6, 90)
    for kind, colour, outline in FIGURES[name]:
        paint = colours[colour] if isinstance(colour, str) else colour
        canvas.fill([canvas.at(x + dx * wide, y * tall, z) for dx, y in outline], kind, paint, z)


def _far_house(canvas: _Canvas, x: float, z: float, wide: float, height: float, rise: float) -> None:
    """A house that faces the camera."""
    roof = [(0.0, height), (0.12, height + rise), (0.88, height + rise), (1.0, height)]
    canvas.fill([canvas.at(x + wide * a, y, z) for a, y in roof], BUILDING, canvas.pick(ROOFS), z)
    _facade(canvas, (x, z), (x + wide, z), height, canvas.pick(WALLS), 0.88, False)


def _backdrop(canvas: _Canvas, end: float) -> list[Thing]:
    """What closes the view where the street ends: houses and trees, right across."""
    rng, things, town = canvas.rng, list[Thing](), canvas.rng.uniform(0.1, 0.9)
    x, stop = -0.8 * end - 20, 0.8 * end + 20
    while x < stop:
        wide, z, height = rng.uniform(8, 22), end + rng.uniform(9, 17), rng.uniform(4, 11)
        if rng.random() < town:
            things.append((z, partial(_far_house, canvas, x, z, wide, height, rng.uniform(0, 3))))
        else:
            things.append((z - 0.1, partial(_tree, canvas, x + 3, z, height)))
            things.append(
                (z, partial(_crown, canvas, x + wide / 2, height * 0.45, z, wide * 0.8, height * 0.4, (80, 96, 56)))
            )
        x += wide
    return things


def _borders(canvas: _Canvas, side: _Side, end: float) -> list[Thing]:
    """Fences or hedges: around gardens and parks, now and then railings at the kerb."""
    rng, things = canvas.rng, list[Thing]()
    kind = rng.choice(["fence", "hedge", "none"], p=[0.45, 0.35, 0.2] if side.green else [0.15, 0.0, 0.85])
    x, height = side.sign * (side.front + 0.1 if side.green else side.kerb + 0.3), rng.uniform(0.9, 1.5)
    paint, boards = canvas.pick(FENCES), bool(side.green and rng.random() < 0.5)
    z = rng.uniform(2, 10)
    while z < end and kind != "none":
        stop = z + rng.uniform(8, 22)
        for a in np.arange(z, stop - 1, 5).tolist():  # short runs follow the bend
            b = min(a + 5, stop)
            if side.blocked(a) or side.blocked(b):
                continue
            paint_it = partial(_fence, canvas, x, a, b, height, paint, boards)
            things.append((b, paint_it if kind == "fence" else partial(_hedge, canvas, x, a, b, height + 0.4)))
        z = stop + rng.uniform(0.5, 6)
    return things


def _roadside(canvas: _Canvas, side: _Side, end: float) -> list[Thing]:
    """Buildings, trees, lamps, signs and people on one side."""
    rng, s, edge = canvas.rng, side.sign, side.kerb + 0.4
    things: list[Thing] = [(block[1], partial(_building, canvas, side, *block)) for block in side.blocks]
    if side.green:
        for _ in range(int(rng.integers(8, 18) if side.style == "park" else rng.integers(0, 8))):
            x, z = side.front + rng.exponential(5) + 1, rng.uniform(7, end)
            things.append((z, partial(_tree, canvas, s * x, z, rng.uniform(4, 13))))
    if rng.random() < 0.35:  # trees in a row
        for z in np.arange(rng.uniform(8, 20), end, rng.uniform(9, 20)).tolist():
            things.append((z, partial(_tree, canvas, s * (edge + 0.5), z, rng.uniform(4, 9))))
    if rng.random() < 0.8:
        for z in np.arange(rng.uniform(5, 25), end, rng.uniform(18, 32)).tolist():
            things.append((z, partial(_figure, canvas, "lamp", s * edge, z, -s)))
    for _ in range(int(rng.integers(0, 4))):
        z = rng.uniform(7, 45)
        things.append((z, partial(_figure, canvas, str(rng.choice(SIGNS)), s * edge, z)))
    if rng.random() < 0.15:
        for z in np.arange(rng.uniform(6, 9), 30, 1.8).tolist():
            things.append((z, partial(_figure, canvas, "bollard", s * edge, z)))
    for _ in range(int(rng.poisson(2.5 if side.style == "shops" else 1.2))):
        x, z = s * rng.uniform(side.kerb + 0.5, side.front - 0.3), rng.uniform(7, 40)
        for n in range(2 if rng.random() < 0.3 else 1):
            things.append((z + 0.1 * n, partial(_figure, canvas, "person", x + 0.6 * n, z)))
    return [thing for thing in things if thing[0] > 2 and not side.blocked(thing[0])]


def _traffic(canvas: _Canvas, sides: list[_Side], end: float, junction: float) -> list[Thing]:
    """Cars parked and moving, cyclists, and people who cross."""
    rng, things = canvas.rng, list[Thing]()

    def car(x: float, rear: float, yaw: float, buses: float = 0.0) -> None:
        kind = str(rng.choice(list(BODIES), p=[0.54 - buses, 0.3, 0.16, buses]))
        z = rear + BODIES[kind][0][-2][0] / 2 * abs(math.cos(yaw))
        things.append((z, partial(_car, canvas, x, z, yaw + rng.normal(0, 0.025), kind)))

    for side in sides:
        z = rng.uniform(5, 14)
        while side.parked and z < min(end, 110):
            if rng.random() < 0.75 and not side.blocked(z) and not side.blocked(z + 5):
                car(side.sign * (side.kerb - 1.05), z, 0 if side.sign < 0 or rng.random() < 0.4 else math.pi)
            z += rng.uniform(5.2, 8)
    for lane, yaw in ((0.0, 0.0), (LANE, math.pi)):
        z = rng.uniform(9, 30)
        while rng.random() < 0.72 and z < min(end, 100):
            car(lane + rng.normal(0, 0.15), z, yaw, 0.08)
            z += rng.uniform(10, 40)
    if junction and rng.random() < 0.5:
        car(rng.uniform(-5, 8), junction + 3, math.pi / 2 * float(rng.choice([-1, 1])))
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.45 else 0):
        z, name = rng.uniform(8, 30), "rider" if rng.random() < 0.75 else "rider from the side"
        things.append((z, partial(_figure, canvas, name, float(rng.choice([-1.2, -0.9, LANE + 1.1])), z)))
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.2 else 0):
        z = rng.uniform(10, 26)
        things.append((z, partial(_figure, canvas, "person", rng.uniform(-2, 5), z)))
    return things


def _develop(canvas: _Canvas, ids: np.ndarray) -> Image.Image:
    """From polygons towards a photograph: soft edges, texture by class, a vignette, grain."""
    rng, size = canvas.rng, (canvas.height, canvas.width)
    fine, middle, wide = _noise(rng, 192, 384, size), _noise(rng, 72, 144, size), _noise(rng, 9, 18, size)
    amount = np.zeros(11, np.float32)
    amount[[BUILDING, POLE, TREE, SIGN, FENCE]] = 0.05, 0.05, 0.24, 0.02, 0.06
    amount[[CAR, PEDESTRIAN, BICYCLIST]] = 0.03, 0.06, 0.06
    light = 1 + amount[ids] * (0.7 * fine + 0.9 * middle) + 0.04 * wide * (ids != SKY) + 0.012 * fine
    down, across = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    light *= 1 - 0.1 * (down[:, None] ** 2 + across**2)
    soften = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 10, 2, 1, 2, 1))
    picture = np.asarray(canvas.picture.filter(soften)) * light[..., None]
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def street_scene(seed: int, size: tuple[int, int] = (256, 512)) -> tuple[np.ndarray, Image.Image]:
    """A driver's view of a street that does not exist.

    Args:
        seed: 0 or more. A seed gives the same scene in every run, and the same composition at every size.
        size: (height, width) in pixels, from (32, 64) to (2048, 4096), and 1 to 3 times as wide as high.

    Returns:
        The layout, uint8 (height, width), with ids 0..10 of the class set named by SCENE_CLASSES, and the
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
    canvas = _Canvas(rng, height, width)
    narrow = bool(rng.random() < 0.25)
    end = rng.uniform(35, 80) if rng.random() < 0.3 else rng.uniform(110, 160)
    junction = rng.uniform(14, 32) if rng.random() < 0.4 else 0.0  # z of a street that crosses; 0: none
    sides = [_Side(canvas, sign, narrow, end, junction) for sign in (-1, 1)]

    sky, (ground_ids, ground) = _sky(canvas), _ground(canvas, sides, end, junction)
    background = np.concatenate([sky, ground]).clip(0, 255).astype(np.uint8)
    canvas.start(np.concatenate([np.full(sky.shape[:2], SKY, np.uint8), ground_ids]), background)
    things = _backdrop(canvas, end) + _traffic(canvas, sides, end, junction)
    for side in sides:
        things += _borders(canvas, side, end) + _roadside(canvas, side, end)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    ids = np.array(canvas.ids)
    return ids, _develop(canvas, ids)
