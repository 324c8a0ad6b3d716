"""Further collections on a disk, each in a small tree in its own format."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from support.collection_trees import RAW_IDS, TO_TRAIN_IDS, label_of, picture
from support.command_line import crn

from crn_hub import ClassSet
from crn_hub.collections.ade20k import FULL_NUMBERS
from crn_hub.collections.camvid import camvid_classes, split_of
from crn_hub.collections.like_cityscapes import list_gta5, list_kitti
from crn_hub.collections.nyu import list_nyu
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
    (raw / "testing").rename(raw / "test")  # as the development kit calls it
    assert [*list_kitti(raw).splits] == ["train", "test"]
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


@pytest.mark.parametrize(("name", "count"), [("ade20k", 150), ("coco-stuff", 171), ("mapillary", 65), ("nyu40", 40)])
def test_lists_of_classes_are_unique_and_survive(name: str, count: int) -> None:
    classes = ClassSet.load(name)  # refuses names and colours that repeat
    assert len(classes) == count
    assert ClassSet.from_list(classes.to_list()) == classes
    target, known = CITYSCAPES, {"sky", "building", "person", "car"}
    if name == "nyu40":
        target, known = ClassSet.load("ade20k"), {"bed", "sofa", "windowpane", "refrigerator", "person"}
    assert known <= {target.names[index] for index in classes.translation_to(target)[:count] if index != 255}


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
    assert becomes("nyu40", "television", ClassSet.load("coco-stuff")) == "tv"
    assert becomes("nyu40", "shower curtain", ClassSet.load("ade20k")) == "curtain"
    assert becomes("ade20k", "blind", ClassSet.load("nyu40")) == "blinds"
    assert becomes("coco-stuff", "floor-tile", ClassSet.load("nyu40")) == "floor"


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
            "coco-stuff",
            {f: (f"images/{f}", f"annotations/{f}") for f in ("train2017", "val2017")},
            np.array([0, 181, 255]),
            {0: "person", 181: "wood", 255: None},
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
        Image.new("L", (64, 32)).save(raw / labels / f"{number}00000000_labelTrainIds.png")  # by another program
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


def test_the_full_ade20k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers in red and green, instances in blue, and many classes that scene parsing doesn't know."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    classes = ClassSet.load("ade20k")
    numbers = np.array([0, 2978, 312, 2420, 774, 783, 954, 1, 3687])  # the last two are of other objects
    ids = np.array([255, *map(classes.names.index, ("wall", "building", "sky", "door", "door", "flag")), 255, 255])
    expected = {}
    for seed, folder in enumerate(("training/urban/street", "training/home/bath", "validation/urban/street")):
        place = raw / "images" / "ADE" / folder
        place.mkdir(parents=True)
        frame, chosen = f"ADE_{seed:08}", label_of(seed, np.arange(len(numbers)))
        picture(seed).save(place / f"{frame}.jpg")
        red_and_green = [numbers[chosen] // 256 * 10, numbers[chosen] % 256]
        label = np.stack([*red_and_green, np.arange(64)[None].repeat(32, 0)], axis=2).astype(np.uint8)
        Image.fromarray(label).save(place / f"{frame}_seg.png")
        Image.fromarray(label).save(place / f"{frame}_parts_1.png")
        (place / frame).mkdir()
        Image.new("L", (64, 32)).save(place / frame / f"instance_000_{frame}.png")
        (place / f"{frame}.json").write_text("{}")
        expected[frame] = ids[chosen]
    assert crn(monkeypatch, "dataset", "ade20k", raw, "--output", out) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["train: 2 rows", "validation: 1 rows"]
    found = ids_in(out, "train", classes) | ids_in(out, "validation", classes)
    assert {*found} == {*expected}
    for frame, decoded in found.items():
        np.testing.assert_array_equal(decoded, expected[frame])
    assert sorted(load_splits(str(out))["train"]["scene"]) == ["home/bath", "urban/street"]
    assert len({*FULL_NUMBERS}) == len(classes)

    (raw / "images/ADE/validation/urban/street/ADE_00000002_seg.png").unlink()
    assert crn(monkeypatch, "dataset", "ade20k", raw, "--output", tmp_path / "x") == 2
    assert "ADE_00000002_seg.png: no label map of images/ADE/validation" in capsys.readouterr().err
    Image.new("L", (64, 32)).save(raw / "images/ADE/validation/urban/street/ADE_00000002_seg.png")
    assert crn(monkeypatch, "dataset", "ade20k", raw, "--output", tmp_path / "x") == 2
    assert (
        "not readable as a label map of the full ADE20K (a picture in the mode L, not RGB)" in capsys.readouterr().err
    )
    (tmp_path / "empty" / "images").mkdir(parents=True)
    assert crn(monkeypatch, "dataset", "ade20k", tmp_path / "empty", "--output", tmp_path / "x") == 2
    assert "neither a folder annotations, as in scene parsing, nor photographs with" in capsys.readouterr().err


# -- NYU Depth v2 ------------------------------------------------------------------------------------


def nyu_tree(root: Path, frames: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns photographs (N, H, W, 3), numbers in label maps (N, H, W) and the class of each number, 1 to 40."""
    root.mkdir()
    random = np.random.default_rng(0)
    photographs = random.integers(0, 256, (frames, 32, 64, 3), np.uint8)
    numbers = random.integers(0, 895, (frames, 32, 64), np.uint16)
    numbers[0, 0, :2] = 0, 894
    of_number = random.integers(1, 41, 894)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file["images"], file["labels"] = photographs.transpose(0, 3, 2, 1), numbers.transpose(0, 2, 1)
        for name, texts in (
            ("scenes", [f"kitchen_{n:04}" for n in range(frames)]),
            ("sceneTypes", ["kitchen"] * frames),
        ):
            file[name] = np.array([[reference_to(file, f"{name}_{n}", text) for n, text in enumerate(texts)]])
    cells = np.empty((1, 40), object)
    cells[0] = [ClassSet.load("nyu40").names[n].replace("refrigerator", "refridgerator") for n in range(40)]
    savemat(root / "classMapping40.mat", {"mapClass": of_number[None].astype(float), "className": cells})
    savemat(root / "splits.mat", {"trainNdxs": [[3], [4], [5]], "testNdxs": [[1], [2]]})
    return photographs, numbers, of_number


