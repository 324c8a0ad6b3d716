"""Small things as flat parts that face the camera: people, riders, lamps, bollards and signs."""

from __future__ import annotations

from crn_hub.scenes.canvas import RUBBER, STEEL, WHITE, Canvas, Colour, Point, disc, rectangle
from crn_hub.scenes.labels import BICYCLIST, PEDESTRIAN, POLE, SIGN

Part = tuple[int, Colour | str, list[Point]]  # class, colour or its name, outline in metres (right, up)

# fmt: off
CLOTHES: list[Colour] = [
    (40, 44, 56), (70, 66, 70), (128, 44, 44), (54, 76, 118), (150, 142, 128), (36, 60, 50), (196, 190, 60)]
HUES: list[Colour] = [(34, 74, 160), (196, 36, 40), (24, 100, 62), (226, 190, 60)]  # of signs
SKIN, HAIR, RED = (196, 152, 126), (62, 48, 38), (196, 36, 40)

TRUNK: list[Part] = [  # head and body of people on foot; riders have the same, as another class
    (PEDESTRIAN, "coat", [(-0.18, 0.8), (-0.24, 1.38), (-0.1, 1.5), (0.1, 1.5), (0.24, 1.38), (0.18, 0.8)]),
    (PEDESTRIAN, "coat", [(-0.24, 1.4), (-0.36, 0.9), (-0.26, 0.86), (-0.12, 1.35)]),
    (PEDESTRIAN, "coat", [(0.24, 1.4), (0.4, 0.94), (0.3, 0.88), (0.12, 1.35)]),
    (PEDESTRIAN, SKIN, disc(0, 1.62, 0.1, 0.13)), (PEDESTRIAN, HAIR, disc(0, 1.69, 0.11, 0.09))]
POST: Part = (POLE, STEEL, rectangle(-0.05, 0, 0.05, 2.5))
FIGURES: dict[str, list[Part]] = {
    "person": [
        (PEDESTRIAN, "legs", [(-0.14, 0.9), (0.03, 0.9), (-0.10, 0), (-0.28, 0)]),
        (PEDESTRIAN, "legs", [(-0.03, 0.9), (0.14, 0.9), (0.30, 0), (0.14, 0)]), *TRUNK],
    "rider": [
        (BICYCLIST, RUBBER, disc(0, 0.34, 0.05, 0.34)),
        (BICYCLIST, "legs", [(-0.17, 0.95), (-0.04, 0.95), (-0.08, 0.22), (-0.18, 0.22)]),
        (BICYCLIST, "legs", [(0.04, 0.95), (0.17, 0.95), (0.18, 0.45), (0.08, 0.45)]),
        *((BICYCLIST, colour, outline) for _, colour, outline in TRUNK)],
    "rider from the side": [
        (BICYCLIST, RUBBER, disc(-0.52, 0.34, 0.34, 0.34)), (BICYCLIST, RUBBER, disc(0.52, 0.34, 0.34, 0.34)),
        (BICYCLIST, STEEL, disc(-0.52, 0.34, 0.27, 0.27)), (BICYCLIST, STEEL, disc(0.52, 0.34, 0.27, 0.27)),
        (BICYCLIST, RED, [(-0.52, 0.3), (-0.2, 0.9), (0.42, 0.86), (0.52, 0.34), (0.4, 0.75), (0.0, 0.28)]),
        (BICYCLIST, "legs", [(-0.28, 1), (-0.05, 1), (0.22, 0.62), (0.1, 0.2), (-0.02, 0.2), (0.04, 0.6)]),
        (BICYCLIST, "coat", [(-0.3, 0.92), (-0.16, 1.45), (0.08, 1.5), (0.0, 0.92)]),
        (BICYCLIST, "coat", [(-0.02, 1.42), (0.46, 1.02), (0.5, 1.08), (0.08, 1.5)]),
        (BICYCLIST, SKIN, disc(0.1, 1.62, 0.11, 0.13)), (BICYCLIST, HAIR, disc(0.08, 1.7, 0.13, 0.08))],
    "lamp": [
        (POLE, STEEL, [(-0.08, 0), (-0.05, 7), (0.05, 7), (0.08, 0)]),
        (POLE, STEEL, [(0, 6.85), (1.3, 7.15), (1.3, 7.25), (0, 7)]),
        (POLE, WHITE, rectangle(1.0, 7.05, 1.8, 7.28))],
    "bollard": [(POLE, STEEL, rectangle(-0.06, 0, 0.06, 1.1))],
    "light": [POST, (SIGN, RUBBER, rectangle(-0.2, 2.1, 0.2, 3.1)), (SIGN, "lamp", disc(0, 2.8, 0.1, 0.1)),
              (SIGN, (62, 56, 44), disc(0, 2.4, 0.1, 0.1))],
    "round": [POST, (SIGN, "hue", disc(0, 2.5, 0.38, 0.38)), (SIGN, WHITE, disc(0, 2.5, 0.26, 0.26))],
    "triangle": [POST, (SIGN, RED, [(-0.46, 2.1), (0, 2.9), (0.46, 2.1)]),
                 (SIGN, WHITE, [(-0.26, 2.22), (0, 2.68), (0.26, 2.22)])],
    "plate": [POST, (SIGN, "hue", rectangle(-0.35, 1.9, 0.35, 2.8)), (SIGN, WHITE, rectangle(-0.25, 2.3, 0.25, 2.5))],
    "board": [POST, (SIGN, "hue", rectangle(-0.75, 2, 0.75, 3)), (SIGN, WHITE, rectangle(-0.6, 2.6, 0.5, 2.75)),
              (SIGN, WHITE, rectangle(-0.6, 2.25, 0.2, 2.4))],
}
# fmt: on
SIGNS = ["light", "light", "round", "round", "triangle", "triangle", "plate", "board"]  # repeated for their frequency


def paint_figure(canvas: Canvas, name: str, x: float, z: float, facing: int = 0) -> None:
    """One of FIGURES at (x, z); facing +1 or -1 turns it to a side, 0 to a random one."""
    rng = canvas.rng
    coat, (r, g, b), hue = canvas.pick(CLOTHES), canvas.pick(CLOTHES), canvas.pick(HUES)
    lamp: Colour = (255, 70, 50) if rng.random() < 0.5 else (90, 240, 160)
    colours: dict[str, Colour] = {"coat": coat, "legs": (r * 0.6, g * 0.6, b * 0.65), "hue": hue, "lamp": lamp}
    tall, wide = rng.uniform(0.9, 1.1), rng.uniform(0.85, 1.15)
    wide *= facing or (1 if rng.random() < 0.5 else -1)
    shadow = [canvas.at(x + dx, 0, z + dz) for dx, dz in disc(0, 0, 0.4, 0.3)]
    canvas.fill(shadow, None, RUBBER, z, 0.6, 90)
    for kind, colour, outline in FIGURES[name]:
        paint = colours[colour] if isinstance(colour, str) else colour
        canvas.fill(canvas.facing(x, z, [(dx * wide, y * tall) for dx, y in outline]), kind, paint, z)
