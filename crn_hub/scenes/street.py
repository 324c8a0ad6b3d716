"""The plan of a street, in metres: its end, the street that crosses it, kerbs, pavements and houses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LANE = 3.2  # metres; the camera drives in the middle of the left lane, at x = 0


class Block(NamedTuple):
    """A building beside the street."""

    z0: float
    z1: float
    x: float  # of its front, outwards from the camera
    height: float


class Side:
    """One side of the street; x points outwards from the camera."""

    def __init__(self, rng: np.random.Generator, sign: int, narrow: bool, end: float, junction: float) -> None:
        self.sign = sign  # -1 left, +1 right
        self.style = str(rng.choice(["terrace", "shops", "houses", "park"], p=[0.34, 0.22, 0.24, 0.2]))
        if narrow and self.style in ("houses", "park"):
            self.style = "terrace"
        self.green = self.style in ("houses", "park")
        self.parked = bool(rng.random() < (0.25 if self.style == "park" else 0.5))
        lane = rng.uniform(1.5, 1.9) if sign < 0 else LANE + rng.uniform(1.4, 2)
        self.kerb = lane + 2.1 * self.parked + (0 if narrow else rng.uniform(0, 1.2))
        self.front = self.kerb + (rng.uniform(1.2, 2) if narrow else rng.uniform(2, 4.5))  # where the pavement ends
        turning = junction > 0 and rng.random() < 0.75
        self.gap = (junction, junction + rng.uniform(5, 8)) if turning else None  # z of a side street
        self.blocks = self._row(rng, end)

    def _row(self, rng: np.random.Generator, end: float) -> list[Block]:
        """Buildings from behind the camera to the end of the street; neighbours are of similar height."""
        houses, blocks = self.style == "houses", list[Block]()
        lowest, highest = (1, 2) if houses else (2, 5)  # floors
        z, floors = rng.uniform(-8, 4), int(rng.integers(lowest, 3 if houses else 5))
        while z < end and self.style != "park":
            if rng.random() < 0.3:
                floors = min(max(floors + int(rng.integers(-1, 2)), lowest), highest)
            long = rng.uniform(8, 12) if houses else rng.uniform(5, 16)
            setback = rng.uniform(3, 8) if houses else float(rng.choice([0, 0, 0.3, 1.2]))
            if self.gap and z + long > self.gap[0] - 1.5 and z < self.gap[1] + 1.5:
                z = self.gap[1] + 1.6
            blocks.append(Block(z, z + long, self.front + setback, floors * rng.uniform(2.8, 3.3)))
            z += long + (rng.uniform(2, 9) if houses or rng.random() < 0.08 else 0)
        return blocks

    def blocked(self, z: float) -> bool:
        """Whether a side street takes up this place."""
        return self.gap is not None and self.gap[0] - 1 < z < self.gap[1] + 1


class Street:
    """Both sides, the end, and the junction."""

    def __init__(self, rng: np.random.Generator) -> None:
        narrow = bool(rng.random() < 0.25)
        self.end = rng.uniform(35, 80) if rng.random() < 0.3 else rng.uniform(110, 160)  # z
        self.junction = rng.uniform(14, 32) if rng.random() < 0.4 else 0.0  # z of a street that crosses, 0 for none
        self.left, self.right = (Side(rng, sign, narrow, self.end, self.junction) for sign in (-1, 1))
        self.sides = (self.left, self.right)
