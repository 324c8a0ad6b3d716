"""Further collections on a disk, each in a small tree in its own format."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from support.collection_trees import RAW_IDS, TO_TRAIN_IDS, label_of, picture
from support.command_line import crn

from crn_hub import ClassSet
from crn_hub.collections.camvid import camvid_classes, split_of
from crn_hub.collections.like_cityscapes import list_gta5
from crn_hub.data import PairDataset, find_classes, load_splits
from crn_hub.data.known_collections import collections_of

CITYSCAPES, CAMVID = ClassSet.cityscapes(), ClassSet.camvid()

# label_colors.txt, which comes with CamVid: the colour and the class of SegNet that it becomes.
CAMVID_32 = {
    "Animal": ((64, 128, 64), "pedestrian"), "Archway": ((192, 0, 128), "building"),
    "Bicyclist": ((0, 128, 192), "bicyclist"), "Bridge": ((0, 128, 64), "building"),
    "Building": ((128, 0, 0), "building"), "Car": ((64, 0, 128), "car"),
    "CartLuggagePram": ((64, 0, 192), "pedestrian"), "Child": ((192, 128, 64), "pedestrian"),
    "Column_Pole": ((192, 192, 128), "pole"), "Fence": ((64, 64, 128), "fence"),
    "LaneMkgsDriv": ((128, 0, 192), "road"), "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Misc_Text": ((128, 128, 64), "sign symbol"), "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
    "OtherMoving": ((128, 64, 64), "car"), "ParkingBlock": ((64, 192, 128), "pavement"),
    "Pedestrian": ((64, 64, 0), "pedestrian"), "Road": ((128, 64, 128), "road"),
    "RoadShoulder": ((128, 128, 192), "pavement"), "Sidewalk": ((0, 0, 192), "pavement"),
    "SignSymbol": ((192, 128, 128), "sign symbol"), "Sky": ((128, 128, 128), "sky"),
    "SUVPickupTruck": ((64, 128, 192), "car"), "TrafficCone": ((0, 0, 64), "pole"),
    "TrafficLight": ((0, 64, 64), "sign symbol"), "Train": ((192, 64, 128), "car"),
    "Tree": ((128, 128, 0), "tree"), "Truck_Bus": ((192, 128, 192), "car"), "Tunnel": ((64, 0, 64), "building"),
    "VegetationMisc": ((192, 192, 0), "tree"), "Void": ((0, 0, 0), None), "Wall": ((64, 192, 0), "building"),
}  # fmt: skip


def ids_in(folder: Path, split: str, classes: ClassSet) -> dict[str, np.ndarray]:
    rows = load_splits(str(folder))[split]
    data = PairDataset(rows, classes, (16, 32))
    return {frame: data.decode(row)[1] for row, frame in enumerate(rows["frame"])}


# -- CamVid ------------------------------------------------------------------------------------------


def camvid_tree(root: Path, frames: list[str]) -> np.ndarray:
    """Every frame has all 32 colours; returns their ids."""
    colors = np.array([color for color, _ in CAMVID_32.values()], np.uint8).reshape(4, 8, 3).repeat(8, 0).repeat(8, 1)
    for number, frame in enumerate(frames):
        for folder in ("701_StillsRaw_full", "LabeledApproved_full"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        picture(number).save(root / "701_StillsRaw_full" / f"{frame}.png")
        Image.fromarray(colors).save(root / "LabeledApproved_full" / f"{frame}_L.png")
    (root / "label_colors.txt").write_text("\n".join(f"{r} {g} {b}\t{n}" for n, ((r, g, b), _) in CAMVID_32.items()))
    (root / "701_StillsRaw_full" / ".DS_Store").write_bytes(b"\0")
    names = [255 if name is None else CAMVID.names.index(name) for _, name in CAMVID_32.values()]
    return np.array(names, np.uint8).reshape(4, 8).repeat(8, 0).repeat(8, 1)


def test_the_colours_of_camvid_become_eleven_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = ["0001TP_006690", "0006R0_f00930", "0016E5_07961", "0016E5_07980", "Seq05VD_f00000", "0001TP_008550"]
    expected = camvid_tree(tmp_path / "raw", frames)
    out = tmp_path / "camvid"
    assert crn(monkeypatch, "dataset", "camvid", tmp_path / "raw", "--output", out) == 0
    splits = load_splits(str(out))
    assert {split: sorted(rows["frame"]) for split, rows in splits.items()} == {
        "train": ["0001TP_006690", "0006R0_f00930", "0016E5_07980"],
        "validation": ["0016E5_07961"],
        "test": ["0001TP_008550", "Seq05VD_f00000"],
    }
    assert find_classes(str(out)) == CAMVID
    for split in splits:
        for ids in ids_in(out, split, CAMVID).values():
            np.testing.assert_array_equal(ids, expected)
    assert [collection.name for collection in collections_of(splits["train"])] == ["CamVid"]


def test_the_split_of_camvid_has_its_published_sizes() -> None:
    """The frames of the four sequences, as they are published: every 30th, every second around 8000, or all."""
    frames = [f"0006R0_f{number:05}" for number in range(930, 3931, 30)]
    frames += [f"0001TP_{number:06}" for number in range(6690, 10381, 30)]
    frames += [f"Seq05VD_f{number:05}" for number in range(0, 5101, 30)]
    frames += [f"0016E5_{number:05}" for number in range(7959, 8160, 2)]
    counts = [sum(split_of(frame) == split for frame in frames) for split in ("train", "validation", "test")]
    assert counts == [101 + 62, 101, 62 + 171]
    assert split_of("0016E5_00390") == split_of("0016E5_08640") == "train"


def test_the_codes_of_camvid_are_unique_and_complete() -> None:
    known = {color for _, color in camvid_classes().known_colors}
    assert {color for color, _ in CAMVID_32.values()} <= known
    assert camvid_classes() == CAMVID


# -- like Cityscapes ---------------------------------------------------------------------------------


def test_kitti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = tmp_path / "raw", tmp_path / "kitti"
    for folder in ("training/image_2", "training/semantic", "training/semantic_rgb", "testing/image_2"):
        (raw / folder).mkdir(parents=True)
    expected = {}
    for seed in range(3):
        frame, labels = f"{seed:06}_10", label_of(seed, RAW_IDS)
        picture(seed).save(raw / "training/image_2" / f"{frame}.png")
        picture(seed).save(raw / "testing/image_2" / f"{frame}.png")
        Image.fromarray(labels).save(raw / "training/semantic" / f"{frame}.png")
        picture(seed).save(raw / "training/semantic_rgb" / f"{frame}.png")
        expected[frame] = TO_TRAIN_IDS[labels]
    assert crn(monkeypatch, "dataset", "kitti", raw, "--output", out) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["train: 3 rows", "test: 3 rows"]
    for frame, ids in ids_in(out, "train", CITYSCAPES).items():
        np.testing.assert_array_equal(ids, expected[frame])
    (raw / "training/semantic/000001_10.png").unlink()
    assert crn(monkeypatch, "dataset", "kitti", raw, "--output", tmp_path / "x", "--without-test") == 2
    assert "missing: training/semantic/000001_10.png: no label map of training/image_2" in capsys.readouterr().err
    assert crn(monkeypatch, "dataset", "kitti", tmp_path, "--output", tmp_path / "x") == 2
    assert "looked in training/image_2, training/semantic" in capsys.readouterr().err


def test_bdd100k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = tmp_path / "raw", tmp_path / "bdd100k"
    expected = {}
    for seed, split in enumerate(("train", "train", "val", "test")):
        frame = f"0004a4c0-{seed:08x}"
        (raw / "images/10k" / split).mkdir(parents=True, exist_ok=True)
        picture(seed).save(raw / "images/10k" / split / f"{frame}.jpg")
        if split != "test":
            (raw / "labels/sem_seg/masks" / split).mkdir(parents=True, exist_ok=True)
            expected[frame] = label_of(seed, np.array([*range(19), 255]))
            Image.fromarray(expected[frame]).save(raw / "labels/sem_seg/masks" / split / f"{frame}.png")
    assert crn(monkeypatch, "dataset", "bdd100k", raw, "--output", out) == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["train: 2 rows", "validation: 1 rows", "test: 1 rows"]
    found = ids_in(out, "train", CITYSCAPES) | ids_in(out, "validation", CITYSCAPES)
    assert {*found} == {*expected}
    for frame, ids in found.items():
        np.testing.assert_array_equal(ids, expected[frame])


def test_gta5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A palette in the colours of Cityscapes, numbers from 1 in split.mat, and a photograph of another size."""
    raw, out = tmp_path / "raw", tmp_path / "gta5"
    (raw / "images").mkdir(parents=True)
    (raw / "labels").mkdir()
    expected = {}
    for number in range(1, 6):
        ids = label_of(number, np.array([*range(19), 255]))
        label = CITYSCAPES.to_image(ids)
        label.save(raw / "labels" / f"{number:05}.png")
        picture(number, (32, 64) if number != 4 else (31, 64)).save(raw / "images" / f"{number:05}.png")
        expected[f"{number:05}"] = ids
    with pytest.raises(FileNotFoundError, match=r"split.mat: no such file"):
        list_gta5(raw)
    (raw / "split.mat").write_bytes(b"not a file of Matlab")
    with pytest.raises(ValueError, match=r"split.mat: cannot be read as the split of GTA5"):
        list_gta5(raw)
    savemat(raw / "split.mat", {"trainIds": [[1], [2], [4]], "valIds": [[3]], "testIds": [[5]]})
    assert crn(monkeypatch, "dataset", "gta5", raw, "--output", out) == 2
    assert "64 x 31 pixels, its label map 00004.png has 64 x 32" in capsys.readouterr().err
    assert crn(monkeypatch, "dataset", "gta5", raw, "--output", tmp_path / "second", "--skip-bad-rows") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[1:4] == ["train: 2 rows", "validation: 1 rows", "test: 1 rows"]
    for frame, ids in ids_in(tmp_path / "second", "train", CITYSCAPES).items():
        np.testing.assert_array_equal(ids, expected[frame])
    savemat(raw / "split.mat", {"trainIds": [[1], [9]], "valIds": [[3]], "testIds": [[5]]})
    assert list_gta5(raw).missing == ["images/00009.png: named in split.mat as train, but not there"]


