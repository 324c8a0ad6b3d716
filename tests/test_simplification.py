"""Label maps made coarser: what may change and what may not."""

import numpy as np
import pytest

from crn_hub import ClassSet
from crn_hub.data import PairDataset
from crn_hub.data.simplification import simplify
from crn_hub.scenes import POLE, SKY, street_scene

CLASSES = 11


@pytest.fixture(scope="module")
def street() -> np.ndarray:
    return street_scene(3, (128, 256))[0]


def edges(ids: np.ndarray) -> int:
    """How many neighbours differ."""
    return int((ids[1:] != ids[:-1]).sum() + (ids[:, 1:] != ids[:, :-1]).sum())


@pytest.mark.parametrize("seed", range(12))
def test_a_simplified_layout_is_one_of_the_same_street(street: np.ndarray, seed: int) -> None:
    simple = simplify(street, CLASSES, np.random.default_rng(seed))
    assert simple.dtype == np.uint8
    assert simple.shape == street.shape
    assert set(np.unique(simple)) <= set(np.unique(street))
    assert 0.6 < (simple == street).mean() < 1
    assert np.array_equal(simple, simplify(street, CLASSES, np.random.default_rng(seed)))


def test_all_three_ways_come_up(street: np.ndarray) -> None:
    """Smoothing and polygons take poles away, swelling makes them thicker; all leave fewer edges."""
    poles = [(simplify(street, CLASSES, np.random.default_rng(s)) == POLE).sum() for s in range(40)]
    assert min(poles) < 0.2 * (street == POLE).sum()
    assert max(poles) > 1.5 * (street == POLE).sum()
    simpler = [edges(simplify(street, CLASSES, np.random.default_rng(s))) for s in range(40)]
    assert np.mean(simpler) < 0.8 * edges(street)


@pytest.mark.parametrize("size", [(4, 8), (16, 32), (1, 1)])
@pytest.mark.parametrize("seed", range(9))
def test_small_and_empty_layouts_pass(size: tuple[int, int], seed: int) -> None:
    for of in (SKY, 255):
        ids = np.full(size, of, dtype=np.uint8)
        assert np.array_equal(simplify(ids, CLASSES, np.random.default_rng(seed)), ids)


def test_specks_without_a_label_are_painted_over(street: np.ndarray) -> None:
    specks = street.copy()
    specks[::8, ::8] = 255
    shares = [(simplify(specks, CLASSES, np.random.default_rng(seed)) == 255).mean() for seed in range(12)]
    assert np.median(shares) == 0  # swelling leaves them where nothing grows


def test_a_share_of_the_layouts_is_simplified_and_no_photograph_changes(street: np.ndarray) -> None:
    row = {"image": street_scene(3, (64, 128))[1], "label": street_scene(3, (64, 128))[0]}
    plain = PairDataset([row] * 60, ClassSet.camvid(), (64, 128), seed=4)
    half = PairDataset([row] * 60, ClassSet.camvid(), (64, 128), seed=4, simplify_layouts=0.5)
    held_out = PairDataset([row], ClassSet.camvid(), (64, 128), simplify_layouts=1.0)
    assert held_out[0]["ids"].equal(plain[0]["ids"])  # nothing is random without a seed
    assert all(a["photograph"].equal(b["photograph"]) for a, b in zip(plain, half, strict=True))
    changed = [not a["ids"].equal(b["ids"]) for a, b in zip(plain, half, strict=True)]
    assert 20 <= sum(changed) <= 40
    half.set_epoch(1)
    assert changed != [not a["ids"].equal(b["ids"]) for a, b in zip(plain, half, strict=True)]
