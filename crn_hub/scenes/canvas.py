"""The canvas of a scene: camera, light, and two images, ids and picture, which are painted together.

A scene is a small world in metres: x to the right, y up, z ahead of the camera, which looks along a street
whose bend adds `bend * z**2` to x. The camera follows that of CamVid (Brostow et al., 2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Point = tuple[float, float]

FOCAL = 0.8  # focal length in image widths, about that of CamVid's camera

# By time of day: probability, sky at the top, sky at the horizon, light on things, strength of the sun.
LIGHTS: list[tuple[float, Colour, Colour, Colour, float]] = [
    (0.34, (86, 138, 206), (205, 222, 238), (1.08, 1.04, 0.96), 1.0),  # sunny
    (0.26, (176, 198, 222), (242, 244, 245), (1.0, 1.0, 1.0), 0.5),  # bright
    (0.26, (172, 178, 186), (218, 220, 222), (0.84, 0.86, 0.89), 0.0),  # overcast
    (0.14, (66, 82, 118), (226, 178, 140), (0.60, 0.55, 0.57), 0.25),  # dusk
]
DUSK = 3

RUBBER, STEEL, WHITE = (30, 30, 32), (108, 112, 114), (226, 226, 222)  # colours that vehicles and small things share


def disc(x: float, y: float, rx: float, ry: float) -> list[Point]:
    return [(x + rx * math.cos(n * math.pi / 8), y + ry * math.sin(n * math.pi / 8)) for n in range(16)]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    return [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]


class Canvas:
    """Camera, light and the two images; everything but sky and ground is painted through `fill`."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.horizon = rng.uniform(0.4, 0.5)  # image heights from the top
        self.top = int(height * self.horizon) + 1  # first row of ground
        self.heading = rng.normal(0, 0.05)  # of the camera: shifts the vanishing point
        self.bend = rng.normal(0, 0.0022) if rng.random() < 0.6 else 0.0  # of the street, per metre
        self.eye = rng.uniform(1.25, 1.6)  # metres above the road
        self.scale = width * FOCAL  # pixels that a metre spans, one metre from the camera

        time = int(rng.choice(len(LIGHTS), p=[light[0] for light in LIGHTS]))
        _, self.zenith, self.haze, tint, self.sun = LIGHTS[time]
        self.dusk = time == DUSK
        exposure = rng.uniform(0.92, 1.14)
        self.tint = (tint[0] * exposure, tint[1] * exposure, tint[2] * exposure)
        self.sun_side = 1 if rng.random() < 0.5 else -1  # +1: the sun stands to the right
        self.sun_reach = rng.uniform(0.5, 1.6)  # metres of shadow across the street per metre of height
        self.clear = rng.uniform(150, 420)  # metres at which haze hides 63 % of a thing

        self.ids, self.picture = Image.new("L", (width, height)), Image.new("RGB", (width, height))
        self.draw_ids, self.draw_picture = ImageDraw.Draw(self.ids), ImageDraw.Draw(self.picture, "RGBA")

    def cover(self, ids: np.ndarray, picture: np.ndarray) -> None:
        """Lay a background over both images."""
        self.ids.paste(Image.fromarray(ids))
        self.picture.paste(Image.fromarray(picture))

    def at(self, x: float, y: float, z: float) -> Point:
        """The pixel that shows a point of the world."""
        across = self.width / 2 + self.scale * (x / z + self.bend * z + self.heading)
        return across, self.height * self.horizon - self.scale * (y - self.eye) / z

    def facing(self, x: float, z: float, outline: Sequence[Point]) -> list[Point]:
        """A flat thing that stands at (x, z) and faces the camera; its outline in metres (right, up)."""
        return [self.at(x + right, up, z) for right, up in outline]

    def along(self, x: float, z0: float, z1: float, low: float, high: float) -> list[Point]:
        """A rectangle that stands along the street."""
        return [self.at(x, y, z) for z, y in rectangle(z0, low, z1, high)]

    def colour(self, colour: Colour, z: float, shade: float, alpha: int = 255) -> tuple[int, int, int, int]:
        """The colour of a surface seen from z metres; shade 1 is fully lit."""
        fog = 1 - math.exp(-z / self.clear)
        (r, g, b), (tr, tg, tb), (hr, hg, hb), k = colour, self.tint, self.haze, shade * (1 - fog)
        red, green, blue = int(r * tr * k + hr * fog), int(g * tg * k + hg * fog), int(b * tb * k + hb * fog)
        return min(red, 255), min(green, 255), min(blue, 255), alpha

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
