"""Data sets in the forms that people have them in: folders, files, archives, configurations, splits."""

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
from support.data_folders import pair, png, write_folder

from crn_hub import ClassSet
from crn_hub.data import PairDataset, find_classes, hold_apart, load_rows, load_splits
from crn_hub.data_options import DataOptions

CAMVID = ClassSet.camvid()
PAIRS = [pair(seed) for seed in range(12)]


def write_pictures(folder: Path, column: str, names: list[str], suffix: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for row, name in zip(PAIRS, names, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        row[column].save(folder / f"{name}{suffix}")
    return folder


def ids_of(rows: object, options: DataOptions | None = None) -> list[np.ndarray]:
    options = options or DataOptions()
    data = PairDataset(rows, CAMVID, (16, 32), *options.columns)
    pairs = [data.decode(row) for row in data.used]
    for pixels, ids in pairs:
        assert (pixels[..., 0] == np.where(ids == 255, 11, ids) * 20).all()  # the photograph belongs to the label
    return [ids for _, ids in pairs]


def expected(*numbers: int) -> list[np.ndarray]:
    labels = [np.array(PAIRS[number]["label"]) for number in numbers]
    return [np.where(label == 11, 255, label) for label in labels]


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return len(found) == len(wanted) and all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


# -- two folders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photographs", "labels"),
    [
        ("train_img", "train_label"),
        ("train/images", "train/masks"),
        ("images/train", "labels/train"),
        ("train", "train_labels"),
        ("imgs", "annotations"),
        ("JPEGImages", "SegmentationClass"),
        ("Images/Training", "Labels/Training"),
    ],
)
def test_two_folders_are_matched_by_name(tmp_path: Path, photographs: str, labels: str) -> None:
    names = [f"street {i}" for i in range(12)]
    write_pictures(tmp_path / "data" / photographs, "image", names)
    write_pictures(tmp_path / "data" / labels, "label", names)
    (tmp_path / "data" / photographs / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "data" / labels / "Thumbs.db").write_bytes(b"\0")
    (tmp_path / "data" / "classes.json").write_text(json.dumps(CAMVID.to_list()))
    splits = load_splits(str(tmp_path / "data"))
    assert list(splits) == ["train"]
    order = sorted(range(12), key=lambda i: names[i])
    assert same(ids_of(splits["train"]), expected(*order))
    assert find_classes(str(tmp_path / "data")) == CAMVID


def test_folders_for_several_splits(tmp_path: Path) -> None:
    for split, names in (("train", ["a", "b", "c"]), ("val", ["d", "e"]), ("test", ["f"])):
        write_pictures(tmp_path / f"{split}_img", "image", names)
        if split != "test":  # its labels are withheld
            write_pictures(tmp_path / f"{split}_label", "label", names)
    splits = load_splits(str(tmp_path))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 3, "validation": 2}


def test_the_tree_of_cityscapes(tmp_path: Path) -> None:
    """Its endings differ, and there are several files for each photograph."""
    for split, city in (("train", "aachen"), ("val", "bonn")):
        frames = [f"{city}/{city}_000000_00{i:04}" for i in (19, 20, 21)]
        write_pictures(tmp_path / "leftImg8bit" / split, "image", [f"{frame}_leftImg8bit" for frame in frames])
        for kind in ("color", "instanceIds", "labelIds"):
            write_pictures(tmp_path / "gtFine" / split, "label", [f"{frame}_gtFine_{kind}" for frame in frames])
    splits = load_splits(str(tmp_path))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 3, "validation": 3}
    assert splits["train"][0]["label"]["path"].endswith("aachen_000000_000019_gtFine_labelIds.png")
    for kind in ("labelTrainIds",):
        write_pictures(tmp_path / "gtFine" / "train", "label", [f"aachen/aachen_000000_000019_gtFine_{kind}"])
    assert load_splits(str(tmp_path))["train"][0]["label"]["path"].endswith("labelIds.png")  # not all have the other


@pytest.mark.parametrize(
    ("of_photographs", "of_labels"),
    [("", ""), ("", "_mask"), ("_rgb", "_L"), ("_leftImg8bit", "_gtFine_labels")],
)
def test_a_folder_of_labels_may_be_anywhere(tmp_path: Path, of_photographs: str, of_labels: str) -> None:
    names = [f"deep/{i}" for i in range(11)]
    photographs = write_pictures(tmp_path / "x", "image", [name + of_photographs for name in names], ".bmp")
    labels = write_pictures(tmp_path / "elsewhere" / "y", "label", [name + of_labels for name in names])
    (labels / "classes.json").write_text(json.dumps(CAMVID.to_list()))
    options = DataOptions(label_folder=str(labels))
    rows = load_splits(str(photographs), options)["train"]
    order = sorted(range(11), key=str)
    assert same(ids_of(rows), expected(*order))
    assert find_classes(str(photographs), options) == CAMVID


