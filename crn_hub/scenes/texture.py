"""Noise, and the last step of a picture: makes clean polygons look more like a photograph."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from crn_hub.scenes.labels import (
    BICYCLIST,
    BUILDING,
    CAR,
    COUNT,
    DOOR,
    FENCE,
    PEDESTRIAN,
    POLE,
    SIGN,
    SKY,
    TREE,
    WINDOW,
)

ROUGHNESS = np.zeros(COUNT, np.float32)  # strength of the noise by class; sky and ground have their own
ROUGHNESS[[BUILDING, POLE, TREE, SIGN, FENCE]] = 0.05, 0.05, 0.24, 0.02, 0.06
ROUGHNESS[[CAR, PEDESTRIAN, BICYCLIST, WINDOW, DOOR]] = 0.03, 0.06, 0.06, 0.02, 0.03


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values (h, w) float32 -> (H, W), interpolated bilinearly."""
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))


def noise(rng: np.random.Generator, rows: int, columns: int, size: tuple[int, int]) -> np.ndarray:
    """Noise (H, W) float32, about -1..1, interpolated between rows x columns grains."""
    grains = rng.integers(0, 256, (rows, columns), dtype=np.uint8).astype(np.float32) / 127.5 - 1
    return resized(grains, size)


def develop(rng: np.random.Generator, ids: np.ndarray, picture: Image.Image) -> Image.Image:
    """Adds soft edges, texture by class, a vignette and grain to a picture."""
    size = ids.shape
    fine, middle, wide = noise(rng, 192, 384, size), noise(rng, 72, 144, size), noise(rng, 9, 18, size)
    light = 1 + ROUGHNESS[ids] * (0.7 * fine + 0.9 * middle) + 0.04 * wide * (ids != SKY) + 0.012 * fine
    down, across = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    light *= 1 - 0.1 * (down[:, None] ** 2 + across**2)
    soften = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 10, 2, 1, 2, 1))
    pixels = np.asarray(picture.filter(soften)) * light[..., None]
    return Image.fromarray(pixels.clip(0, 255, out=pixels).astype(np.uint8))
