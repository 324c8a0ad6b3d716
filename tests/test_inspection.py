"""crn dataset inspect finds what was planted, and draws it."""

from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from support.command_line import crn
from support.data_folders import pair, png, spoil, write_folder

from crn_hub.data_options import DataOptions
from crn_hub.inspection.inspecting import inspect_dataset, rows_alike
from crn_hub.inspection.report import describe


def smooth(seed: int) -> Image.Image:
    """A photograph with structure, so that hashes say something."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)).resize((48, 36))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validation row 1 is train row 3 again, a little brighter and as JPEG; the test split has no labels."""
    folder = tmp_path_factory.mktemp("planted") / "streets"
    label = pair()["label"]
    features = datasets.Features(image=datasets.Image(), label=datasets.Image())
    seeds = {"train": [0, 1, 2, 3, 4], "validation": [10, 3], "test": [20, 21]}
    splits = {}
    for split, several in seeds.items():
        rows = [{"image": {"bytes": png(smooth(s)), "path": None}, "label": label} for s in several]
        if split == "validation":
            again = smooth(3).point(lambda level: min(255, level + 8))
            rows[1]["image"] = again
        if split == "test":
            rows = [row | {"label": None} for row in rows]
        splits[split] = datasets.Dataset.from_list(rows, features)
    datasets.DatasetDict(splits).save_to_disk(folder)
    (folder / "classes.json").write_bytes((write_folder(folder.parent / "other") / "classes.json").read_bytes())
    return folder


def test_everything_about_a_data_set(planted: Path) -> None:
    inspection = inspect_dataset(str(planted), DataOptions(ignore_label=(11,)), None)
    assert {split: len(inspection.of_split(split)) for split in inspection.data} == {
        "train": 5, "validation": 2, "test": 2
    }  # fmt: skip
    assert inspection.without_label == {"train": 0, "validation": 0, "test": 2}
    assert inspection.sizes("train") == {(36, 48): 5}
    assert inspection.problems == []
    ((one, other, bits),) = rows_alike(inspection.photographs)
    assert (one.split, one.row, other.split, other.row) == ("train", 3, "validation", 1)
    assert bits <= 6
    levels = np.asarray(smooth(0)) @ (0.299, 0.587, 0.114)
    assert inspection.of_split("train")[0].brightness == pytest.approx(levels.mean(), abs=2)
    said = describe(inspection)
    assert "split test: 2 rows, 2 read\n2 rows have no label" in said
    assert "sizes (width x height): 48 x 36 (5)" in said
    assert "1 pairs of rows of different splits look alike:\n  train row 3, validation row 1: " in said
    assert said.endswith("all rows that were read can be used")


def test_the_page_has_plots_and_pairs(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "inspection"
    assert crn(monkeypatch, "dataset", "inspect", planted, "--ignore-label", 11, "--output", out) == 0
    assert sorted(file.name for file in out.iterdir()) == ["inspection.html", "pairs.png", "plots.png"]
    page = (out / "inspection.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "look alike" in page
    with Image.open(out / "pairs.png") as sheet:
        assert sheet.height == 22 + 9 * (144 + 4)  # 4 + 2 + 2 rows and a pair
    assert str(out / "inspection.html") in capsys.readouterr().out


def test_problems_are_named_with_row_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_folder(tmp_path / "streets")
    spoil(data, 2, "image", b"")
    spoil(data, 5, "label", png(Image.fromarray(np.full((36, 48), 77, np.uint8))))
    assert crn(monkeypatch, "dataset", "inspect", data) == 1
    said = capsys.readouterr()
    assert "problem: train row 2 (image-2.png), column image: not readable" in said.out
    assert "problem: train row 5 (label-5.png), column label: id 77 (1,728 pixels)" in said.out
    assert said.err.splitlines()[-1] == "crn: streets: 2 rows cannot be used."
    assert crn(monkeypatch, "dataset", "inspect", data, "--image-column", "photo") == 2
    assert "no column 'photo'; there are image, label" in capsys.readouterr().err


def test_the_leak_between_the_splits_of_camvid_is_found(camvid: Path) -> None:
    """A car that waits at a crossing."""
    inspection = inspect_dataset(str(camvid), DataOptions(ignore_label=(11,)), None)
    alike = rows_alike(inspection.photographs)
    assert len(alike) == 19
    assert {pair[0].row for pair in alike} == {47, 209, 210}
