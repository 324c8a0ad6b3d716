"""Label maps made coarser: what may change and what may not."""

import numpy as np
import pytest
import torch

from crn_hub import ClassSet
from crn_hub.data import PairDataset
from crn_hub.data.simplification import _polygons, _smoothed, _swollen, simplify
from crn_hub.scenes import POLE, SKY, street_scene

CLASSES = 13


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return street_scene(3, (128, 256))[0]


def edges(ids: np.ndarray) -> int:
    """How many neighbours differ."""
    return int((ids[1:] != ids[:-1]).sum() + (ids[:, 1:] != ids[:, :-1]).sum())


@pytest.mark.parametrize("seed", range(12))
def test_a_simplified_layout_is_one_of_the_same_street(scene: np.ndarray, seed: int) -> None:
    simple = simplify(scene, CLASSES, np.random.default_rng(seed))
    assert simple.dtype == np.uint8
    assert simple.shape == scene.shape
    assert set(np.unique(simple)) <= set(np.unique(scene))
    assert 0.6 < (simple == scene).mean() < 1
    assert np.array_equal(simple, simplify(scene, CLASSES, np.random.default_rng(seed)))


def test_all_three_ways_come_up(scene: np.ndarray) -> None:
    """Smoothing and polygons take poles away, swelling makes them thicker; all leave fewer edges."""
    poles = [(simplify(scene, CLASSES, np.random.default_rng(s)) == POLE).sum() for s in range(40)]
    assert min(poles) < 0.2 * (scene == POLE).sum()
    assert max(poles) > 1.5 * (scene == POLE).sum()
    simpler = [edges(simplify(scene, CLASSES, np.random.default_rng(s))) for s in range(40)]
    assert np.mean(simpler) < 0.8 * edges(scene)


def one_hot(ids: np.ndarray) -> torch.Tensor:
    channel = torch.from_numpy(np.where(ids == 255, CLASSES, ids)).long()
    return torch.nn.functional.one_hot(channel, CLASSES + 1).permute(2, 0, 1)[None].float()


def test_smoothing_takes_thin_things_and_rounds_corners() -> None:
    ids = np.zeros((64, 128), dtype=np.uint8)
    ids[20:44, 40:80], ids[:, 100] = 1, 2
    smooth = _smoothed(one_hot(ids), 1 / 8)[0].argmax(dim=0).numpy()
    assert set(np.unique(smooth)) == {0, 1}
    assert (smooth[28:36, 50:70] == 1).all()
    assert smooth[21, 41] == 0


def test_swelling_grows_small_classes_over_larger_ones_and_leaves_unlabelled_alone() -> None:
    ids = np.zeros((64, 128), dtype=np.uint8)
    ids[30:34, 60:64], ids[10:14, 20:24] = 3, 255
    found = [_swollen(one_hot(ids), 1 / 32, np.random.default_rng(s))[0].argmax(dim=0).numpy() for s in range(20)]
    sizes = {int((layout == 3).sum()) for layout in found}
    assert sizes == {16, 64}  # as it was, or two pixels more on each side
    assert all((layout == CLASSES).sum() <= 16 for layout in found)


def test_polygons_have_the_class_of_their_point() -> None:
    ids = np.arange(8, dtype=np.uint8).repeat(8)[None].repeat(64, 0)  # eight stripes
    simple = _polygons(ids, 200, np.random.default_rng(1))
    assert (simple == ids).mean() > 0.6
    assert np.abs(simple.astype(int) - ids).max() <= 3


@pytest.mark.parametrize("size", [(4, 8), (16, 32), (1, 1)])
@pytest.mark.parametrize("seed", range(9))
def test_small_and_empty_layouts_pass(size: tuple[int, int], seed: int) -> None:
    for of in (SKY, 255):
        ids = np.full(size, of, dtype=np.uint8)
        assert np.array_equal(simplify(ids, CLASSES, np.random.default_rng(seed)), ids)


def test_specks_without_a_label_are_painted_over(scene: np.ndarray) -> None:
    specks = scene.copy()
    specks[::8, ::8] = 255
    shares = [(simplify(specks, CLASSES, np.random.default_rng(seed)) == 255).mean() for seed in range(12)]
    assert np.median(shares) == 0  # swelling leaves them where nothing grows


def test_a_share_of_the_layouts_is_simplified_and_no_photograph_changes(scene: np.ndarray) -> None:
    row = {"image": street_scene(3, (64, 128))[1], "label": street_scene(3, (64, 128))[0]}
    plain = PairDataset([row] * 60, ClassSet.streets(), (64, 128), seed=4)
    half = PairDataset([row] * 60, ClassSet.streets(), (64, 128), seed=4, simplify_layouts=0.5)
    held_out = PairDataset([row], ClassSet.streets(), (64, 128), simplify_layouts=1.0)
    assert held_out[0]["ids"].equal(plain[0]["ids"])  # nothing is random without a seed
    assert all(a["photograph"].equal(b["photograph"]) for a, b in zip(plain, half, strict=True))
    changed = [not a["ids"].equal(b["ids"]) for a, b in zip(plain, half, strict=True)]
    assert 20 <= sum(changed) <= 40
    half.set_epoch(1)
    assert changed != [not a["ids"].equal(b["ids"]) for a, b in zip(plain, half, strict=True)]
