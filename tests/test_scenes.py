"""crn_hub.scenes: the same seed is the same scene, and the ids say what the picture shows."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import crn_hub.scenes as scenes_module
from crn_hub.scenes import BUILDING, CAR, PAVEMENT, ROAD, SCENE_CLASSES, SKY, TREE, street_scene

SMALL = (64, 128)


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
    assert SCENE_CLASSES == "camvid"
    assert set(np.concatenate([np.unique(ids) for ids, _ in scenes]).tolist()) == set(range(11))


def test_streets_look_like_driver_view_labels(scenes):
    # Shares of the CamVid training labels: sky 0.17, building 0.22, road 0.31, tree 0.10, car and pavement 0.05.
    share = np.mean([np.bincount(ids.ravel(), minlength=11) / ids.size for ids, _ in scenes], axis=0)
    assert 0.08 < share[SKY] < 0.3
    assert 0.12 < share[BUILDING] < 0.35
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
