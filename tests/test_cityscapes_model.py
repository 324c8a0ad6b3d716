"""The whole way of a model with the 19 classes of Cityscapes: converted, pushed, loaded by its id, used, shown."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from support import ROOT
from support.browsing import Open, jpeg, photograph, plane, running_app, settled
from support.hub_server import HubServer

from crn_hub import CRN, ClassSet
from crn_hub.scenes import SCENE_CLASSES, street_scene

NAME = "org/crn-cityscapes"
CITYSCAPES = ClassSet.cityscapes()
RAW_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]  # cityscapesScripts, by train id
PUSH = "import sys; from crn_hub import CRN; CRN.from_pretrained(sys.argv[1]).push_to_hub(sys.argv[2])"


@pytest.fixture(scope="module")
def environment(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return hub.environment(tmp_path_factory.mktemp("home")) | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def converted(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> CRN:
    """The model as `crn convert-tf` made it; it has been pushed, too."""
    folder = tmp_path_factory.mktemp("converted") / "crn-cityscapes"
    checkpoint = ROOT / "tests" / "data" / "tf_parity" / "diverse_64x128" / "model.ckpt"
    python(environment, "-m", "crn_hub", "convert-tf", checkpoint, folder)
    python(environment, "-c", PUSH, folder, NAME)
    return CRN.from_pretrained(folder)


def python(environment: dict[str, str], *arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def street() -> np.ndarray:
    """Train ids (512, 1024): a street with every class of Cityscapes and unlabelled somewhere."""
    ids, _ = street_scene(0, (512, 1024))
    ids = ClassSet.load(SCENE_CLASSES).translation_to(CITYSCAPES)[ids]
    ids[:32, : 20 * 32] = np.array([*range(19), 255], np.uint8).repeat(32)
    return ids


def official_files(ids: np.ndarray, folder: Path) -> list[Path]:
    """The layout as Cityscapes has it on disk: raw ids, train ids, and colours with alpha and several kinds of void."""
    raw = np.full(256, 4, np.uint8)  # "static"
    raw[: len(RAW_IDS)] = RAW_IDS
    raw_ids, colors = raw[ids], CITYSCAPES.to_colors(ids)
    void = np.argwhere(ids == 255)[:20]
    raw_ids[tuple(void.T)] = 6  # "ground"
    colors[tuple(void.T)] = (81, 0, 81)
    start = "aachen_000000_000019_gtFine"
    pictures = {
        "labelIds": Image.fromarray(raw_ids),
        "labelTrainIds": Image.fromarray(ids),
        "color": Image.fromarray(colors).convert("RGBA"),
    }
    for kind, picture in pictures.items():
        picture.save(folder / f"{start}_{kind}.png", compress_level=1)
    return [folder / f"{start}_{kind}.png" for kind in pictures]


def test_info_names_the_classes(environment: dict[str, str], converted: CRN) -> None:
    text = python(environment, "-m", "crn_hub", "info", NAME).stdout
    for part in (*CITYSCAPES.names, NAME, f"{converted.num_parameters:,}"):
        assert part in text


def test_official_layouts_give_the_photographs_of_the_converted_model(
    environment: dict[str, str], converted: CRN, street: np.ndarray, tmp_path: Path
) -> None:
    expected = converted.synthesize(street)
    assert expected[0].size == (1024, 512)
    files = official_files(street, tmp_path)
    done = python(environment, "-m", "crn_hub", "synthesize", NAME, *files, "--output", tmp_path / "out")
    for file in files:
        for number, picture in enumerate(expected, start=1):
            with Image.open(tmp_path / "out" / f"{file.stem}_{number}.png") as written:
                assert written.tobytes() == picture.tobytes()
    raw, colors = done.stderr.splitlines()
    assert "raw Cityscapes ids were converted to train ids" in raw
    assert "void colours in " in colors
    assert "(81, 0, 81) 20" in colors


def test_demo_opens_with_the_palette_of_the_19_classes(
    visit: Open, environment: dict[str, str], converted: CRN, street: np.ndarray, tmp_path: Path
) -> None:
    with running_app(tmp_path, environment | {"CRN_MODEL": NAME}) as address:
        tab = visit(address)
        assert tab.locator(".lp-chip span:nth-of-type(2)").all_inner_texts() == [*CITYSCAPES.names, "unlabelled"]
        expect(tab.locator("#facts")).to_contain_text("19 classes")
        expect(tab.locator(".lp-output")).to_have_count(converted.num_images)
        tab.locator("#open-layout input[type=file]").set_input_files(official_files(street, tmp_path)[0])
        settled(tab, 1)
        expect(tab.locator(".lp-notes li")).to_contain_text("raw Cityscapes ids were converted to train ids")
        assert np.array_equal(plane(tab), street)
        assert photograph(tab) == jpeg(converted.synthesize(street)[0])


def test_visitors_of_a_space_choose_it_by_its_id(
    visit: Open, environment: dict[str, str], converted: CRN, tmp_path: Path
) -> None:
    converted.save_pretrained(tmp_path / "folder")
    with running_app(tmp_path, environment | {"SPACE_ID": "org/space", "HF_TOKEN": "of-the-space"}) as address:
        tab = visit(address)
        field, button = tab.get_by_label("Model", exact=True), tab.get_by_role("button", name="Load the model")
        for name, message in ((str(tmp_path / "folder"), "is not the id of a Hub repo"), ("org/none", "org/none")):
            field.fill(name)
            button.click()
            expect(tab.locator(".toast-body").last).to_contain_text(message)
        field.fill(NAME)
        button.click()
        settled(tab, 1)
        expect(tab.locator("#facts")).to_contain_text("19 classes")
        expect(tab.locator(".lp-output")).to_have_count(converted.num_images)
        assert photograph(tab) == jpeg(converted.synthesize(plane(tab))[0])
