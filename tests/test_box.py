"""The model in the box is the one that was measured: its config, its bytes, what it makes of three layouts.

`scripts/renew_box.py` writes what is expected here when another model goes into the box.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support import ROOT

from crn_hub import CRN, ClassSet
from crn_hub.box import BOX, MODEL_IN_THE_BOX, resolve
from crn_hub.classes import read_layout
from crn_hub.data import PairDataset, hidden_rows, load_rows
from crn_hub.fingerprint import fingerprint
from crn_hub.hub.model_folder import CONFIG, WEIGHTS
from crn_hub.networks.cascade import DEMO_WIDTHS
from crn_hub.pictures import to_pixels
from crn_hub.segmentation import load_segmenter
from crn_hub.segmentation.segmenter_training import validate_segmenter
from crn_hub.training.rows import STYLE_ROWS
from scripts.put_in_box import EXPECTED, MAX_BYTES, STYLES, outputs_on_three_layouts
from scripts.renew_box import QUOTES, notes, quotes, readme

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
    assert ClassSet.from_list(config.pop("classes")) == ClassSet.streets()
    parts = {"region_colors": True, "noise_planes": True}
    styles = config.pop("styles")
    assert [style["name"] for style in styles] == [*STYLES.values()]
    assert sum(sum(style["photographs"].values()) for style in styles) == STYLE_ROWS
    assert config == {"widths": list(DEMO_WIDTHS), "base_size": [4, 8], "num_images": 1, **parts}
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
    torch.manual_seed(0)
    others = outputs_on_three_layouts(CRN(box.classes, box.widths, box.base_size, box.num_images))
    assert all(np.abs(others[name] - expected[name]).max() > 10 * TOLERANCE for name in outputs)


# Of the 122 held-out photographs of the streets data set at 256 x 512: mean difference of the largest and smallest
# channel, share of values that are 0 or 255, standard deviation of the brightness of those with a sky, and difference
# of mean brightness between sky and building, tree or road; `test_bounds_are_those_of_photographs` measures them.
MOST_SATURATION, MOST_CLIPPED, LEAST_CONTRAST, LEAST_LIGHTER_SKY = 65.2, 0.14, 37.7, 98
PAINTED = ROOT / "benchmarks/model_in_the_box/painted"
NAMES = sorted(file.stem for file in PAINTED.glob("*.png"))
assert NAMES, "no painted layouts"


def collapsed(images: np.ndarray, has_sky: bool) -> str | None:
    """What is wrong with pictures (K, H, W, 3), by bounds that photographs keep; None if nothing is.

    Sky, the lightest class, gives contrast to what else there is; without it there may be none.
    """
    if ((images == 0) | (images == 255)).mean() > 2 * MOST_CLIPPED:
        return "clipped"
    if (images.max(axis=-1) - images.min(axis=-1)).mean() > 1.5 * MOST_SATURATION:
        return "in no colours of a street"
    if has_sky and images.mean(axis=-1).std(axis=(1, 2)).min() < 0.75 * LEAST_CONTRAST:
        return "all the same"
    return None


def sky_of(ids: np.ndarray, classes: ClassSet) -> np.ndarray:
    return ids == classes.find_name("sky")


def painted(model: CRN, name: str) -> tuple[np.ndarray, bool]:
    """The pictures of a painted layout, and whether a twentieth of it or more is sky."""
    ids = read_layout(PAINTED / f"{name}.png", model.classes).ids
    images = np.stack([np.asarray(image, dtype=float) for image in model.synthesize(ids)])
    return images, bool(sky_of(ids, model.classes).mean() > 0.05)


# -- what the project says of it -----------------------------------------------------------------------


def test_what_is_said_and_shown_of_it_is_about_the_model_that_is_there(box: CRN) -> None:
    listed = json.loads(QUOTES.read_text())
    renew = "run scripts/renew_box.py, which makes them anew"
    assert listed["model"] == fingerprint(box, box.config), f"{QUOTES.name} lists files about another model: {renew}"
    changed = [name for name, now in quotes(box)["files"].items() if listed["files"].get(name) != now]
    assert not changed, f"{', '.join(changed)}: not as made for this model; {renew}"
    assert set(listed["files"]) == set(quotes(box)["files"])
    assert readme(box) == (ROOT / "README.md").read_text(encoding="utf-8"), f"README.md: {renew}"
    assert box.training_record["notes"] == notes(box.training_record)


def test_its_measures_in_the_benchmark_are_those_of_its_card(box: CRN) -> None:
    evaluations = {e["dataset"]: e for e in box.training_record["evaluations"]}
    for source in ("camvid", "labelmefacade"):
        results = json.loads((ROOT / f"benchmarks/box/{source}/results.json").read_text())
        model, own_colors = results["models"]
        assert own_colors["name"] == f"{model['name']}, own colours"
        assert model["fingerprint"] == fingerprint(box, box.config)
        values = [measure["value"] for measure in evaluations[f"streets, source {source}"]["measures"]]
        assert values == [value for value, *_ in model["measures"].values() if value is not None]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_painted_layouts_do_not_collapse(box: CRN, name: str) -> None:
    """What people paint that no photograph looks like."""
    assert collapsed(*painted(box, name)) is None


def test_an_untrained_network_counts_as_collapsed(box: CRN) -> None:
    """On every layout with a sky; for 8 seeds its contrast was 9 to 22 there."""
    torch.manual_seed(0)
    fresh = CRN(box.classes, box.widths, box.base_size, box.num_images)
    pictures = [painted(fresh, name) for name in NAMES]
    faults = [collapsed(images, has_sky) for images, has_sky in pictures if has_sky]
    assert len(faults) > 5
    assert None not in faults


@pytest.fixture(scope="module")
def held_out(streets: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Photographs, float (256, 512, 3), and ids of the held-out rows of the streets data set; first LabelMeFacade's."""
    data = PairDataset(load_rows(str(streets))[1], ClassSet.load("streets"), (256, 512))
    pairs = [data[row] for row in range(len(data))]
    return [(to_pixels(pair["photograph"]).astype(float), pair["ids"].numpy()) for pair in pairs]


