"""crn_hub.scenes: the same seed is the same scene, and the ids say what the picture shows."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import crn_hub.scenes as scenes_module
from crn_hub.classes import ClassSet
from crn_hub.scenes import (
    BUILDING,
    CAR,
    DOOR,
    PAVEMENT,
    ROAD,
    SCENE_CLASSES,
    SKY,
    TREE,
    WINDOW,
    buildings,
    street_scene,
)
from crn_hub.scenes.canvas import Canvas

SMALL, LARGE = (64, 128), (256, 512)


def digest(seed: int, size: tuple[int, int]) -> str:
    ids, picture = street_scene(seed, size)
    return hashlib.sha256(ids.tobytes() + picture.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    """Layouts and pictures of the first 30 seeds, small."""
    return [(ids, np.asarray(picture, float)) for ids, picture in (street_scene(n, SMALL) for n in range(30))]


def test_a_seed_is_the_same_scene_every_time():
    assert digest(7, SMALL) == digest(7, SMALL)
    assert digest(7, SMALL) != digest(8, SMALL)


def test_a_seed_is_the_same_scene_in_another_process_whatever_the_global_random_state():
    code = (
        "import hashlib, runpy, numpy; numpy.random.seed(3); "
        f"ids, picture = runpy.run_path({scenes_module.__file__!r})['street_scene'](7, {SMALL}); "
        "print(hashlib.sha256(ids.tobytes() + picture.tobytes()).hexdigest())"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == digest(7, SMALL)


@pytest.mark.parametrize("size", [(32, 64), (64, 64), (67, 131), (96, 288), (256, 512), (360, 480)])
def test_sizes(size):
    ids, picture = street_scene(1, size)
    assert ids.shape == size
    assert ids.dtype == np.uint8
    assert isinstance(picture, Image.Image)
    assert picture.mode == "RGB"
    assert picture.size == size[::-1]


def test_the_default_size_is_that_of_the_paper():
    assert street_scene(0)[0].shape == (256, 512)


def test_ids_are_the_classes_of_the_preset_and_each_of_them_appears(scenes):
    assert SCENE_CLASSES == "streets"
    assert set(np.concatenate([np.unique(ids) for ids, _ in scenes]).tolist()) == set(range(13))
    names = [name.replace("sign symbol", "sign").upper() for name in ClassSet.load(SCENE_CLASSES).names]
    assert [getattr(scenes_module, name) for name in names] == list(range(13))


def test_streets_look_like_driver_view_labels(scenes):
    # Shares of the CamVid training labels: sky 0.17, building 0.22, road 0.31, tree 0.10, car and pavement 0.05.
    share = np.mean([np.bincount(ids.ravel(), minlength=13) / ids.size for ids, _ in scenes], axis=0)
    assert 0.08 < share[SKY] < 0.3
    assert 0.12 < share[[BUILDING, WINDOW, DOOR]].sum() < 0.35
    assert 0.25 < share[ROAD] < 0.42
    assert 0.04 < share[TREE] < 0.2
    assert 0.02 < share[CAR] < 0.12
    assert 0.02 < share[PAVEMENT] < 0.12


def test_sky_is_above_the_road(scenes):
    for ids, _ in scenes:
        assert (ids[-1] == ROAD).any()
        assert not (ids[SMALL[0] * 6 // 10 :] == SKY).any()
        assert not (ids[: SMALL[0] * 4 // 10] == ROAD).any()


def test_the_picture_shows_what_the_ids_say(scenes):
    for ids, picture in scenes:
        sky, road = picture[ids == SKY], picture[ids == ROAD]
        assert len(road) > 0
        if len(sky) > 20:
            assert np.abs(sky.mean(0) - road.mean(0)).max() > 25
    # Over all scenes the large classes have colours of their own.
    means = [
        np.concatenate([picture[ids == kind] for ids, picture in scenes]).mean(0)
        for kind in (SKY, BUILDING, ROAD, TREE)
    ]
    for n, mean in enumerate(means):
        assert all(np.abs(mean - other).max() > 8 for other in means[:n])


def test_edges_of_the_ids_are_edges_of_the_picture(scenes):
    # Where the class changes from one column to the next, the picture changes more than elsewhere.
    for ids, picture in scenes:
        change = np.abs(np.diff(picture, axis=1)).sum(-1)
        edge = ids[:, 1:] != ids[:, :-1]
        assert change[edge].mean() > 1.5 * change[~edge].mean()


# -- windows and doors -------------------------------------------------------------------------------


def test_walls_have_windows_and_fewer_doors(scenes):
    # Of what LabelMeFacade labels as building, window or door, 8 % is window and 1 % door, but many have no outline.
    walls, windows, doors = (np.mean([(ids == kind).mean() for ids, _ in scenes]) for kind in (BUILDING, WINDOW, DOOR))
    assert 0.08 < windows / (walls + windows + doors) < 0.3
    assert 0.01 < doors / (walls + windows + doors) < 0.05


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_without_windows_and_doors_there_is_wall(size, monkeypatch):
    """They lie within walls, to the pixel, and change nothing else in the layout."""
    seeds = range(15)
    layouts = [street_scene(seed, size)[0] for seed in seeds]
    monkeypatch.setattr(buildings, "WINDOW", None)
    monkeypatch.setattr(buildings, "DOOR", None)
    for seed, ids in zip(seeds, layouts, strict=True):
        walls = street_scene(seed, size)[0]
        assert not np.isin(walls, (WINDOW, DOOR)).any()
        assert np.array_equal(np.where(np.isin(ids, (WINDOW, DOOR)), BUILDING, ids), walls)
    assert sum(np.isin((WINDOW, DOOR), ids).all() for ids in layouts) > 7


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_picture_shows_windows_and_doors_where_the_ids_do(size):
    on_walls, at_edges, glass, walls = [], {WINDOW: [], DOOR: []}, [], []
    for seed in range(15):
        ids, image = street_scene(seed, size)
        picture = np.asarray(image, float)
        change = np.abs(np.diff(picture, axis=1)).sum(-1)
        left, right = ids[:, :-1], ids[:, 1:]
        on_walls.append(change[(left == BUILDING) & (right == BUILDING)])
        for kind, changes in at_edges.items():
            changes.append(change[(left == BUILDING) & (right == kind) | (left == kind) & (right == BUILDING)])
        for kind, brightness in ((WINDOW, glass), (BUILDING, walls)):
            brightness.append(picture[ids == kind].mean(-1))
    for changes in at_edges.values():
        assert np.concatenate(changes).mean() > 2 * np.concatenate(on_walls).mean()
    assert np.median(np.concatenate(glass)) < 0.8 * np.median(np.concatenate(walls))


@pytest.mark.parametrize("size", [(32, 64), SMALL, LARGE])
def test_windows_too_small_to_be_outlined_by_hand_are_wall(size, monkeypatch):
    """No specks: at 256 x 512 the smallest are about 10 x 5 pixels, before something hides a part of them."""
    outlines, fill = [], Canvas.fill

    def recording(canvas, points, kind, *rest):
        if kind in (WINDOW, DOOR):
            outlines.append(np.ptp(points, axis=0))
        fill(canvas, points, kind, *rest)

    monkeypatch.setattr(Canvas, "fill", recording)
    for seed in range(15):
        street_scene(seed, size)
    width, height = np.min(outlines, axis=0) / size[1]
    assert max(0.01, 2 / size[1]) <= width < 0.06
    assert max(0.02, 2 / size[1]) <= height < 0.06


@pytest.mark.parametrize("shop", [False, True])
def test_every_wall_has_a_door(shop):
    for seed in range(10):
        canvas = Canvas(np.random.default_rng(seed), *LARGE)
        buildings._paint_facade(canvas, (-5, 12), (5, 12), 6, (150, 100, 80), 1, shop)
        ids = np.asarray(canvas.ids)
        assert {BUILDING, WINDOW, DOOR} < set(np.unique(ids).tolist())
        (columns,) = np.nonzero((ids == DOOR).any(axis=0))
        assert len(columns) == columns[-1] - columns[0] + 1  # one


# -- sizes and seeds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_seed_is_the_same_composition_at_every_size(seed):
    small, picture = street_scene(seed, (128, 256))
    large, large_picture = street_scene(seed, (384, 768))
    assert (large[1::3, 1::3] == small).mean() > 0.9
    shrunk = np.asarray(large_picture.resize((256, 128), Image.Resampling.BOX), float)
    assert np.abs(shrunk - np.asarray(picture, float)).mean() < 16


@pytest.mark.parametrize(
    "size",
    [(31, 64), (64, 63), (2049, 4096), (2048, 4097), (128, 64), (64, 256), (256,), (2, 256, 512), (64.0, 128.0), 256],
)
def test_bad_sizes_are_refused(size):
    with pytest.raises(ValueError, match=r"size of a scene must be \(height, width\)"):
        street_scene(0, size)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="integer of 0 or more"):
        street_scene(seed)


def test_numpy_integers_are_integers():
    assert (street_scene(np.int64(5), (np.int32(64), 128))[0] == street_scene(5, SMALL)[0]).all()
