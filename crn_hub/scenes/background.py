"""Sky and ground, behind everything else: computed per pixel."""

from __future__ import annotations

import numpy as np

from crn_hub.scenes.canvas import Canvas, Colour
from crn_hub.scenes.labels import COUNT, PAVEMENT, ROAD, SKY, TREE
from crn_hub.scenes.street import LANE, Street
from crn_hub.scenes.texture import noise, resized


def paint_background(canvas: Canvas, street: Street) -> None:
    sky, (ground_ids, ground) = _sky(canvas), _ground(canvas, street)
    ids = np.concatenate([np.full(sky.shape[:2], SKY, np.uint8), ground_ids])
    pixels = np.concatenate([sky, ground])
    canvas.cover(ids, pixels.clip(0, 255, out=pixels).astype(np.uint8))


def _sky(canvas: Canvas) -> np.ndarray:
    """A gradient with clouds above the horizon, (rows, W, 3) float32 in 0..255."""
    rng, coarse = canvas.rng, (64, 128)
    clouds = sum(noise(rng, n, n, coarse) * (3 / n) ** 0.6 for n in (3, 6, 14, 40))
    cover = np.clip(clouds + rng.uniform(-0.5, 0.9), 0, 1) * (0.45 if canvas.sun == 0 else 0.8)
    veil = resized(cover.astype(np.float32), (canvas.top, canvas.width))
    zenith, haze = np.array(canvas.zenith, np.float32), np.array(canvas.haze, np.float32)
    cloud = haze * 0.86 if canvas.sun == 0 else np.minimum(haze * 1.06 + 8, 250)
    sky = zenith + (haze - zenith) * np.linspace(0, 1, canvas.top, dtype=np.float32)[:, None, None] ** 0.8
    return sky + (cloud - sky) * veil[..., None]


def _ground(canvas: Canvas, street: Street) -> tuple[np.ndarray, np.ndarray]:
    """Road, pavements and grass below the horizon: ids (rows, W) and picture (rows, W, 3) float32 in 0..255."""
    rng = canvas.rng
    down = np.arange(canvas.top, canvas.height, dtype=np.float32) + 0.5 - canvas.height * canvas.horizon
    z = canvas.scale * canvas.eye / down[:, None]  # (rows, 1)
    across = (np.arange(canvas.width, dtype=np.float32)[None] + 0.5 - canvas.width / 2) / canvas.scale
    x = (across - canvas.heading - canvas.bend * z) * z  # (rows, W)
    aside = np.where(x > 0, x - street.right.kerb, -x - street.left.kerb)  # metres beyond the kerb
    ids = _ground_ids(street, x, z, aside)
    road, pavement = ids == ROAD, ids == PAVEMENT

    near = np.exp(-z / 25)  # detail fades with distance, to avoid aliasing
    fine, corner = noise(rng, 256, 256, (256, 256)), noise(rng, 12, 12, (128, 128))
    soft = np.pad(corner, (0, 128), "symmetric")  # mirrored, so that the tiles join seamlessly
    zi, xi = (z * 24).astype(np.int32), (x * 24).astype(np.int32)
    grain = fine[zi & 255, xi & 255]
    light = 1 + np.where(ids == TREE, 0.16, 0.07).astype(np.float32) * (
        grain * near + 1.5 * soft[(zi >> 2) & 255, (xi >> 3) & 255] * near**0.3
    )
    slabs, kerbstone = (np.mod(z, 0.9) < 0.05) | (np.mod(aside, 0.6) < 0.04), np.abs(aside - 0.1) / 0.1
    light -= pavement * 0.22 * (near * slabs - near**0.3 * np.clip(1.5 - kerbstone, 0, 1))
    light -= road * 0.2 * np.clip(1 - np.abs(aside + 0.15) / 0.25, 0, 1)  # gutter
    light -= road * 0.05 * np.cos(np.clip(x / 0.9, -3, 3) * np.pi)  # tracks worn by tyres
    light *= 1 - canvas.sun * 0.5 * _shadow(canvas, street, x, z)

    markings = _markings(canvas, street, x, z)
    tone = np.zeros((COUNT, 3), np.float32)
    tone[ROAD] = np.array((104, 104, 108)) * rng.uniform(0.8, 1.15)
    tone[PAVEMENT] = np.array((164, 160, 154)) * rng.uniform(0.85, 1.1)
    tone[TREE] = (92, 112, 52)
    picture = tone[ids]
    worn = (0.6 + 0.2 * grain) * road * (z < street.end)
    for paint, colour in markings:
        picture += (np.array(colour, np.float32) - picture) * (paint * worn).astype(np.float32)[..., None]
    fog = 1 - np.exp(-z / canvas.clear)
    picture *= (light * (1 - fog)).astype(np.float32)[..., None] * np.array(canvas.tint, np.float32)
    return ids, picture + np.array(canvas.haze, np.float32) * fog[..., None]