def reference_to(file: h5py.File, name: str, text: str) -> h5py.Reference:
    """As Matlab stores a text in a cell array: elsewhere, as a column of characters."""
    file[f"#refs#/{name}"] = np.array([[ord(character)] for character in text], np.uint16)
    return file[f"#refs#/{name}"].ref


def test_nyu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = tmp_path / "raw", tmp_path / "nyu"
    photographs, numbers, of_number = nyu_tree(raw)
    assert crn(monkeypatch, "dataset", "nyu", raw, "--output", out) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["train: 3 rows", "test: 2 rows"]
    classes = find_classes(str(out))
    assert classes == ClassSet.load("nyu40")
    splits = load_splits(str(out))
    assert (splits["train"]["frame"], splits["train"]["scene"][0]) == (["0003", "0004", "0005"], "kitchen_0002")
    for split, rows in splits.items():
        data = PairDataset(rows, classes, (16, 32))
        for row, frame in enumerate(rows["frame"]):
            pixels, ids = data.decode(row)
            np.testing.assert_array_equal(pixels, photographs[int(frame) - 1])
            expected = np.append(255, of_number - 1)[numbers[int(frame) - 1]]
            np.testing.assert_array_equal(ids, expected, err_msg=f"{split} {frame}")
    assert load_splits(str(out))["train"][0]["image"].format == "PNG"
    assert "Photographs are PNG, without loss." in (out / "README.md").read_text()
    assert crn(monkeypatch, "dataset", "nyu", raw, "--output", tmp_path / "small", "--height", 16) == 0
    assert load_splits(str(tmp_path / "small"))["test"][0]["image"].size == (32, 16)


def test_files_of_nyu_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    _, _, of_number = nyu_tree(raw)
    arguments = ["dataset", "nyu", raw, "--output", tmp_path / "out"]

    def said() -> str:
        assert crn(monkeypatch, *arguments) == 2
        return capsys.readouterr().err

    savemat(raw / "splits.mat", {"trainNdxs": [[3], [9]], "testNdxs": [[1]]})
    assert "splits.mat: frame 9 in trainNdxs, but nyu_depth_v2_labeled.mat has 5." in said()
    (raw / "splits.mat").write_bytes(b"none")
    assert "splits.mat: cannot be read as the splits of NYU Depth v2" in said()
    savemat(raw / "splits.mat", {"trainNdxs": [[3]], "testNdxs": [[1]]})
    names = np.empty((1, 2), object)
    names[0] = ["floor", "wall"]
    savemat(raw / "classMapping40.mat", {"mapClass": of_number[None], "className": names})
    assert "className has 2 names (floor, wall), not those of the preset nyu40." in said()
    names = np.empty((1, 40), object)
    names[0] = ClassSet.load("nyu40").names
    savemat(raw / "classMapping40.mat", {"mapClass": of_number[None] + 1, "className": names})
    assert "mapClass has 2 to 41, not 1 to 40." in said()
    savemat(raw / "classMapping40.mat", {"mapClass": of_number[None, :500], "className": names})
    assert "in its label map, but classMapping40.mat knows 1 to 500." in said()
    with h5py.File(raw / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"], file["labels"] = np.zeros((2, 3, 8, 4), np.uint8), np.zeros((2, 4, 8), np.uint16)
    assert "images (2, 3, 8, 4) and labels (2, 4, 8), not (N, 3, W, H) and (N, W, H)" in said()
    (raw / "nyu_depth_v2_labeled.mat").write_bytes(b"none")
    assert "cannot be read as the labelled part of NYU Depth v2" in said()
    (raw / "splits.mat").unlink()
    assert f"{raw}: no splits.mat; there is classMapping40.mat, nyu_depth_v2_labeled.mat." in said()
    with pytest.raises(FileNotFoundError, match=r"no nyu_depth_v2_labeled.mat and no classMapping40.mat and no splits"):
        list_nyu(tmp_path / "nowhere")
