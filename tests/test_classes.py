"""Class sets: exact conversion between ids and colours, and refusals that say what was seen."""

import json
from pathlib import Path

import numpy as np
import pytest

from crn_hub import ClassSet, LayoutError
from crn_hub.classes import PRESETS
from scripts.write_translations import DOCUMENT, document

CAMVID, STREETS = ClassSet.camvid(), ClassSet.streets()


@pytest.mark.parametrize("name", PRESETS)
def test_every_id_and_colour_goes_both_ways(name: str) -> None:
    classes = ClassSet.load(name)
    ids = np.array([[*range(len(classes)), 255]], np.uint8)
    colors = classes.to_colors(ids)
    assert [tuple(c) for c in colors[0, :-1].tolist()] == list(classes.colors)
    assert np.array_equal(classes.find_colors(colors).astype(np.uint8), ids)


def test_presets() -> None:
    cityscapes = ClassSet.cityscapes()
    assert len(cityscapes) == 19
    assert cityscapes.names[:3] == ("road", "sidewalk", "building")
    assert cityscapes.colors[cityscapes.names.index("car")] == (0, 0, 142)
    assert len(CAMVID) == 11
    assert CAMVID.names[3] == "road"
    assert CAMVID.aliases["car"] == ("truck", "bus")
    assert "unlabelled" not in CAMVID.names
    assert STREETS.names == (*CAMVID.names, "window", "door")
    assert STREETS.colors[: len(CAMVID)] == CAMVID.colors
    assert STREETS.part_of == {"window": "building", "door": "building"}


def test_the_files_beside_the_data_are_the_presets(camvid: Path, streets: Path) -> None:
    assert ClassSet.load(camvid / "classes.json") == CAMVID
    assert ClassSet.load(streets / "classes.json") == STREETS


def test_list_and_file_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    file.write_text(json.dumps(CAMVID.to_list()))
    assert ClassSet.load(file) == CAMVID
    assert ClassSet.from_list(CAMVID.to_list()) == CAMVID
    file.write_text(json.dumps(STREETS.to_list()))
    assert ClassSet.load(file).part_of == STREETS.part_of
    assert ClassSet.from_list(STREETS.to_list()) == STREETS


def test_a_file_of_a_presets_classes_without_wholes_has_the_presets(tmp_path: Path) -> None:
    file, rows = tmp_path / "classes.json", STREETS.to_list()
    file.write_text(json.dumps([{k: v for k, v in row.items() if k != "part_of"} for row in rows]))
    assert ClassSet.load(file) == STREETS
    rows[12]["part_of"] = None  # the file says what window is part of, and that door is part of nothing
    file.write_text(json.dumps(rows))
    assert ClassSet.load(file).part_of == {"window": "building"}
    rows[3]["color"] = [1, 2, 3]  # no longer the preset
    file.write_text(json.dumps([{k: v for k, v in row.items() if k != "part_of"} for row in rows]))
    assert ClassSet.load(file).part_of == {}