def test_pairs_that_are_not_clear_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photographs = write_pictures(tmp_path / "images", "image", ["a", "b", "c"])
    labels = write_pictures(tmp_path / "labels", "label", ["a", "b"])
    with pytest.raises(ValueError, match=r"1 of 3 photographs have no label map in .*labels: c.png; .*--skip_bad_rows"):
        load_splits(str(tmp_path))
    assert len(load_splits(str(tmp_path), DataOptions(skip_bad_rows=True))["train"]) == 2
    assert "left out, because 1 of 3 photographs" in capsys.readouterr().err
    write_pictures(photographs, "image", ["a"], ".jpg")
    with pytest.raises(ValueError, match=r"images: a.jpg and a.png differ only in how they end"):
        load_splits(str(tmp_path))
    (photographs / "a.jpg").unlink()
    (photographs / "c.png").unlink()
    for file in labels.iterdir():
        file.unlink()
    write_pictures(labels, "label", ["a_day", "b_day", "a_night", "b_night"])
    with pytest.raises(ValueError, match=r"labels: 2 label maps for each photograph, .* _day, _night; keep"):
        load_splits(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no picture in this folder"):
        load_splits(str(photographs), DataOptions(label_folder=str(tmp_path / "empty")))
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        load_splits(str(photographs), DataOptions(label_folder=str(tmp_path / "nowhere")))


def test_the_fingerprint_of_two_folders_tells_that_a_file_has_changed(tmp_path: Path) -> None:
    write_pictures(tmp_path / "img", "image", ["a", "b"])
    write_pictures(tmp_path / "label", "label", ["a", "b"])
    before, again = (load_splits(str(tmp_path))["train"]._fingerprint for _ in range(2))
    assert before == again
    (tmp_path / "label" / "a.png").write_bytes(png(PAIRS[5]["label"]))
    assert load_splits(str(tmp_path))["train"]._fingerprint != before


# -- files of rows -----------------------------------------------------------------------------------


def test_paths_in_a_csv_are_relative_to_it(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data" / "x", "image", ["a", "b", "c"])
    write_pictures(tmp_path / "data" / "y", "label", ["a", "b", "c"])
    (tmp_path / "data" / "pairs.csv").write_text(
        "image,label,note\n" + "".join(f"x/{n}.png,y/{n}.png,{n}\n" for n in "abc")
    )
    (tmp_path / "data" / "classes.json").write_text(json.dumps(CAMVID.to_list()))
    name = str(tmp_path / "data" / "pairs.csv")
    assert same(ids_of(load_splits(name)["train"]), expected(0, 1, 2))
    assert find_classes(name) == CAMVID
    with (tmp_path / "data" / "pairs.csv").open("a") as file:
        file.write("x/d.png,y/d.png,d\n")
    with pytest.raises(ValueError, match=r"row 3 \(d.png\), column image: no such file"):
        ids_of(load_splits(name)["train"])


@pytest.mark.parametrize("as_struct", [True, False])
def test_parquet_by_pandas(tmp_path: Path, as_struct: bool) -> None:
    """Without the features that the datasets library would write."""
    cells = [
        {
            column: {"bytes": png(row[column]), "path": f"{number}.png"} if as_struct else png(row[column])
            for column in ("image", "label")
        }
        for number, row in enumerate(PAIRS)
    ]
    (tmp_path / "data").mkdir()
    pd.DataFrame(cells).to_parquet(tmp_path / "data" / "pairs.parquet")
    for name in (tmp_path / "data", tmp_path / "data" / "pairs.parquet"):
        assert same(ids_of(load_splits(str(name))["train"]), expected(*range(12)))


def test_lists_of_numbers_are_labels(tmp_path: Path) -> None:
    rows = [{"image": row["image"], "label": np.array(row["label"]).tolist()} for row in PAIRS[:3]]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    assert same(ids_of(load_splits(str(tmp_path / "saved"))["train"]), expected(0, 1, 2))


def test_classes_beside_an_archive_are_not_data(tmp_path: Path) -> None:
    (tmp_path / "tar").mkdir()
    with tarfile.open(tmp_path / "tar" / "train.tar", "w") as tar:
        for number, row in enumerate(PAIRS[:3]):
            for suffix, column in (("image.png", "image"), ("label.png", "label")):
                info = tarfile.TarInfo(f"{number}.{suffix}")
                content = png(row[column])
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "train.zip", "w") as archive:
        lines = ["file_name,label_file_name"]
        for number, row in enumerate(PAIRS[:3]):
            archive.writestr(f"{number}.png", png(row["image"]))
            archive.writestr(f"{number}_label.png", png(row["label"]))
            lines.append(f"{number}.png,{number}_label.png")
        archive.writestr("metadata.csv", "\n".join(lines))
    for kind in ("tar", "zip"):
        (tmp_path / kind / "classes.json").write_text(json.dumps(CAMVID.to_list()))
        assert find_classes(str(tmp_path / kind)) == CAMVID
    of_tar = DataOptions(image_column="image.png", label_column="label.png")
    assert same(ids_of(load_splits(str(tmp_path / "tar"), of_tar)["train"], of_tar), expected(0, 1, 2))
    rows = load_splits(str(tmp_path / "zip"))["train"]
    assert same(ids_of(rows), expected(0, 1, 2))


@pytest.mark.parametrize("form", ["parquet", "pictures", "card"])
def test_a_folder_may_have_brackets_in_its_name(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "streets [v2] *"
    if form == "pictures":
        write_pictures(folder / "img", "image", ["a", "b"])
        write_pictures(folder / "label", "label", ["a", "b"])
    else:
        write_folder(folder)
        if form == "card":
            (folder / "README.md").write_text(
                "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n"
            )
    splits = load_splits(str(folder))
    assert len(splits["train"]) == (2 if form == "pictures" else 20)
    assert same(ids_of(splits["train"])[:2], expected(0, 1))


def test_folders_of_the_same_name_are_different_data_sets(tmp_path: Path) -> None:
    """The datasets library caches by name where a card names the files."""
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n"
    for first in (0, 2):
        folder = write_folder(tmp_path / str(first) / "streets", rows=3, first=first)
        (folder / "README.md").write_text(card)
        assert same(ids_of(load_splits(str(folder))["train"]), expected(first, first + 1, first + 2))
    shutil.copy(tmp_path / "2/streets/data/train-00000-of-00001.parquet", tmp_path / "0/streets/data")
    assert same(ids_of(load_splits(str(tmp_path / "0/streets"))["train"]), expected(2, 3, 4))  # it has changed


def test_one_of_several_configurations(tmp_path: Path) -> None:
    for number, name in enumerate(("day", "night [rain]")):
        write_folder(tmp_path / "data" / name, rows=3 + number)
    (tmp_path / "data" / "README.md").write_text(
        "---\nconfigs:\n- config_name: day\n  data_files: day/data/*\n"
        "- config_name: night\n  data_files: night*/data/*\n---\n"
    )
    shutil.copytree(tmp_path / "data", tmp_path / "da[ta]")
    for folder in (tmp_path / "data", tmp_path / "da[ta]"):
        with pytest.raises(
            ValueError, match=r"several configurations, day, night; choose one with --dataset_config_name"
        ):
            load_splits(str(folder))
        assert len(load_splits(str(folder), DataOptions(dataset_config_name="night"))["train"]) == 4
        with pytest.raises(ValueError, match="no configuration 'dusk'; there are day, night"):
            load_splits(str(folder), DataOptions(dataset_config_name="dusk"))


def test_files_of_another_kind_beside_the_data_are_not_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "streets", rows=3)
    for name in ("my_classes.json", "colors.csv", "notes.txt"):
        (folder / name).write_text("nothing that could be read")
    assert same(ids_of(load_splits(str(folder))["train"]), expected(0, 1, 2))


def test_what_cannot_be_meant_is_refused_with_what_can(tmp_path: Path) -> None:
    write_pictures(tmp_path / "odd" / "foo", "image", ["a", "b"])
    write_pictures(tmp_path / "odd" / "bar", "label", ["a", "b"])
    with pytest.raises(ValueError, match="name both: --dataset_name PHOTOGRAPHS --label_folder LABELS"):
        load_splits(str(tmp_path / "odd"))
    with pytest.raises(ValueError, match="column 'image' cannot hold both the photographs and the label maps"):
        load_splits(str(tmp_path / "odd"), DataOptions(label_column="image"))
    write_pictures(tmp_path / "pairs" / "img", "image", ["a", "b"])
    labels = write_pictures(tmp_path / "pairs" / "label", "label", ["a", "b"])
    with pytest.raises(ValueError, match=r"--dataset_config_name day: .* has none"):
        load_splits(str(tmp_path / "pairs"), DataOptions(dataset_config_name="day"))
    (labels / "classes.json").write_text(json.dumps(CAMVID.to_list()))
    assert find_classes(str(tmp_path / "pairs")) == CAMVID


def test_options_that_a_name_cannot_have_are_refused(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "streets"))
    with pytest.raises(ValueError, match=r"--dataset_revision main: .* is not on the Hub"):
        load_splits(folder, DataOptions(dataset_revision="main"))
    with pytest.raises(ValueError, match=r"--dataset_config_name day: .* has none"):
        load_splits(folder, DataOptions(dataset_config_name="day", label_folder=folder))
    for empty in ("", "  "):
        with pytest.raises(FileNotFoundError, match="the name of the data set is empty"):
            load_splits(empty)
    (tmp_path / "text.csv").write_text("")
    with pytest.raises(ValueError, match=r"text.csv: cannot be read as a data set"):
        load_splits(str(tmp_path / "text.csv"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="nothing: cannot be read as a data set"):
        load_splits(str(tmp_path / "nothing"))


# -- splits ------------------------------------------------------------------------------------------


def rows_with(labels: list[bool], with_column: bool = True) -> datasets.Dataset:
    cells = [
        {"image": row["image"], "label": row["label"] if has else None} for row, has in zip(PAIRS, labels, strict=False)
    ]
    features = datasets.Features(image=datasets.Image(), label=datasets.Image())
    rows = datasets.Dataset.from_list(cells, features)
    return rows if with_column else rows.remove_columns("label")


COLUMNS = ("image", "label")


def test_the_split_to_train_on_is_named_or_the_only_one() -> None:
    some = rows_with([True] * 4)
    chosen = hold_apart("data", {"test": some}, COLUMNS)
    assert (chosen.train_split, chosen.held_out_split, len(chosen.train)) == ("test", "last rows", 3)
    assert chosen.describe() == [
        "data has no split train; trained on: test.",
        "trained on: test, 3 rows; held out: last rows, 1 rows",
    ]
    with pytest.raises(ValueError, match=r"no split is called train; there are test, extra; .* \(--train_split\)"):
        hold_apart("data", {"test": some, "extra": some}, COLUMNS)
    chosen = hold_apart("data", {"test": some, "extra": some}, COLUMNS, train_split="extra")
    assert (chosen.train_split, chosen.held_out_split) == ("extra", "test")
    chosen = hold_apart("data", {"train": some, "validation": some, "night": some}, COLUMNS, None, "night")
    assert (chosen.train_split, chosen.held_out_split) == ("train", "night")
    with pytest.raises(ValueError, match="no split 'dusk'; there are train"):
        hold_apart("data", {"train": some}, COLUMNS, None, "dusk")
    with pytest.raises(ValueError, match="the split train cannot be trained on and held out at the same time"):
        hold_apart("data", {"train": some}, COLUMNS, None, "train")


@pytest.mark.parametrize("with_column", [True, False])
def test_a_split_without_labels_is_never_held_out(with_column: bool) -> None:
    train, test = rows_with([True] * 4), rows_with([False] * 3, with_column)
    chosen = hold_apart("data", {"train": train, "test": test}, COLUMNS)
    assert (chosen.train_split, chosen.held_out_split, len(chosen.held_out)) == ("train", "last rows", 1)
    assert chosen.notes == ["the split test has no labels and is not held out."]
    message = "no row of the split test has a label" if with_column else "no column 'label'"
    with pytest.raises(ValueError, match=message):
        hold_apart("data", {"train": train, "test": test}, COLUMNS, None, "test")


def test_rows_without_labels_are_never_held_out() -> None:
    chosen = hold_apart("data", {"train": rows_with([True] * 3), "val": rows_with([False, True, False])}, COLUMNS)
    assert same(ids_of(chosen.held_out), expected(1))
    assert chosen.notes == ["2 rows of the split val have no label and are not held out."]
    chosen = hold_apart("data", {"train": rows_with([True, True, True, False])}, COLUMNS)
    assert same(ids_of(chosen.held_out), expected(2))
    assert len(chosen.train) == 3
    with pytest.raises(ValueError, match="1 row with a label; at least 2 are needed"):
        hold_apart("data", {"train": rows_with([True, False])}, COLUMNS)


def test_a_few_rows_for_trials(tmp_path: Path) -> None:
    assert len(load_rows(str(write_folder(tmp_path / "streets")), max_train_samples=3).train) == 3
