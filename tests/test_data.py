"""Rows of data sets -> tensors: columns, classes, cropping, augmentation, and refusals that name the row."""

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from support.data_folders import bad_folder, pair, write_folder

from crn_hub import ClassSet, LayoutError
from crn_hub.data import PairDataset, collections_of, dataset_license, find_classes, hidden_rows, load_rows, scene_rows
from crn_hub.data_options import DataOptions

CAMVID = ClassSet.camvid()


def test_rows_become_tensors_of_the_networks_size() -> None:
    data = PairDataset([pair()], CAMVID, (16, 32))
    item = data[0]
    assert item["photograph"].shape == (3, 16, 32)
    assert item["photograph"].dtype == torch.float32
    assert -1 <= item["photograph"].min() < item["photograph"].max() <= 1
    assert item["ids"].dtype == torch.uint8
    assert item["ids"].shape == (16, 32)
    assert 11 not in item["ids"]  # n in the labels of a data set means unlabelled
    assert 255 in item["ids"]


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_photograph_and_label_stay_together(seed: int | None) -> None:
    """Crop, resize and flip act on both: inside a block the colour says which label it was."""
    data = PairDataset([pair(3)], CAMVID, (48, 96), seed=seed, random_flip=True)
    for epoch in range(6):
        data.set_epoch(epoch)
        item = data[0]
        label = item["ids"].float()
        label[label == 255] = 11
        red = (item["photograph"][0] + 1) * 127.5 / 20
        inside = torch.nn.functional.max_pool2d(label[None, None], 9, 1, 4)[0, 0] == label
        inside &= -torch.nn.functional.max_pool2d(-label[None, None], 9, 1, 4)[0, 0] == label
        inside[:4] = inside[-4:] = False  # there the interpolation sees what was cut away
        assert inside.sum() > 100
        assert (red - label)[inside].abs().max() < 0.6  # bicubic interpolation overshoots by half a label


def test_the_middle_is_cut_out_without_augmentation() -> None:
    label = np.zeros((40, 40), np.uint8)
    label[10:30] = 3
    row = {"image": Image.new("RGB", (40, 40)), "label": Image.fromarray(label)}
    assert (PairDataset([row], CAMVID, (16, 32))[0]["ids"] == 3).all()


