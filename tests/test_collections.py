"""Collections on a disk become data sets: right, whole, resumable, and trainable without further arguments."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from PIL import Image
from support.collection_trees import TO_TRAIN_IDS, cityscapes_tree, label_of, picture
from support.command_line import crn
from support.data_folders import pair
from support.hub_client import Client, refusal
from support.hub_server import HubServer
from support.training_script import TINY, train

from crn_hub import CRN, ClassSet
from crn_hub.collections import shards
from crn_hub.collections.cityscapes import TERMS, list_cityscapes
from crn_hub.collections.listing import Terms
from crn_hub.collections.making import push_dataset
from crn_hub.data import LabelReader, PairDataset, dataset_license, find_classes, load_rows, load_splits

CITYSCAPES = ClassSet.cityscapes()
CAMVID = ClassSet.camvid()


def contents(folder: Path) -> dict[str, str]:
    """All files, with what tells their contents apart."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows_of(folder: Path, split: str) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob(f"data/{split}-*")) for row in pq.read_table(file).to_pylist()]


# -- Cityscapes --------------------------------------------------------------------------------------


def test_cityscapes_becomes_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = cityscapes_tree(tmp_path / "raw")
    out = tmp_path / "cityscapes"
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", out) == 0
    assert capsys.readouterr().out.splitlines() == ["train: 5 rows", "validation: 2 rows", "test: 2 rows", str(out)]
    assert sorted(path.name for path in out.iterdir()) == [".made.json", "README.md", "classes.json", "data"]

    splits = load_splits(str(out))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 5, "validation": 2, "test": 2}
    assert find_classes(str(out)) == CITYSCAPES
    for split in ("train", "validation"):
        data = PairDataset(splits[split], CITYSCAPES, (16, 32))
        for row, (city, frame) in enumerate(zip(splits[split]["city"], splits[split]["frame"], strict=True)):
            pixels, ids = data.decode(row)
            np.testing.assert_array_equal(ids, expected[frame])
            folder = {"train": "train", "validation": "val"}[split]
            file = tmp_path / "raw" / "leftImg8bit" / folder / city / f"{frame}_leftImg8bit.png"
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(file)))
            assert rows_of(out, split)[row]["image"] == {"bytes": file.read_bytes(), "path": file.name}  # as it was
    assert {row["label"] for row in rows_of(out, "test")} == {None}

    chosen = load_rows(str(out))
    assert (chosen.train_split, chosen.held_out_split) == ("train", "validation")
    assert dataset_license(str(out)) == "cityscapes"
    card = DatasetCard.load(out / "README.md")
    assert "Cordts" in card.text
    assert "The labels of test are withheld" in card.text
    assert "https://www.cityscapes-dataset.com/license/" in card.text


def test_coarse_labels_and_a_test_split_left_out(tmp_path: Path) -> None:
    expected = cityscapes_tree(tmp_path, "gtCoarse")
    listing = list_cityscapes(tmp_path, coarse=True)
    assert {split: len(frames) for split, frames in listing.splits.items()} == {
        "train": 3, "train_extra": 2, "validation": 2
    }  # fmt: skip
    assert {frame.columns["frame"] for frames in listing.splits.values() for frame in frames} == {*expected}
    cityscapes_tree(tmp_path)
    assert "test" in list_cityscapes(tmp_path).splits
    assert "test" not in list_cityscapes(tmp_path, with_test=False).splits


def test_what_is_missing_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    cityscapes_tree(raw)
    (raw / "gtFine/train/aachen/aachen_000000_000001_gtFine_labelIds.png").unlink()
    (raw / "leftImg8bit/val/lindau/lindau_000000_000000_leftImg8bit.png").unlink()
    assert crn(monkeypatch, "dataset", "cityscapes", raw, "--output", out) == 2
    *missing, last = capsys.readouterr().err.splitlines()
    assert missing == [
        "missing: gtFine/train/aachen/aachen_000000_000001_gtFine_labelIds.png: no label map of "
        "leftImg8bit/train/aachen/aachen_000000_000001_leftImg8bit.png",
        "missing: leftImg8bit/val/lindau/lindau_000000_000000_leftImg8bit.png: no photograph of "
        "gtFine/val/lindau/lindau_000000_000000_gtFine_labelIds.png",
    ]
    assert last == "crn: Cityscapes: 2 files are missing; --skip-missing makes the data set of the others."
    assert not out.exists()
    assert crn(monkeypatch, "dataset", "cityscapes", raw, "--output", out, "--skip-missing") == 0
    assert [len(rows_of(out, split)) for split in ("train", "validation")] == [4, 1]


