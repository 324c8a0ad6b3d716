"""The model in the box is the one that was measured: its config, its bytes, what it makes of three layouts.

`scripts/put_in_box.py` writes what is expected here when another model goes into the box.
"""

import hashlib
import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from crn_hub import CRN, ClassSet
from crn_hub.model import CONFIG, DEMO_WIDTHS, MODEL_IN_THE_BOX, WEIGHTS
from crn_hub.synthesis import to_pixels
from scripts.put_in_box import EXPECTED, MAX_BYTES, outputs_on_three_layouts

TOLERANCE = 2.0  # of 255: weights are in half precision, and sums differ in order from machine to machine


@pytest.fixture(scope="module")
def box() -> CRN:
    return CRN.from_pretrained()


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(EXPECTED, allow_pickle=False) as stored:
        return dict(stored)


def test_config(box: CRN) -> None:
    config = json.loads((MODEL_IN_THE_BOX / CONFIG).read_text())
    assert ClassSet.from_list(config.pop("classes")) == ClassSet.camvid()
    assert config == {"widths": list(DEMO_WIDTHS), "base_size": [4, 8], "num_images": 2}
    assert box.size == (256, 512)


def test_weights_are_those_that_were_measured(expected: dict[str, np.ndarray]) -> None:
    weights = (MODEL_IN_THE_BOX / WEIGHTS).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == str(expected["sha256"])
    assert len(weights) < MAX_BYTES


def test_outputs_on_three_layouts(box: CRN, expected: dict[str, np.ndarray]) -> None:
    outputs = outputs_on_three_layouts(box)
    assert outputs.keys() == expected.keys() - {"sha256"}
    for name, pixels in outputs.items():
        assert np.abs(pixels - expected[name]).max() < TOLERANCE, name
    flat = CRN(box.classes, box.widths, box.base_size, box.num_images)
    others = outputs_on_three_layouts(flat)
    assert all(np.abs(others[name] - expected[name]).max() > 10 * TOLERANCE for name in outputs)


def test_pictures_do_not_collapse_on_painted_layouts(box: CRN) -> None:
    """What people paint that no photograph looks like: within the range of pictures, and no two alike."""
    files = sorted((ROOT / "benchmarks/model_in_the_box/painted").glob("*.png"))
    assert len(files) == 12
    means = []
    for file in files:
        images = np.stack([np.asarray(image) for image in box.synthesize(Image.open(file))])
        assert np.mean((images == 0) | (images == 255)) < 0.4, file.name
        means.append(images.mean(axis=(0, 1, 2)))
    apart = [np.abs(a - b).max() for i, a in enumerate(means) for b in means[:i]]
    assert min(apart) > 1


def test_a_painted_sky_is_lighter_than_the_street_below_it(box: CRN) -> None:
    ids = np.full(box.size, ClassSet.camvid().find_name("road"), dtype=np.uint8)
    ids[:128] = ClassSet.camvid().find_name("sky")
    with torch.inference_mode():
        pixels = to_pixels(box(torch.from_numpy(ids)[None])[0])
    assert (pixels[:, :100].mean(axis=(1, 2, 3)) > pixels[:, 150:].mean(axis=(1, 2, 3)) + 20).all()