def test_augmentation_depends_on_seed_epoch_and_row_only() -> None:
    rows = [pair(i) for i in range(4)]
    one, other = (PairDataset(rows, CAMVID, (16, 32), seed=5, random_flip=True) for _ in range(2))
    one.set_epoch(2), other.set_epoch(2)
    forwards = [one[i]["ids"] for i in range(4)]
    backwards = [other[i]["ids"] for i in reversed(range(4))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    one.set_epoch(3)
    assert not all(torch.equal(a, one[i]["ids"]) for i, a in enumerate(forwards))
    third = PairDataset(rows, CAMVID, (16, 32), seed=6, random_flip=True)
    third.set_epoch(2)
    assert not all(torch.equal(a, third[i]["ids"]) for i, a in enumerate(forwards))


def test_about_half_of_the_pairs_are_flipped() -> None:
    label = np.zeros((16, 32), np.uint8)
    label[:, :16] = 3
    rows = [{"image": Image.new("RGB", (32, 16)), "label": Image.fromarray(label)}] * 200
    flipped = PairDataset(rows, CAMVID, (16, 32), seed=0, random_flip=True)
    share = np.mean([item["ids"][0, 0].item() == 0 for item in (flipped[i] for i in range(200))])
    assert 0.35 < share < 0.65
    straight = PairDataset(rows, CAMVID, (16, 32), seed=0)
    assert all(straight[i]["ids"][0, 0] == 3 for i in range(200))


def test_labels_in_colours_are_read() -> None:
    ids = np.array(pair()["label"])
    ids[ids == 11] = 255
    colours = {"image": pair()["image"], "label": Image.fromarray(CAMVID.to_colors(ids))}
    plain, read = PairDataset([pair()], CAMVID, (16, 32))[0], PairDataset([colours], CAMVID, (16, 32))[0]
    assert torch.equal(plain["ids"], read["ids"])


def test_bad_rows_are_refused_with_their_number() -> None:
    outside = pair()
    outside["label"] = Image.fromarray(np.full((36, 48), 77, np.uint8))
    smaller = pair()
    smaller["image"] = smaller["image"].resize((20, 10))
    deep = pair() | {"image": Image.new("F", (48, 36))}
    words = pair() | {"image": "street.png"}
    ragged = pair() | {"label": [[0, 1], [2]]}
    number = pair() | {"image": 7}
    data = PairDataset([pair(), outside, smaller, words, deep, ragged, number], CAMVID, (16, 32))
    with pytest.raises(LayoutError, match=r"row 1, column label: id 77 \(1,728 pixels\)"):
        data[1]
    with pytest.raises(LayoutError, match="row 2: the photograph has 20 x 10 pixels, its label 48 x 36"):
        data[2]
    with pytest.raises(LayoutError, match=r"row 3 \(street.png\), column image: no such file as street.png"):
        data[3]
    with pytest.raises(LayoutError, match="row 4, column image: the photograph: a picture of mode F"):
        data[4]
    with pytest.raises(LayoutError, match="row 5, column label: lists of different lengths"):
        data[5]
    with pytest.raises(LayoutError, match="row 6, column image: holds int, not a picture"):
        data[6]
    assert data[0]["row"] == 0  # this one is good


def test_bad_rows_of_files_are_named_with_the_file(tmp_path: Path) -> None:
    rows, held_out, *_ = load_rows(str(bad_folder(tmp_path / "streets")))
    data = PairDataset(rows, CAMVID, (16, 32))
    assert [data[row]["row"] for row in (0, 2, 5)] == [0, 2, 5]  # the good ones
    for row, message in {
        1: r"row 1 \(label-1.png\), column label: id 77 \(1,728 pixels\): outside this set of 11 classes",
        3: r"row 3 \(image-3.png\): the photograph has 20 x 10 pixels, its label 48 x 36",
        4: r"row 4 \(label-4.png\), column label: not a picture",
        6: r"row 6 \(image-6.png\), column image: not readable",
    }.items():
        with pytest.raises(LayoutError, match=message):
            data[row]
    with pytest.raises(LayoutError, match=r"held-out row 1 \(image-19.png\), column image: not readable"):
        PairDataset(held_out, CAMVID, (16, 32), called="held-out row")[1]


def test_bad_rows_are_left_out_on_request(tmp_path: Path) -> None:
    rows, _, *_ = load_rows(str(bad_folder(tmp_path / "streets")))
    data, whole = (PairDataset(rows, CAMVID, (16, 32), seed=0, random_flip=True) for _ in range(2))
    with pytest.raises(LayoutError, match="row 1 "):
        data.check(data.used, skip_bad=False)
    assert len(data) == 18
    bad, labels = data.check(data.used, skip_bad=True)
    assert list(bad) == [1, 3, 4, 6]
    assert "not a picture" in bad[4]
    assert (labels.rows, labels.total) == (14, 14)
    assert len(data) == 14
    assert [data[i]["row"] for i in range(4)] == [0, 2, 5, 7]
    assert torch.equal(data[1]["photograph"], whole[2]["photograph"])  # augmentation goes by the row's own number
    with pytest.raises(LayoutError, match="every row is bad; the first: row 0 "):
        PairDataset(rows.select([1, 3]), CAMVID, (16, 32)).check([0, 1], skip_bad=True)


def test_decoded_rows_are_kept_while_there_is_room() -> None:
    class Counted(list):
        reads = 0

        def __getitem__(self, index: int) -> dict:  # type: ignore[override]
            Counted.reads += 1
            return super().__getitem__(index)

    size = 36 * 48 * 4
    plain = PairDataset([pair(i) for i in range(4)], CAMVID, (16, 32), seed=1)
    data = PairDataset(Counted(pair(i) for i in range(4)), CAMVID, (16, 32), seed=1, cache_bytes=2 * size + 5)
    for epoch in range(3):
        data.set_epoch(epoch), plain.set_epoch(epoch)
        for i in range(4):
            assert torch.equal(data[i]["photograph"], plain[i]["photograph"])
            assert torch.equal(data[i]["ids"], plain[i]["ids"])
    assert Counted.reads == 2 + 2 * 6  # two stay; the others are decoded at each of six accesses


def test_colours_vary_mildly_and_by_seed_epoch_and_row() -> None:
    grey = {"image": Image.new("RGB", (48, 36), (120, 100, 80)), "label": pair()["label"]}
    rows = [grey] * 40
    plain = PairDataset(rows, CAMVID, (16, 32), seed=3)
    varied, again = (PairDataset(rows, CAMVID, (16, 32), seed=3, color_jitter=0.1) for _ in range(2))
    ratios = [((varied[i]["photograph"] + 1) / (plain[i]["photograph"] + 1)).mean().item() for i in range(40)]
    assert 0.85 < min(ratios) < 0.95
    assert 1.05 < max(ratios) < 1.15
    assert torch.equal(varied[7]["photograph"], again[7]["photograph"])
    assert torch.equal(varied[7]["ids"], plain[7]["ids"])
    again.set_epoch(1)
    assert not torch.equal(varied[7]["photograph"], again[7]["photograph"])


def test_photographs_are_resized_with_antialiasing_and_labels_by_nearest_neighbour() -> None:
    stripes = np.zeros((64, 128), np.uint8)
    stripes[:, ::2] = 5
    row = {"image": Image.fromarray(stripes * 40).convert("RGB"), "label": Image.fromarray(stripes)}
    item = PairDataset([row], CAMVID, (16, 32))[0]
    assert (item["photograph"] * 127.5 + 127.5 - 100).abs().max() < 10  # the mean of 0 and 200
    assert set(item["ids"].unique().tolist()) <= {0, 5}


def test_a_palette_without_class_colours_may_say_n_for_unlabelled() -> None:
    row = pair()
    row["label"].putpalette([(i * 7) % 251 for i in range(768)])
    assert row["label"].mode == "P"
    assert torch.equal(
        PairDataset([row], CAMVID, (16, 32))[0]["ids"], PairDataset([pair()], CAMVID, (16, 32))[0]["ids"]
    )


def test_folders_are_loaded_with_their_classes_and_licence(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "streets")
    train, held_out, *_ = load_rows(str(folder))
    assert (len(train), len(held_out)) == (18, 2)
    assert np.array_equal(np.array(held_out[0]["label"]), np.array(pair(18)["label"]))
    assert find_classes(str(folder)) == CAMVID
    assert find_classes(str(folder), DataOptions(classes="cityscapes")) == ClassSet.cityscapes()
    assert dataset_license(str(folder)) == "cc-by-4.0"
    few, _, *_ = load_rows(str(folder), max_train_samples=3)
    assert len(few) == 3


@pytest.mark.parametrize(
    ("front_matter", "licence"),
    [
        ("license: other\nlicense_name: non-commercial-research", "non-commercial-research"),
        ("license: other\nlicense_name: '  '", "other"),
        ("license: other\nlicense_name: [a]", "other"),
        ("license: other", "other"),
        ("license: mit\nlicense_name: mine", "mit"),
        ("license_name: mine", None),
        ("license: [mit, other]\nlicense_name: mine", None),
    ],
)
def test_a_licence_called_other_goes_by_its_name(tmp_path: Path, front_matter: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_text(f"---\n{front_matter}\n---\n# Pairs\n")
    assert dataset_license(str(tmp_path)) == licence


def test_sources_of_rows_say_how_to_cite_them_and_which_to_hide() -> None:
    rows = datasets.Dataset.from_dict({"source": ["labelmefacade", "camvid", "somebody's", None, "camvid"]})
    assert hidden_rows(rows) == {0, 2, 3}
    camvid, labelmefacade = collections_of(rows)
    assert "Brostow" in camvid.citation
    assert "non-commercial" in labelmefacade.citation
    assert "Fröhlich" in labelmefacade.citation
    assert collections_of(rows.select([1, 2])) == [camvid]
    unnamed = datasets.Dataset.from_dict({"name": ["camvid"]})
    assert (hidden_rows(unnamed), collections_of(unnamed)) == (set(), [])
    assert collections_of(scene_rows(3, (32, 64))[0]) == []


def test_streets_are_for_research_and_their_facades_hidden(streets: Path) -> None:
    assert dataset_license(str(streets)) == "non-commercial-research"
    for rows in load_rows(str(streets))[:2]:
        assert len(collections_of(rows)) == 2
        hidden = hidden_rows(rows)
        assert [source == "labelmefacade" for source in rows["source"]] == [row in hidden for row in range(len(rows))]


def test_saved_data_sets_are_loaded(tmp_path: Path) -> None:
    train, _, *_ = load_rows(str(write_folder(tmp_path / "streets")))
    datasets.DatasetDict({"train": train, "validation": train.select([0])}).save_to_disk(tmp_path / "saved")
    again, held_out, *_ = load_rows(str(tmp_path / "saved"))
    assert (len(again), len(held_out)) == (18, 1)


def test_missing_columns_folders_and_classes_are_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "streets", columns=("photo", "mask"))
    with pytest.raises(ValueError, match="no column 'image'; there are photo, mask"):
        load_rows(str(folder))
    assert len(load_rows(str(folder), DataOptions(image_column="photo", label_column="mask")).train) == 18
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_rows(str(tmp_path / "nowhere"))
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "metadata.csv").write_text("\0")
    with pytest.raises(ValueError, match="junk: cannot be read as a data set"):
        load_rows(str(tmp_path / "junk"))
    datasets.Dataset.from_dict({"image": [], "label": []}).save_to_disk(tmp_path / "empty")
    with pytest.raises(ValueError, match="empty: cannot be read as a data set"):
        load_rows(str(tmp_path / "empty"))
    (folder / "classes.json").unlink()
    with pytest.raises(LayoutError, match="--classes"):
        find_classes(str(folder))


def test_camvid_is_read(camvid: Path) -> None:
    train, held_out, *_ = load_rows(str(camvid))
    assert (len(train), len(held_out)) == (295, 68)
    data = PairDataset(held_out, find_classes(str(camvid)), (256, 512))
    item = data[0]
    shares = np.bincount(item["ids"].flatten().numpy(), minlength=256) / item["ids"].numel()
    assert shares[3] > 0.05  # road
    assert 0 < shares[255] < 0.3
    assert dataset_license(str(camvid)) == "cc-by-nc-4.0"


def test_scenes_are_rows_too() -> None:
    train, held_out, classes = scene_rows(5, (32, 64))
    data = PairDataset(train, classes, (32, 64))
    assert len(data) == 5
    assert data[4]["photograph"].shape == (3, 32, 64)
    assert not torch.equal(data[0]["ids"], PairDataset(held_out, classes, (32, 64))[0]["ids"])
    with pytest.raises(IndexError):
        train[5]