def _ground_ids(street: Street, x: np.ndarray, z: np.ndarray, aside: np.ndarray) -> np.ndarray:
    ids = np.where(aside < 0, np.uint8(ROAD), np.uint8(PAVEMENT))
    right = x > 0
    for side, here in ((street.left, ~right), (street.right, right)):
        if side.green:
            ids[here & (aside > side.front - side.kerb)] = TREE  # lawns: all plants are "tree" in CamVid
        if side.gap:
            ids[here & (aside > 0) & (z > side.gap[0] - 2) & (z < side.gap[1] + 2)] = PAVEMENT
            ids[here & (z > side.gap[0]) & (z < side.gap[1])] = ROAD
    ids[(z > street.end)[:, 0]] = ROAD  # the street meets another at its end
    ids[(z > street.end + 7)[:, 0]] = PAVEMENT
    return ids


def _shadow(canvas: Canvas, street: Street, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The share of each pixel, 0..1, in the shadow of a building."""
    side = street.right if canvas.sun_side > 0 else street.left
    reach = np.full_like(z, 1e6)  # x beyond which there is shadow
    for block in side.blocks:
        reach[(z > block.z0) & (z < block.z1)] = block.x - block.height * canvas.sun_reach
    return np.clip((x * side.sign - reach) * 4, 0, 1)


def _markings(canvas: Canvas, street: Street, x: np.ndarray, z: np.ndarray) -> list[tuple[np.ndarray, Colour]]:
    """Lines on the road: for each colour of paint the share of each pixel, 0..1, that it covers."""
    rng, junction = canvas.rng, street.junction
    foot = np.maximum(z / canvas.scale, 0.01)  # metres that a pixel spans, for soft edges

    def line(at: float, width: float) -> np.ndarray:
        return np.clip((width / 2 - np.abs(x - at)) / foot + 0.5, 0, 1)

    open_road = (np.abs(z - junction - 3.5) > 5.5) | (junction == 0)
    dashes = np.mod(z + rng.uniform(0, 9), float(rng.choice([6, 9]))) < float(rng.choice([2, 4]))
    white = line(LANE / 2, 0.13) * (dashes & open_road)
    if rng.random() < 0.35:  # a zebra crossing
        at = junction - 5 if junction else rng.uniform(9, 25)
        white = np.maximum(white, (np.abs(z - at) < 1.3) & (np.mod(x, 1.2) < 0.6))
    markings: list[tuple[np.ndarray, Colour]] = [(white, (225, 225, 220))]
    if rng.random() < 0.5:  # double yellow lines
        yellow = np.zeros_like(x)
        for side in street.sides:
            for gap in (0.28, 0.5):
                yellow = np.maximum(yellow, line(side.sign * (side.kerb - gap), 0.08) * open_road)
        markings.append((yellow, (206, 176, 70)))
    return markings
