"""Sizes and pixels between a layout and its photograph."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import ROOT

from crn_hub.pictures import compose, save_picture, to_pixels
from crn_hub.synthesis import photographs_of, resize_ids


def no_more(ids: np.ndarray) -> tuple[()]:
    """The network takes ids alone."""
    return ()


class Plain(torch.nn.Module):
    """Gives image u the grey level 0.1 * u; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.asked = ids
        of_one = torch.stack([torch.full((3, *ids.shape[1:]), 0.1 * u) for u in range(3)])
        return of_one.expand(len(ids), *of_one.shape) + self.weight


def test_resizing_brings_no_new_ids() -> None:
    ids = np.array([[0, 255], [7, 3]], np.uint8)
    assert set(np.unique(resize_ids(ids, (9, 13)))) == {0, 3, 7, 255}
    assert np.array_equal(resize_ids(resize_ids(ids, (8, 8)), (2, 2)), ids)
    assert resize_ids(ids, (2, 2)) is ids


def test_pixels_are_clipped_and_rounded() -> None:
    images = torch.tensor([-3.0, -1.0, 0.0, 0.999, 1.0, 2.0]).view(1, 1, 6).expand(3, 1, 6)
    assert to_pixels(images)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]


def test_the_network_gets_its_size_and_the_caller_the_layouts() -> None:
    network = Plain()
    layouts = [np.zeros((40, 20), np.uint8), np.zeros((5, 6), np.uint8)]
    photographs, others = photographs_of(network, layouts, no_more, 2, (16, 32))
    assert tuple(network.asked.shape) == (2, 16, 32)
    assert [p.size for p in photographs] == [(20, 40)] * 2
    assert [p.size for p in others] == [(6, 5)] * 2
    assert [p.getpixel((3, 3))[0] for p in photographs] == [128, 140]


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (20_000, 20_000), (10.5, 30), (10,), 10])
def test_sizes_out_of_range_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="size must be"):
        photographs_of(Plain(), [np.zeros((4, 4), np.uint8)], no_more, 1, (16, 32), size)


def test_a_size_that_is_asked_for_is_that_of_the_photographs() -> None:
    ((photograph,),) = photographs_of(Plain(), [np.zeros((4, 4), np.uint8)], no_more, 1, (16, 32), (10, 30))
    assert photograph.size == (30, 10)


def test_millions_of_columns_cost_no_more_than_themselves() -> None:
    """In a child of bounded memory: rows first, the 256 rows of the network would take 20 GB."""
    code = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (12_000_000_000, 12_000_000_000))
import numpy as np
from crn_hub import CRN, ClassSet
(photograph,) = CRN(ClassSet.camvid(), (4,) * 7).synthesize(np.zeros((1, 20_000_000), np.uint8))
assert photograph.size == (20_000_000, 1)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "street.png").mkdir()
    with pytest.raises(OSError, match="street"):
        save_picture(Image.new("RGB", (2, 2)), tmp_path / "street.png")
    assert [path.name for path in tmp_path.iterdir()] == ["street.png"]


def test_compose_takes_each_pixel_from_its_photograph() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    choice = np.random.default_rng(1).integers(0, 3, (5, 7), dtype=np.uint8)
    composed = np.asarray(compose([Image.fromarray(picture) for picture in noise], choice))
    for y, x in np.ndindex(5, 7):
        assert (composed[y, x] == noise[choice[y, x], y, x]).all()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (np.full((5, 7), 2, np.uint8), r"choices are 0..1, not 2..2"),
        (np.full((5, 7), -1, np.int16), r"choices are 0..1, not -1..-1"),
        (np.zeros((7, 5), np.uint8), r"choice is \(7, 5\), the photographs are \[\(5, 7\)\]"),
    ],
)
def test_compose_refuses(choice: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compose([Image.new("RGB", (7, 5)), Image.new("RGB", (7, 5))], choice)