def test_bounds_are_those_of_photographs(held_out: list[tuple[np.ndarray, np.ndarray]], streets: Path) -> None:
    classes, facades = ClassSet.load("streets"), len(hidden_rows(load_rows(str(streets))[1]))
    with_sky = [photograph for photograph, ids in held_out if sky_of(ids, classes).any()]
    brightness: dict[tuple[bool, str], list[float]] = {}
    for row, (photograph, ids) in enumerate(held_out):
        for name in ("sky", "building", "tree", "road"):
            if (region := ids == classes.find_name(name)).mean() > 0.02:
                brightness.setdefault((row < facades, name), []).append(photograph[region].mean())
    means = {key: np.mean(values) for key, values in brightness.items()}
    lighter = [means[collection, "sky"] - mean for (collection, name), mean in means.items() if name != "sky"]
    assert max((p.max(-1) - p.min(-1)).mean() for p, _ in held_out) == pytest.approx(MOST_SATURATION, abs=0.1)
    assert max(((p == 0) | (p == 255)).mean() for p, _ in held_out) == pytest.approx(MOST_CLIPPED, abs=0.01)
    assert min(photograph.mean(-1).std() for photograph in with_sky) == pytest.approx(LEAST_CONTRAST, abs=0.1)
    assert min(lighter) == pytest.approx(LEAST_LIGHTER_SKY, abs=1)


def test_spoilt_photographs_count_as_collapsed_and_photographs_do_not(
    held_out: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    classes = ClassSet.load("streets")
    for photograph, ids in held_out:
        has_sky = bool(sky_of(ids, classes).any())
        grey = photograph.mean(axis=-1, keepdims=True)
        assert collapsed(photograph[None], has_sky) is None
        assert collapsed(((photograph - 128) * 9 + 128).clip(0, 255)[None], has_sky) == "clipped"
        assert not has_sky or collapsed((128 + (grey - 128) / 4)[None], True) == "all the same"
    green = np.stack([np.full((256, 512), value, float) for value in (40, 180, 60)], axis=-1)
    assert collapsed(green[None], False) == "in no colours of a street"


def test_painted_classes_have_their_brightness(box: CRN) -> None:
    """Sky is the lightest in every style, on average by half of what it is in photographs or more; no class has the
    picture of another."""
    lighter = []
    for style in box.styles:
        pictures = {}
        for name in ("sky", "building", "tree", "road"):
            ids = np.full(box.size, box.classes.find_name(name), dtype=np.uint8)
            pictures[name] = np.asarray(box.synthesize(ids, style=style)[0], dtype=float)
        lighter.append(min(pictures["sky"].mean() - pictures[name].mean() for name in ("building", "tree", "road")))
        assert all(np.abs(pictures[a] - pictures[b]).mean() > 2 for a in pictures for b in pictures if a < b)
    assert min(lighter) > 0
    assert np.mean(lighter) > LEAST_LIGHTER_SKY / 2


def test_its_folder_is_what_saving_it_writes(box: CRN, tmp_path: Path) -> None:
    shutil.copytree(MODEL_IN_THE_BOX / "samples", tmp_path / "samples")
    box.save_card(tmp_path)
    written = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    there = [file for file in MODEL_IN_THE_BOX.rglob("*") if file.is_file() and file.name != WEIGHTS]
    assert {file.relative_to(MODEL_IN_THE_BOX): file.read_bytes() for file in there} == written


def test_commands_know_it_as_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (resolve(BOX), resolve("org/crn"), resolve("")) == (str(MODEL_IN_THE_BOX), "org/crn", "")
    monkeypatch.setattr("crn_hub.box.MODEL_IN_THE_BOX", tmp_path / "gone")
    for ask in (lambda: resolve(BOX), CRN.from_pretrained):
        with pytest.raises(FileNotFoundError, match=r"box: the model that comes with crn_hub is missing .*gone"):
            ask()


def test_the_segmenter_finds_what_is_in_photographs_held_out_of_its_training(streets: Path) -> None:
    rows = load_rows(str(streets)).held_out.select(range(0, 122, 6))
    data = PairDataset(rows, ClassSet.streets(), (192, 384))
    scores = validate_segmenter(load_segmenter(BOX, None), data)
    assert scores["pixel_accuracy"] > 0.65
    assert scores["class_iou"]["road"] > 0.7
    assert scores["class_iou"]["sky"] > 0.6