# -- many classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("ade20k", 150), ("coco-stuff", 171), ("mapillary", 65)])
def test_lists_of_classes_are_unique_and_survive(name: str, count: int, tmp_path: Path) -> None:
    classes = ClassSet.load(name)  # refuses names and colours that repeat
    assert len(classes) == count
    assert ClassSet.from_list(classes.to_list()) == classes
    assert {"sky", "building", "person", "car"} <= {
        CITYSCAPES.names[index] for index in classes.translation_to(CITYSCAPES)[:count] if index != 255
    }


def test_translations_of_large_sets_by_names_aliases_and_wholes() -> None:
    def becomes(name: str, part: str, target: ClassSet) -> str:
        classes = ClassSet.load(name)
        return target.names[classes.translation_to(target)[classes.names.index(part)]]

    assert becomes("ade20k", "skyscraper", CITYSCAPES) == "building"
    assert becomes("ade20k", "earth", CITYSCAPES) == "terrain"
    assert becomes("ade20k", "windowpane", ClassSet.streets()) == "window"
    assert becomes("coco-stuff", "bush", CITYSCAPES) == "vegetation"
    assert becomes("coco-stuff", "pavement", CITYSCAPES) == "sidewalk"
    assert becomes("mapillary", "Lane Marking - General", CITYSCAPES) == "road"
    assert becomes("mapillary", "Motorcyclist", CITYSCAPES) == "rider"
    assert becomes("mapillary", "Motorcyclist", CAMVID) == "bicyclist"