def test_a_folder_that_is_not_cityscapes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "leftImg8bit").mkdir()
    arguments = ["dataset", "cityscapes", tmp_path, "--output", tmp_path / "out"]
    assert crn(monkeypatch, *arguments) == 2
    assert "no folder gtFine, which the archives of Cityscapes unpack; there is leftImg8bit." in capsys.readouterr().err
    (tmp_path / "gtFine").mkdir()
    assert crn(monkeypatch, *arguments) == 2
    assert "no photograph with a label map in leftImg8bit and gtFine" in capsys.readouterr().err
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "nowhere", "--output", tmp_path / "out") == 2
    assert "there is nothing" in capsys.readouterr().err
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path) == 2
    assert "give --output FOLDER, or --push organisation/name." in capsys.readouterr().err


def test_bad_frames_stop_it_or_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    cityscapes_tree(raw)
    photograph = raw / "leftImg8bit/train/aachen/aachen_000000_000001_leftImg8bit.png"
    photograph.write_bytes(photograph.read_bytes()[:-50])
    picture(0, (20, 30)).save(raw / "leftImg8bit/val/lindau/lindau_000000_000000_leftImg8bit.png")
    Image.fromarray(np.full((32, 64), 99, np.uint8)).save(
        raw / "gtFine/train/zurich/zurich_000000_000000_gtFine_labelIds.png"
    )
    arguments = ["dataset", "cityscapes", raw, "--output", out]
    assert crn(monkeypatch, *arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"crn: {photograph}: not readable")
    assert last.endswith("--skip-bad-rows leaves such frames out.")
    assert not list(out.glob("data/*"))
    assert crn(monkeypatch, *arguments, "--skip-bad-rows") == 2  # made with other options
    assert "holds the beginning of another data set" in capsys.readouterr().err
    second = tmp_path / "second"
    assert crn(monkeypatch, "dataset", "cityscapes", raw, "--output", second, "--skip-bad-rows") == 0
    said = capsys.readouterr().out
    assert said.count("left out: ") == 3
    assert (
        "30 x 20 pixels, its label map lindau_000000_000000_gtFine_labelIds.png has 64 x 32; they must be equal" in said
    )
    assert "raw Cityscapes label ids are 0..33, and 255 for unlabelled, not 99" in said
    assert [len(rows_of(second, split)) for split in ("train", "validation")] == [3, 1]
    assert "## Left out" in (second / "README.md").read_text()


def test_any_resolution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = cityscapes_tree(tmp_path / "raw")
    out = tmp_path / "small"
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", out, "--height", 16) == 0
    rows = load_splits(str(out))["train"]
    for row in rows:
        assert row["image"].size == row["label"].size == (32, 16)
        assert set(np.unique(np.array(row["label"]))) <= set(np.unique(expected[row["frame"]]))
    stored = rows_of(out, "train")[0]["image"]
    assert stored["path"] == "aachen_000000_000000_leftImg8bit.jpg"
    assert stored["bytes"][:2] == b"\xff\xd8"
    assert "resized to 16 pixels of height" in (out / "README.md").read_text()


# -- shards ------------------------------------------------------------------------------------------


def test_shards_have_the_size_that_the_hub_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cityscapes_tree(tmp_path / "raw")
    monkeypatch.setattr(shards, "SHARD_BYTES", 14_000)  # two frames
    monkeypatch.setattr(shards, "GROUP_BYTES", 1)
    out = tmp_path / "out"
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", out) == 0
    names = [file.name for file in sorted((out / "data").iterdir())]
    assert names[:2] == ["test-00000-of-00001.parquet", "train-00000-of-00003.parquet"]
    assert [pq.read_metadata(out / "data" / name).num_row_groups for name in names[1:4]] == [2, 2, 1]
    assert [row["frame"] for row in rows_of(out, "train")] == sorted(row["frame"] for row in rows_of(out, "train"))
    before = contents(out)
    capsys.readouterr()
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", out) == 0  # nothing is left to do
    assert contents(out) == before
    assert "train: 5 rows" in capsys.readouterr().out
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", out, "--height", 16) == 2
    assert "holds another data set, of other files or made with other options" in capsys.readouterr().err
    assert contents(out) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", tmp_path / "other") == 2
    assert "the folder is not empty" in capsys.readouterr().err