@pytest.mark.parametrize(
    ("part_of", "message"),
    [
        ({"a": "a"}, "'a' is part of 'a'"),
        ({"a": "b", "b": "a"}, "'a' is part of 'b' is part of 'a'"),
        ({"a": "b", "b": "c", "c": "b"}, "'b' is part of 'c' is part of 'b'"),
        ({"d": "a"}, "'d' is said to be part of another class, but is no class"),
        ({"a": "d"}, "part of 'd', which is no class"),
        ({"a": ["b"]}, "part of ['b'], which is no class"),
        ({"a": None}, "part of None, which is no class"),
        (["a"], "part_of must give names of wholes by names of parts, not ['a']"),
    ],
)
def test_wholes_that_make_no_sense_are_refused(part_of: dict, message: str) -> None:
    with pytest.raises(LayoutError) as error:
        ClassSet("abc", [(0, 0, 1), (0, 0, 2), (0, 0, 3)], part_of=part_of)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("names", "colors", "aliases", "message"),
    [
        (["a", "a"], [(0, 0, 1), (0, 0, 2)], {}, "repeated: ['a']"),
        (["a", "A"], [(0, 0, 1), (0, 0, 2)], {}, "repeated"),
        (["a", "b"], [(0, 0, 1), (0, 0, 1)], {}, "(0, 0, 1)"),
        (["a", "b"], [(0, 0, 1), (0, 0, 2)], {"a": ["b"]}, "repeated: ['b']"),
        (["a"], [(0, 0, 1), (0, 0, 2)], {}, "1 names but 2 colours"),
        (["a"], [(0, 0, 256)], {}, "256"),
        (["a"], [(0, 0)], {}, "three whole numbers"),
        (["a"], [[9] * 300_000], {}, "that of class 0 is [9, 9, 9, 9, 9, 9, ...]."),
        ([["a"]], [(0, 0, 1)], {}, "must be a text"),
        (["a"], [(0, 0, 1)], {5: ["b"]}, "classes: 5."),
        (["a"], [(0, 0, 1.5)], {}, "1.5"),
        ([], [], {}, "0 were given"),
        ([f"c{i}" for i in range(256)], [(i, 0, 0) for i in range(256)], {}, "256 were given"),
        (["a"], [(0, 0, 1)], {"z": ["y"]}, "z"),
        ([" "], [(0, 0, 1)], {}, "not empty"),
        (["road\n| sky"], [(0, 0, 1)], {}, "without control characters"),
        (["a"], [(0, 0, 1)], {"a": ["\x1b[31m"]}, "without control characters"),
        (["a", " a"], [(0, 0, 1), (0, 0, 2)], {}, "repeated"),
        (["a"], [(0, 0, 1)], {"a": "way"}, "'way'"),
        (["Unlabelled"], [(0, 0, 1)], {}, "is not a class"),
    ],
)
def test_bad_sets_are_refused(names: list, colors: list, aliases: dict, message: str) -> None:
    with pytest.raises(LayoutError) as error:
        ClassSet(names, colors, aliases)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "not a readable JSON file"),
        ("{}", "a list of objects"),
        ('[{"name": "a"}]', "lacks color"),
        ('[{"name": ["a"], "color": [1, 2, 3]}]', "must be a text"),
        ('[{"id": 1, "name": "a", "color": [1, 2, 3]}]', "id 1"),
    ],
)
def test_bad_class_files_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(LayoutError) as error:
        ClassSet.load(file)
    assert "mine.json" in str(error.value)
    assert message in str(error.value)


def test_a_deeply_nested_class_file_and_an_endless_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(LayoutError, match=r"deep\.json: not a readable JSON file"):
        ClassSet.load(tmp_path / "deep.json")
    with pytest.raises(LayoutError, match="no such file, and no preset"):
        ClassSet.load("x" * 300)


def test_many_aliases_take_no_time() -> None:
    """Comparing every pair would take minutes."""
    aliases = [f"alias {i}" for i in range(50_000)]
    assert len(ClassSet(["a"], [(0, 0, 1)], {"a": aliases}).aliases["a"]) == 50_000
    with pytest.raises(LayoutError, match="repeated"):
        ClassSet(["a"], [(0, 0, 1)], {"a": [*aliases, "alias 7"]})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LayoutError, match="cityscapes, camvid, streets"):
        ClassSet.load("kitti")


def test_a_class_may_be_black_and_then_unlabelled_is_not() -> None:
    classes = ClassSet(["background", "thing"], [(0, 0, 0), (255, 0, 0)])
    assert classes.unlabelled_color == (255, 255, 255)
    ids = np.array([[0, 1, 255]], np.uint8)
    assert np.array_equal(classes.find_colors(classes.to_colors(ids)), ids)


def test_unlabelled_has_a_colour_of_its_own_whatever_the_classes() -> None:
    greys = [(level, level, level) for level in range(255)]
    classes = ClassSet([f"class {i}" for i in range(255)], [*greys[:254], (255, 255, 255)])
    assert classes.unlabelled_color not in classes.colors


def test_ids_outside_the_set_are_refused_with_values_and_counts() -> None:
    ids = np.zeros((10, 10), np.uint8)
    ids[0, :3], ids[5, 5] = 200, 11
    with pytest.raises(LayoutError) as error:
        CAMVID.check_ids(ids, "street.png")
    for part in ("street.png", "200 (3 pixels)", "11 (1 pixel)", "0 (sky) to 10 (bicyclist)", "255"):
        assert part in str(error.value)


