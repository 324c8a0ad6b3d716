"""Committed pictures show photographs of CamVid, or none: LabelMeFacade's are for research and not to be published.

tests/data/pictures.json lists every committed picture with the rows whose photographs it shows: data set/split -> row
numbers; {} if it shows none. Swatches of class colours are not listed.
"""

import json
import shutil
import subprocess
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from support import ROOT
from support.data_folders import pair
from support.picture_search import Templates, find

from crn_hub import CRN, ClassSet
from crn_hub.data import PairDataset, hidden_rows, load_rows
from crn_hub.picture_grids import HEAD, HIDDEN_COLOR, MARGIN
from crn_hub.scenes import street_scene
from scripts.put_in_box import SAMPLE_TILE, draw_samples, list_pictures

LIST = ROOT / "tests" / "data" / "pictures.json"
LISTED: dict[str, dict[str, list[int]]] = json.loads(LIST.read_text())
KINDS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".svg", ".pdf", ".html"}
LABELMEFACADE = {"streets/train": range(626), "streets/validation": range(54)}  # its rows
FEW_COLOURS = 64  # no photograph, but a layout


def refused(listed: dict[str, dict[str, list[int]]]) -> list[str]:
    """The pictures that show rows of LabelMeFacade, or of data that are not known."""
    return [
        name
        for name, photographs in listed.items()
        for data, rows in photographs.items()
        if data not in ("camvid/train", "camvid/validation", *LABELMEFACADE)
        or set(rows) & set(LABELMEFACADE.get(data, ()))
    ]


def photographs_of(folder: Path, split: str) -> list[Image.Image]:
    return list(load_rows(str(folder))[split == "validation"]["image"])


@pytest.fixture(scope="module")
def facades(streets: Path) -> Templates:
    """All photographs of LabelMeFacade."""
    rows = [split.select(sorted(hidden_rows(split))) for split in load_rows(str(streets))[:2]]
    return Templates([photograph for split in rows for photograph in split["image"]])


def test_every_committed_picture_is_listed() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("git refuses this checkout")
    committed = {name for name in done.stdout.split("\0") if Path(name).suffix.lower() in KINDS}
    pictures = {name for name in committed if Path(name).parent.name != "swatches"}
    hint = f"list in {LIST.relative_to(ROOT)} which photographs it shows; no LabelMeFacade"
    assert pictures - LISTED.keys() == set(), hint
    assert LISTED.keys() - pictures == set(), f"gone, or not yet added to git: take it out of {LIST.relative_to(ROOT)}"


def test_no_listed_row_is_of_labelmefacade() -> None:
    assert refused(LISTED) == []
    sheet = {"camvid/validation": [0], "streets/validation": [54]}
    assert refused({"sheet": sheet}) == []
    assert refused({"sheet": sheet | {"streets/validation": [53]}}) == ["sheet"]
    assert refused({"sheet": sheet | {"streets/train": [7, 700]}}) == ["sheet"]
    assert refused({"sheet": {"facades/train": [700]}}) == ["sheet"]


def test_rows_of_labelmefacade_are_those_named_here(streets: Path) -> None:
    train, validation, *_ = load_rows(str(streets))
    assert hidden_rows(train) == set(LABELMEFACADE["streets/train"])
    assert hidden_rows(validation) == set(LABELMEFACADE["streets/validation"])