SMALL_SHARDS = """
from crn_hub.__main__ import main
from crn_hub.collections import shards

shards.SHARD_BYTES = 5_000
if __name__ == "__main__":
    main()
"""

SLOWLY = """
import time
from crn_hub.__main__ import main
from crn_hub.collections import shards

shards.SHARD_BYTES = 14_000
in_order = shards._in_order

def slowly(*arguments):
    for row in in_order(*arguments):
        time.sleep(0.15)
        yield row

if __name__ == "__main__":
    shards._in_order = slowly
    main()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    cityscapes_tree(tmp_path / "raw")
    (tmp_path / "slow.py").write_text(SLOWLY)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "slow.py", "dataset", "cityscapes", tmp_path / "raw", "--output", out],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("data/train-00000*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (-9 if number == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    written = [file.name for file in (out / "data").iterdir()]
    assert 1 <= len(written) < 5
    before = {name: (out / "data" / name).stat().st_mtime_ns for name in written}
    monkeypatch.setattr(shards, "SHARD_BYTES", 14_000)
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", out) == 0
    assert {name: (out / "data" / name).stat().st_mtime_ns for name in written} == before  # they were not made again
    whole = tmp_path / "whole"
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", whole) == 0
    assert contents(out) == contents(whole)


# -- two folders -------------------------------------------------------------------------------------


def folders(root: Path, rows: int = 12) -> tuple[Path, Path]:
    for number in range(rows):
        for kind, column in (("train_img", "image"), ("train_label", "label")):
            (root / kind).mkdir(parents=True, exist_ok=True)
            pair(number)[column].save(root / kind / f"{number:03}.png")
    return root / "train_img", root / "train_label"


def test_two_folders_become_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = folders(tmp_path / "raw")
    lines = [f"{name},{','.join(map(str, color))}" for name, color in zip(CAMVID.names, CAMVID.colors, strict=True)]
    (tmp_path / "classes.csv").write_text("\n".join(["name,r,g,b", *lines]))
    common = ["--classes", tmp_path / "classes.csv", "--ignore-label", 11, "--title", "My streets"]
    common += ["--license", "cc-by-4.0", "--hold-out", "validation", "--output"]
    assert crn(monkeypatch, "dataset", "folder", images, labels, *common, tmp_path / "first") == 0
    assert crn(monkeypatch, "dataset", "folder", tmp_path / "raw", *common, tmp_path / "second") == 0
    for out in (tmp_path / "first", tmp_path / "second"):
        chosen = load_rows(str(out))
        assert (len(chosen.train), len(chosen.held_out), chosen.held_out_split) == (11, 1, "validation")
        assert chosen.train["name"][:2] == ["000", "001"]
        ids = np.array(pair(3)["label"])
        found = PairDataset(chosen.train, LabelReader(find_classes(str(out))), (16, 32)).decode(3)[1]
        np.testing.assert_array_equal(found, np.where(ids == 11, 255, ids))
        assert dataset_license(str(out)) == "cc-by-4.0"
        assert (out / "README.md").read_text().count("My streets") >= 2


def test_what_comes_out_trains_evaluates_and_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cityscapes_tree(tmp_path / "raw")
    data = tmp_path / "cityscapes"
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", data) == 0
    said = train(*TINY, "--dataset_name", data, "--max_train_steps", 2, "--output_dir", tmp_path / "model").stdout
    assert "trained on: train, 5 rows; held out: validation, 2 rows" in said
    assert CRN.from_pretrained(tmp_path / "model").training_record["license"] == "cityscapes"
    segmenter = ["--size", 32, 64, "--steps", 2, "--output", tmp_path / "segmenter"]
    assert crn(monkeypatch, "train-segmenter", "--dataset", data, *segmenter) == 0
    evaluation = ["--segmenter", tmp_path / "segmenter", "--output", tmp_path / "evaluation"]
    assert crn(monkeypatch, "evaluate", tmp_path / "model", "--dataset", data, *evaluation) == 0
    assert json.loads((tmp_path / "evaluation" / "results.json").read_text())["facts"]["rows"] == 2


# -- pushing -----------------------------------------------------------------------------------------


def test_pushing_resumes_and_is_private_where_the_terms_ask_for_it(
    hub: HubServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cityscapes_tree(tmp_path / "raw")
    monkeypatch.setattr(shards, "SHARD_BYTES", 14_000)
    data = tmp_path / "cityscapes"
    assert crn(monkeypatch, "dataset", "cityscapes", tmp_path / "raw", "--output", data) == 0
    shard_ids = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(data.glob("data/*"))]
    with hub.failing(shard_ids[2], 403):
        message = refusal(ConnectionError, client, push_dataset, data, "org/cityscapes", TERMS, False)
    assert message.startswith("org/cityscapes: could not be pushed")
    there = [oid for oid in shard_ids if hub.has(oid)]
    before = len(hub.requests)
    assert 0 < len(there) < len(shard_ids)
    address = client(push_dataset, data, "org/cityscapes", TERMS, False)
    assert address.endswith("/datasets/org/cityscapes")
    again = [request for request in hub.requests[before:] if request.startswith("PUT /lfs-storage/")]
    assert not [request for request in again if any(oid in request for oid in there)]  # what had arrived stays
    assert len(again) == len(shard_ids) - len(there)
    repo = hub.repos["datasets", "org/cityscapes"]
    assert repo.private
    files = repo.commits[-1].files
    assert {name for name in files if not name.startswith(".git")} == {
        str(file.relative_to(data)) for file in data.rglob("*") if file.is_file() and file.name != ".made.json"
    }
    assert files["data/train-00000-of-00003.parquet"].data == (data / "data/train-00000-of-00003.parquet").read_bytes()


def test_a_command_killed_while_it_pushes_goes_on(
    hub: HubServer, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL after the first shard has arrived; the same command uploads the others only."""
    cityscapes_tree(tmp_path / "raw")
    monkeypatch.setattr(shards, "SHARD_BYTES", 5_000)
    data = tmp_path / "killed"
    command = ["dataset", "cityscapes", tmp_path / "raw", "--output", data, "--height", "24"]  # files of its own
    assert crn(monkeypatch, *command) == 0
    (tmp_path / "small.py").write_text(SMALL_SHARDS)
    start = [sys.executable, tmp_path / "small.py", *command, "--push", "org/killed"]
    environment = os.environ | hub.environment(home)
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    with hub.after("/lfs-storage/", "PUT", process.kill):
        said = process.communicate(timeout=120)[0]
    assert process.returncode == -9, said
    shard_ids = {hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in data.glob("data/*")}
    there = {oid for oid in shard_ids if hub.has(oid)}
    assert 0 < len(there) < len(shard_ids)
    assert "data" not in {name.partition("/")[0] for name in hub.repos["datasets", "org/killed"].files}
    before = len(hub.requests)
    again = subprocess.run(start, capture_output=True, text=True, env=environment, timeout=120)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1].endswith("/datasets/org/killed")
    sent = {request.rpartition("/")[2] for request in hub.requests[before:] if request.startswith("PUT /lfs-storage/")}
    assert sent == {*shard_ids} - there
    files = hub.repos["datasets", "org/killed"].files
    assert {hashlib.sha256(files[f"data/{name}"]).hexdigest() for name in shard_ids.values()} == {*shard_ids}


def test_a_public_repo_is_not_given_what_may_not_be_published(hub: HubServer, client: Client, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Data")
    client(push_dataset, tmp_path, "org/open", Terms("Open", "cc-by-4.0"), False)
    assert not hub.repos["datasets", "org/open"].private
    message = refusal(ValueError, client, push_dataset, tmp_path, "org/open", TERMS, False)
    assert message == "org/open: the repo is there already and public, against the terms of Cityscapes."
    client(push_dataset, tmp_path, "org/open", TERMS, True)
    message = refusal(ValueError, client, push_dataset, tmp_path, "no id", TERMS, True)
    assert "is not the id of a Hub repo" in message


def test_ids_of_the_tree_are_those_of_cityscapes() -> None:
    raw = label_of(1, np.arange(34))
    assert set(np.unique(TO_TRAIN_IDS[raw])) <= {*range(19), 255}
