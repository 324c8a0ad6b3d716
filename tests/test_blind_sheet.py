"""The blind sheet: its key is right, its orders say nothing, and no name stands on it."""

import csv
import shutil
from collections import Counter
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.command_line import crn
from support.data_folders import write_folder

from crn_hub import CRN, ClassSet
from crn_hub.metrics import blind_sheet
from crn_hub.metrics.blind_sheet import write_blind_sheet
from crn_hub.metrics.evaluation import Evaluation, evaluate

CAMVID = ClassSet.camvid()
ROWS = 24
TILE = (256, 512)
MARGIN, HEAD = 4, 24


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two models, of other sizes and numbers of images."""
    folder = tmp_path_factory.mktemp("models")
    for seed, (name, widths, k) in enumerate([("small", (4, 4, 4, 4), 2), ("large", (8, 8, 8, 4, 4), 3)]):
        torch.manual_seed(seed)
        CRN(CAMVID, widths, num_images=k).save_pretrained(folder / name)
    return [str(folder / "small"), str(folder / "large")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pairs") / "streets", ROWS)


@pytest.fixture(scope="module")
def evaluation(models: list[str], pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Every other row, so that a row's number is not its place."""
    (found,) = evaluate(models, str(pairs), tmp_path_factory.mktemp("out"), split="train", max_rows=ROWS // 2)
    return found


def read_key(folder: Path) -> list[tuple[int, str, str]]:
    with (folder / "blind-key.csv").open(encoding="utf-8") as file:
        return [(int(line["row"]), line["letter"], line["picture"]) for line in csv.DictReader(file)]


def cell(folder: Path, line: int, column: int) -> np.ndarray:
    with Image.open(folder / "blind.png") as sheet:
        left, top = column * (TILE[1] + MARGIN), line * (HEAD + TILE[0] + MARGIN) + HEAD
        return np.asarray(sheet.crop((left, top, left + TILE[1], top + TILE[0])))


def enlarged(pixels: np.ndarray, how: Image.Resampling = Image.Resampling.LANCZOS) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((TILE[1], TILE[0]), how))


def test_the_key_says_what_each_picture_is(evaluation: Evaluation, models: list[str], tmp_path: Path) -> None:
    """Cell by cell against the models themselves and the photographs."""
    assert write_blind_sheet(evaluation, 5, 0, tmp_path) == [tmp_path / "blind.png", tmp_path / "blind-key.csv"]
    key = read_key(tmp_path)
    rows = list(dict.fromkeys(row for row, _, _ in key))
    assert len(rows) == 5
    assert {row % 2 for row in rows} == {0}
    assert [letter for _, letter, _ in key] == list("ABC") * 5
    with Image.open(tmp_path / "blind.png") as sheet:
        assert sheet.size == (4 * (TILE[1] + MARGIN), 5 * (HEAD + TILE[0] + MARGIN))
        assert not sheet.info
    loaded = {Path(folder).name: CRN.from_pretrained(folder) for folder in models}
    layouts = {name: evaluation.data.at_size(model.size) for name, model in loaded.items()}
    for number, (row, letter, what) in enumerate(key):
        index = evaluation.data.used.index(row)
        ids, photograph = evaluation.data[index]["ids"].numpy(), evaluation.data[index]["photograph"]
        if what == "recorded photograph":
            expected = ((photograph + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        else:
            images = loaded[what].synthesize(layouts[what][index]["ids"].numpy(), size=evaluation.data.size)
            expected = np.asarray(images[index % len(images)])
        np.testing.assert_array_equal(cell(tmp_path, number // 3, 1 + "ABC".index(letter)), enlarged(expected))
        layout = enlarged(CAMVID.to_colors(ids), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(cell(tmp_path, number // 3, 0), layout)


def test_no_place_tells_what_a_picture_is(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every order occurs, none much more often than others, and rows come in an order that is drawn, too."""
    monkeypatch.setattr(blind_sheet, "save_picture", lambda *_: None)  # only keys are read
    orders: Counter[tuple[str, ...]] = Counter()
    firsts = Counter()
    for seed in range(10):
        write_blind_sheet(evaluation, 12, seed, tmp_path)
        key = read_key(tmp_path)
        names = [name for _, _, name in key]
        orders.update(tuple(names[i : i + 3]) for i in range(0, len(names), 3))
        rows = list(dict.fromkeys(row for row, _, _ in key))
        assert sorted(rows) == evaluation.data.used  # each once
        assert rows != sorted(rows)
        firsts[rows[0]] += 1
    assert set(orders) == set(permutations(["recorded photograph", "small", "large"]))
    assert max(orders.values()) < 40  # of 120, 20 each on average
    assert len(firsts) > 3


def test_the_seed_decides(evaluation: Evaluation, tmp_path: Path) -> None:
    written = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        write_blind_sheet(evaluation, 6, seed, tmp_path / name)
        written.append([(tmp_path / name / file).read_bytes() for file in ("blind.png", "blind-key.csv")])
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]
    assert written[0][1] != written[2][1]
    by_row = [{(row, letter): what for row, letter, what in read_key(tmp_path / name)} for name in ("a", "c")]
    both = by_row[0].keys() & by_row[1].keys()
    assert both
    assert any(by_row[0][place] != by_row[1][place] for place in both)  # orders differ too, not only the rows


def test_names_are_in_the_key_only(
    models: list[str], pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sheet of the same models under other names is the same, and the command does not print the key."""
    renamed = str(shutil.copytree(models[0], tmp_path / "another name"))
    arguments = ["--dataset", pairs, "--max-rows", 3, "--size", 64, 128, "--blind", 3, "--split", "train"]
    assert crn(monkeypatch, "evaluate", models[0], *arguments, "--output", tmp_path / "one") == 0
    printed = capsys.readouterr().out
    for file in ("blind.png", "blind-key.csv"):
        assert printed.splitlines().count(str(tmp_path / "one" / file)) == 1
    assert "write down what you see before you open blind-key.csv" in printed
    key = (tmp_path / "one" / "blind-key.csv").read_text().splitlines()
    assert len(key) == 1 + 3 * 2
    assert not any(line in printed for line in key)
    assert crn(monkeypatch, "evaluate", renamed, *arguments, "--output", tmp_path / "other") == 0
    one, other = tmp_path / "one", tmp_path / "other"
    assert (one / "blind.png").read_bytes() == (other / "blind.png").read_bytes()
    assert (other / "blind-key.csv").read_text() == (one / "blind-key.csv").read_text().replace("small", "another name")
    assert crn(monkeypatch, "evaluate", models[0], *arguments, "--blind-seed", 5, "--output", one) == 0
    assert (one / "blind-key.csv").read_text() != (other / "blind-key.csv").read_text().replace("another name", "small")


def test_large_pictures_keep_their_size(evaluation: Evaluation, tmp_path: Path) -> None:
    large = replace(evaluation, data=evaluation.data.at_size((320, 640)))
    write_blind_sheet(large, 2, 0, tmp_path)
    with Image.open(tmp_path / "blind.png") as sheet:
        assert sheet.size == (4 * (640 + MARGIN), 2 * (HEAD + 320 + MARGIN))