@pytest.mark.parametrize("data", ["camvid", "streets"])
def test_pictures_show_the_photographs_that_are_listed(data: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(data)
    for name, photographs in LISTED.items():
        for split in ("train", "validation"):
            if rows := photographs.get(f"{data}/{split}"):
                all_of_split = photographs_of(folder, split)
                with Image.open(ROOT / name) as picture:
                    found = find(picture, Templates([all_of_split[row] for row in rows]), places=12)
                assert [rows[number] for number in found] == rows, name


def test_no_committed_picture_shows_a_photograph_of_labelmefacade(facades: Templates) -> None:
    searched = 0
    for name in LISTED:
        if Path(name).suffix not in (".svg", ".pdf", ".html"):
            with Image.open(ROOT / name) as picture:
                if picture.convert("RGB").getcolors(FEW_COLOURS) is None:
                    assert find(picture, facades).tolist() == [], name
                    searched += 1
    assert searched > 5


def test_planted_photographs_of_labelmefacade_are_found(streets: Path, facades: Templates, tmp_path: Path) -> None:
    """In a cell of a contact sheet, and small and whole in a corner of a screenshot."""
    _, held_out, *_ = load_rows(str(streets))
    number = {row: 626 + row for row in (3, 31)}  # among the templates
    sheet = Image.open(ROOT / "benchmarks/systems/held-out.jpg").convert("RGB")
    photograph = held_out[3]["image"]
    height = photograph.width // 2
    top = (photograph.height - height) // 2
    sheet.paste(photograph.crop((0, top, photograph.width, top + height)).resize((256, 128)), (1390, 154))
    sheet.save(tmp_path / "sheet.jpg", quality=88)
    screenshot = Image.open(ROOT / "docs/demo.jpg").convert("RGB")
    screenshot.paste(held_out[31]["image"].resize((160, 120)), (1131, 13))
    screenshot.save(tmp_path / "screenshot.png")
    for name, row in {"sheet.jpg": 3, "screenshot.png": 31}.items():
        with Image.open(tmp_path / name) as picture:
            assert find(picture, facades).tolist() == [number[row]], name


def test_samples_of_the_box_hide_what_may_not_be_shown() -> None:
    rows = datasets.Dataset.from_list([pair(n) | {"source": "camvid" if n > 5 else "labelmefacade"} for n in range(8)])
    model = CRN(ClassSet.camvid(), (4, 4, 4), num_images=2)
    grid, shown = draw_samples(model, PairDataset(rows, model.classes, model.size))
    assert shown == [6]  # of 0, 2, 4 and 6
    corners = [(grid.width - MARGIN - 10, HEAD + (SAMPLE_TILE[0] + MARGIN) * line + 10) for line in range(4)]
    grey = [grid.getpixel(corner) == HIDDEN_COLOR for corner in corners]
    assert grey == [True, True, True, False]


def test_pictures_of_a_folder_are_listed_in_place_of_earlier_ones(tmp_path: Path) -> None:
    listed = tmp_path / "pictures.json"
    listed.write_text('{"docs/demo.jpg": {}, "crn_hub/pretrained/crn-old/samples/held-out.png": {"camvid/train": [1]}}')
    new = {"crn-other/samples/held-out.png": {"streets/validation": [6]}, "crn-other/samples/loss-curves.png": {}}
    list_pictures("crn_hub/pretrained", new, listed)
    assert json.loads(listed.read_text()) == {
        "crn_hub/pretrained/crn-other/samples/held-out.png": {"streets/validation": [6]},
        "crn_hub/pretrained/crn-other/samples/loss-curves.png": {},
        "docs/demo.jpg": {},
    }


def test_the_search_needs_no_data_set(tmp_path: Path) -> None:
    """Procedural scenes in place of photographs: of twenty the one that is there is found, cropped and compressed."""
    scenes = [street_scene(seed, (192, 256))[1] for seed in range(20)]
    picture = Image.effect_noise((700, 300), 60).convert("RGB")
    nothing = find(picture, Templates(scenes))
    picture.paste(scenes[7].crop((0, 32, 256, 160)).resize((150, 75)), (411, 103))
    picture.save(tmp_path / "picture.jpg")
    with Image.open(tmp_path / "picture.jpg") as saved:
        found = find(saved, Templates(scenes))
    assert (nothing.tolist(), found.tolist()) == ([], [7])
    assert find(Image.new("RGB", (20, 20)), Templates(scenes)).tolist() == []
    assert np.array_equal(find(Image.new("RGB", (300, 200), "white"), Templates(scenes)), [])
