"""Cars, vans and buses: an outline from the side, made solid and turned any way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from crn_hub.scenes.canvas import RUBBER, STEEL, WHITE, Canvas, Colour, Point, disc, rectangle
from crn_hub.scenes.labels import CAR

Layer = tuple[list[Point], Colour, float]  # polygon, colour, shade
Face = tuple[float, list[Layer]]  # metres from the camera; layers from bottom to top


class Body(NamedTuple):
    """The shape of a vehicle in metres."""

    outline: list[Point]  # seen from the side, rear to front: (along, up)
    belt: float  # height at which the glass begins
    broad: float  # half the width

    @property
    def length(self) -> float:
        return max(along for along, _ in self.outline)

    @property
    def height(self) -> float:
        return max(up for _, up in self.outline)


# fmt: off
BODIES = {
    "hatchback": Body([(0.05, 0.3), (0, 0.55), (0.06, 0.92), (0.5, 1.4), (1.0, 1.48), (2.2, 1.45), (3.0, 0.95),
                       (3.8, 0.8), (3.95, 0.6), (3.92, 0.3)], 0.95, 0.86),
    "saloon": Body([(0.05, 0.3), (0, 0.6), (0.06, 0.96), (0.6, 1.0), (1.2, 1.4), (2.5, 1.43), (3.3, 0.97),
                    (4.3, 0.78), (4.48, 0.55), (4.45, 0.3)], 0.98, 0.88),
    "van": Body([(0.05, 0.35), (0, 0.6), (0.02, 1.2), (0.1, 1.95), (0.3, 2.05), (3.5, 2.05), (4.2, 1.2),
                 (4.9, 1.0), (5.0, 0.6), (4.95, 0.35)], 1.2, 0.95),
    "bus": Body([(0.05, 0.4), (0, 0.7), (0.02, 1.4), (0.1, 2.9), (0.3, 3.0), (9.7, 3.0), (9.95, 1.4),
                 (10, 0.9), (10, 0.7), (9.95, 0.4)], 1.4, 1.22),
}
PAINTS: list[Colour] = [
    (36, 38, 44), (188, 192, 196), (232, 232, 230), (150, 28, 32), (38, 62, 118), (96, 102, 108),
    (52, 84, 66), (24, 26, 30), (120, 132, 146), (170, 154, 120)]
# fmt: on


class _Vehicle:
    """A vehicle in its place, projected to pixels."""

    def __init__(self, canvas: Canvas, x: float, z: float, yaw: float, body: Body) -> None:
        self.canvas, self.x, self.z, self.cos, self.sin = canvas, x, z, math.cos(yaw), math.sin(yaw)
        (self.outline, self.belt, self.broad), self.length, self.height = body, body.length, body.height
        self.paint = canvas.pick(PAINTS)
        self.middle, self.wheels = self.length / 2, (self.length * 0.18, self.length * 0.81)

    def point(self, along: float, aside: float, y: float) -> Point:
        """The pixel of a point: metres from the rear, to the right of the middle, and above the ground."""
        a, cos, sin = along - self.middle, self.cos, self.sin
        return self.canvas.at(self.x + a * sin + aside * cos, y, self.z + a * cos - aside * sin)

    def half(self, along: float, y: float) -> float:
        """Half the width here: narrower at the roof and at both ends."""
        taper = max(0.0, y - self.belt) / (self.height - self.belt) * (0.2 if self.height < 1.8 else 0.06)
        return self.broad * (1 - taper - (0 if 0.2 < along < self.length - 0.2 else 0.08))

    def rectangle_across(self, along: float, a0: float, y0: float, a1: float, y1: float) -> list[Point]:
        """A rectangle across the vehicle."""
        return [self.point(along, a, y) for a, y in rectangle(a0, y0, a1, y1)]

    def across(self) -> Iterator[Face]:
        """Those of rear, windows, roof, bonnet and front that face the camera."""
        for (a0, y0), (a1, y1) in pairwise(self.outline):
            h0, h1 = self.half(a0, y0), self.half(a1, y1)
            quad = [self.point(a0, -h0, y0), self.point(a0, h0, y0), self.point(a1, h1, y1), self.point(a1, -h1, y1)]
            if _area(quad) < 0:
                flat = abs(y1 - y0) < 0.25 * abs(a1 - a0)
                layers: list[Layer] = [(quad, self.paint, 1.12 if flat else 0.65 if y0 + y1 < 1.2 else 0.9)]
                if min(y0, y1) >= self.belt - 0.12 and abs(y1 - y0) > 0.25:
                    layers.append((_within(quad, 0.86, 0.84), (52, 60, 68), 1))
                yield self.z + ((a0 + a1) / 2 - self.middle) * self.cos, layers

    def along(self) -> Iterator[Face]:
        """The flank that faces the camera: body, cabin with glass and pillars, wheels."""
        for side in (-1, 1):
            flank = [(a, min(y, self.belt)) for a, y in self.outline]
            low = [self.point(a, side * self.half(a, y), y) for a, y in flank]
            if _area(low) * side <= 0:
                continue
            light = self.canvas.wall_light(side if self.cos > 0 else -side) * 0.88
            cabin = [self.point(a, side * self.half(a, y), y) for a, y in self.outline if y >= self.belt - 0.06]
            layers: list[Layer] = [(low, self.paint, light), (cabin, self.paint, light)]
            layers.append((_within(cabin, 0.9, 0.8), (48, 56, 64), 1))
            for a in (self.length * 0.47, self.length * 0.69):
                pillar = rectangle(a, self.belt, a + 0.08, self.height)
                pixels = [self.point(b, side * self.half(a, y), y) for b, y in pillar]
                layers.append((pixels, self.paint, light))
            for wheel in self.wheels:
                for r, tone in ((0.33, RUBBER), (0.2, STEEL)):
                    circle = disc(wheel, 0.33, r, r)
                    layers.append(([self.point(a, side * self.broad, y) for a, y in circle], tone, 1))
            yield self.z - side * self.broad * self.sin, layers

    def paint_lights(self) -> None:
        """Lamps and number plate at the end that faces the camera."""
        rear = self.cos > 0
        end = 0.0 if rear else self.length
        lamp: Colour = (200, 30, 28) if rear else (240, 240, 228)
        low, high = (0.68, 0.9) if rear else (0.6, 0.76)
        half = self.half(end, 0.7)
        for a in (-half, half - 0.24):
            self.canvas.fill(self.rectangle_across(end, a, low, a + 0.24, high), CAR, lamp, self.z, 1.1)
        plate: Colour = (214, 190, 70) if rear else WHITE
        self.canvas.fill(self.rectangle_across(end, -0.26, 0.5, 0.26, 0.61), CAR, plate, self.z)


def paint_vehicle(canvas: Canvas, x: float, z: float, yaw: float, kind: str) -> None:
    """One of BODIES with its middle at (x, z); yaw 0 drives away from the camera, pi comes towards it."""
    car = _Vehicle(canvas, x, z, yaw, BODIES[kind])
    wide = 1.05 * car.broad + 0.1
    shadow = [car.point(a, w, 0) for a, w in rectangle(-0.2, -wide, car.length + 0.2, wide)]
    canvas.fill(shadow, None, (20, 20, 22), z, 0.6, 170)
    for wheel in car.wheels:  # tyres seen under the bumpers
        for a in (-car.broad + 0.12, car.broad - 0.12):
            canvas.fill(car.rectangle_across(wheel, a - 0.1, 0, a + 0.1, 0.45), CAR, RUBBER, z)
    for _, layers in sorted([*car.across(), *car.along()], key=lambda face: -face[0]):
        for points, colour, shade in layers:
            canvas.fill(points, CAR, colour, z, shade)
    if abs(car.cos) > 0.3:  # not when seen from the side
        car.paint_lights()


def _area(p: list[Point]) -> float:
    """Twice the area of a polygon; its sign tells whether a face points to the camera."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(p, p[1:] + p[:1], strict=True))


def _within(p: list[Point], kx: float, ky: float) -> list[Point]:
    """A polygon shrunk towards its middle: the pane inside its frame."""
    mx, my = sum(a for a, _ in p) / len(p), sum(b for _, b in p) / len(p)
    return [(mx + (a - mx) * kx, my + (b - my) * ky) for a, b in p]