def same_name_tree(root: Path, photographs: str, labels: str, frames: dict[str, np.ndarray], palette: bool) -> None:
    (root / photographs).mkdir(parents=True, exist_ok=True)
    (root / labels).mkdir(parents=True, exist_ok=True)
    (root / photographs / ".DS_Store").write_bytes(b"\0")
    for seed, (frame, values) in enumerate(frames.items()):
        picture(seed).save(root / photographs / f"{frame}.jpg")
        label = Image.fromarray(values)
        if palette:
            label.putpalette([(7 * index + 3 * channel) % 256 for index in range(256) for channel in range(3)])
        label.save(root / labels / f"{frame}.png")


@pytest.mark.parametrize(
    ("command", "folders", "values", "meaning"),
    [
        (
            "ade20k",
            {f: (f"images/{f}", f"annotations/{f}") for f in ("training", "validation")},
            np.arange(151),
            {0: None, 1: "wall", 150: "flag"},
        ),
        (
            "coco-stuff",
            {f: (f"images/{f}", f"stuffthingmaps/{f}") for f in ("train2017", "val2017")},
            np.array([0, 10, 12, 89, 91, 181, 255]),
            {0: "person", 10: "fire hydrant", 12: "stop sign", 89: "toothbrush", 91: "banner", 181: "wood", 255: None},
        ),
        (
            "mapillary",
            {f: (f"{f}/images", f"{f}/v1.2/labels") for f in ("training", "validation")},
            np.arange(66),
            {0: "Bird", 64: "Ego Vehicle", 65: None},
        ),
        (
            "mapillary",
            {f: (f"{f}/images", f"{f}/labels") for f in ("training", "validation")},
            np.arange(66),
            {13: "Road", 65: None},
        ),
    ],
)
def test_collections_of_many_classes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    folders: dict[str, tuple[str, str]],
    values: np.ndarray,
    meaning: dict[int, str | None],
) -> None:
    """Ids from 1 (ADE20K), with holes (COCO-Stuff), with one for nothing and in a palette (Mapillary)."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    written = {}
    for number, (photographs, labels) in enumerate(folders.values()):
        frames = {f"{number}{seed:08}": label_of(10 * number + seed, values) for seed in range(3)}
        same_name_tree(raw, photographs, labels, frames, palette=command == "mapillary")
        written |= frames
    assert crn(monkeypatch, "dataset", command, raw, "--output", out) == 0
    classes = find_classes(str(out))
    assert classes == ClassSet.load(command)
    found = ids_in(out, "train", classes) | ids_in(out, "validation", classes)
    assert {*found} == {*written}
    for frame, ids in found.items():
        for value, name in meaning.items():
            wanted = 255 if name is None else classes.names.index(name)
            assert (ids[written[frame] == value] == wanted).all()