def test_ids_of_any_integer_type_are_taken() -> None:
    for kind in (np.uint8, np.int16, np.int64):
        checked = CAMVID.check_ids(np.array([[0, 10, 255]], dtype=np.uint8).astype(kind))
        assert checked.dtype == np.uint8
        assert checked.tolist() == [[0, 10, 255]]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.full((2, 2), -1), r"id -1 \(4 pixels\)"),
        (np.zeros((2, 2)), "must be integers, not float64"),
        (np.zeros((2, 2), bool), "must be integers, not bool"),
        (np.zeros(4, int), r"has the shape \(height, width\), not \(4,\)"),
        (np.zeros((0, 3), int), r"has the shape \(height, width\), not \(0, 3\)"),
    ],
)
def test_arrays_that_are_not_ids_are_refused(ids: np.ndarray, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        CAMVID.check_ids(ids)


def test_void_colours_are_those_of_the_preset_and_never_a_class_colour() -> None:
    assert ClassSet.cityscapes().void_colors[:4] == ((0, 0, 0), (111, 74, 0), (81, 0, 81), (250, 170, 160))
    assert CAMVID.void_colors == ((0, 0, 0),)
    preset = ClassSet.cityscapes()
    finer = ClassSet([*preset.names, "parking"], [*preset.colors, (250, 170, 160)])
    assert (250, 170, 160) not in finer.void_colors
    assert (81, 0, 81) in finer.void_colors
    assert ClassSet(["night", "day"], [(0, 0, 0), (9, 9, 9)]).void_colors == ((255, 255, 255),)


def test_nearest_colours_and_their_distances() -> None:
    ids, distances = CAMVID.nearest_colors(np.array([[128, 64, 128], [131, 68, 128], [2, 0, 1]], np.uint8))
    assert ids.tolist() == [3, 3, 255]
    assert distances == pytest.approx([0, 5, 5**0.5])


def test_translation_goes_by_names_before_aliases_and_knows_what_is_missing() -> None:
    table = ClassSet.cityscapes().translation_to(CAMVID)
    names = dict(zip(ClassSet.cityscapes().names, table, strict=False))
    assert names["road"] == CAMVID.names.index("road")
    assert names["sidewalk"] == CAMVID.names.index("pavement")
    assert names["truck"] == CAMVID.names.index("car")
    assert names["terrain"] == names["train"] == 255
    assert (table[19:] == 255).all()
    # "bus" is an alias of the first class and the name of the second: the name counts.
    target = ClassSet(["Coach", "BUS"], [(1, 1, 1), (2, 2, 2)])
    alias = ClassSet(["bus", "minibus"], [(3, 3, 3), (4, 4, 4)], {"minibus": ["coach"]})
    assert alias.translation_to(target)[:2].tolist() == [1, 0]


def test_a_part_falls_back_to_its_whole() -> None:
    for target, building in ((CAMVID, "building"), (ClassSet.cityscapes(), "building")):
        table = STREETS.translation_to(target)
        assert [target.names[i] for i in table[11:13]] == [building] * 2
        assert STREETS.matches_in(target)[11:13].tolist() == [255, 255]
        assert (table[13:] == 255).all()
    assert STREETS.translation_to(ClassSet(["window", "tree"], [(1, 1, 1), (2, 2, 2)]))[11:13].tolist() == [0, 255]


def test_parts_of_parts_fall_back_as_far_as_needed() -> None:
    names = ["house", "window", "pane"]
    classes = ClassSet(names, [(0, 0, 1), (0, 0, 2), (0, 0, 3)], part_of={"pane": "window", "window": "house"})
    with_windows = ClassSet(["Window", "house"], [(1, 1, 1), (2, 2, 2)])
    assert classes.translation_to(with_windows)[:3].tolist() == [1, 0, 0]
    assert classes.translation_to(ClassSet(["house"], [(1, 1, 1)]))[:3].tolist() == [0, 0, 0]
    assert classes.translation_to(ClassSet(["sky"], [(1, 1, 1)]))[:3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", PRESETS)
def test_a_set_translated_to_itself_stays(name: str) -> None:
    classes = ClassSet.load(name)
    assert classes.translation_to(classes)[: len(classes)].tolist() == list(range(len(classes)))


def test_the_document_shows_what_becomes_what() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python scripts/write_translations.py"
