"""Class sets: exact ways between ids and colours, and refusals that say what was seen."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crn_hub import ClassSet, LayoutError
from crn_hub.classes import PRESETS

CAMVID = ClassSet.camvid()


@pytest.mark.parametrize("name", PRESETS)
def test_every_id_and_colour_goes_both_ways(name: str) -> None:
    classes = ClassSet.load(name)
    ids = np.array([[*range(len(classes)), 255]], np.uint8)
    colors = classes.to_colors(ids)
    assert [tuple(c) for c in colors[0, :-1].tolist()] == list(classes.colors)
    assert np.array_equal(classes.from_colors(colors), ids)


def test_presets() -> None:
    cityscapes = ClassSet.cityscapes()
    assert len(cityscapes) == 19
    assert cityscapes.names[:3] == ("road", "sidewalk", "building")
    assert cityscapes.colors[cityscapes.names.index("car")] == (0, 0, 142)
    assert len(CAMVID) == 11
    assert CAMVID.names[3] == "road"
    assert CAMVID.aliases["car"] == ("truck", "bus")
    assert "unlabelled" not in CAMVID.names


def test_camvids_own_file_is_the_preset(camvid: Path) -> None:
    assert ClassSet.load(camvid / "classes.json") == CAMVID


def test_list_and_file_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    file.write_text(json.dumps(CAMVID.to_list()))
    assert ClassSet.load(file) == CAMVID
    assert ClassSet.from_list(CAMVID.to_list()) == CAMVID


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
        (["a"], [(0, 0, 1.5)], {}, "1.5"),
        ([], [], {}, "0 were given"),
        ([f"c{i}" for i in range(256)], [(i, 0, 0) for i in range(256)], {}, "256 were given"),
        (["a"], [(0, 0, 1)], {"z": ["y"]}, "z"),
        ([" "], [(0, 0, 1)], {}, "not empty"),
        (["a", " a"], [(0, 0, 1), (0, 0, 2)], {}, "repeated"),
        (["a"], [(0, 0, 1)], {"a": "way"}, "'way'"),
        (["Unlabelled"], [(0, 0, 1)], {}, "is no class"),
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


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LayoutError, match="cityscapes, camvid"):
        ClassSet.load("kitti")


def test_a_class_may_be_black_then_unlabelled_is_not() -> None:
    classes = ClassSet(["background", "thing"], [(0, 0, 0), (255, 0, 0)])
    assert classes.unlabelled_color == (255, 255, 255)
    ids = np.array([[0, 1, 255]], np.uint8)
    assert np.array_equal(classes.from_colors(classes.to_colors(ids)), ids)


def test_unlabelled_has_a_colour_of_its_own_whatever_the_classes() -> None:
    greys = [(level, level, level) for level in range(255)]
    classes = ClassSet([f"class {i}" for i in range(255)], [*greys[:254], (255, 255, 255)])
    assert classes.unlabelled_color not in classes.colors


def test_ids_outside_the_set_are_refused_with_values_counts_and_file(tmp_path: Path) -> None:
    ids = np.zeros((10, 10), np.uint8)
    ids[0, :3], ids[5, 5] = 200, 11
    Image.fromarray(ids).save(tmp_path / "street.png")
    with pytest.raises(LayoutError) as error:
        CAMVID.read_layout(tmp_path / "street.png")
    for part in ("street.png", "200 (3 pixels)", "11 (1 pixel)", "0 (sky) to 10 (bicyclist)", "255"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "ids", [np.full((2, 2), -1), np.zeros((2, 2)), np.zeros((2, 2), bool), np.zeros(4, int), np.zeros((0, 3), int)]
)
def test_arrays_that_are_no_ids_are_refused(ids: np.ndarray) -> None:
    with pytest.raises(LayoutError):
        CAMVID.check_ids(ids)


def test_unknown_colours_are_refused_with_counts_nearest_classes_and_file(tmp_path: Path) -> None:
    colors = np.zeros((4, 4, 3), np.uint8)
    colors[0, :2] = (128, 64, 129)  # beside the road's (128, 64, 128)
    colors[3, 3] = (1, 128, 190)
    Image.fromarray(colors).save(tmp_path / "street.png")
    with pytest.raises(LayoutError) as error:
        CAMVID.read_layout(tmp_path / "street.png")
    for part in (
        "street.png",
        "(128, 64, 129) (2 pixels, nearest road (128, 64, 128))",
        "(1, 128, 190) (1 pixel, nearest bicyclist (0, 128, 192))",
    ):
        assert part in str(error.value)


def test_palette_files_are_read_by_their_colours(tmp_path: Path) -> None:
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4) % 11
    ids[0, 0] = 255
    CAMVID.to_image(ids).save(tmp_path / "own.png")
    assert np.array_equal(CAMVID.read_layout(tmp_path / "own.png"), ids)

    # The same picture with its palette in another order: colours decide, indices don't.
    shuffled = Image.fromarray(CAMVID.to_colors(ids)).quantize(13)
    shuffled.save(tmp_path / "shuffled.png")
    with Image.open(tmp_path / "shuffled.png") as image:
        assert image.mode == "P"
        assert not np.array_equal(np.array(image), ids)
    assert np.array_equal(CAMVID.read_layout(tmp_path / "shuffled.png"), ids)


def test_a_palette_without_class_colours_holds_ids() -> None:
    ids = np.array([[0, 5, 255]], np.uint8)
    image = Image.fromarray(ids)
    image.putpalette([(i * 7) % 251 for i in range(768)])
    assert image.mode == "P"
    assert np.array_equal(CAMVID.read_layout(image), ids)


def test_sixteen_bit_ids_and_alpha_are_read() -> None:
    ids = np.array([[0, 10, 255]], np.uint16)
    assert np.array_equal(CAMVID.read_layout(Image.fromarray(ids)), ids)
    rgba = Image.fromarray(CAMVID.to_colors(ids)).convert("RGBA")
    assert np.array_equal(CAMVID.read_layout(rgba), ids)


def test_what_is_no_layout_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(LayoutError, match=r"text\.png"):
        CAMVID.read_layout(tmp_path / "text.png")
    Image.new("L", (64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    with pytest.raises(LayoutError, match="not a readable picture"), Image.open(tmp_path / "half.png") as image:
        CAMVID.read_layout(image)
    with pytest.raises(LayoutError, match="a folder"):
        CAMVID.read_layout(tmp_path)
    with pytest.raises(LayoutError, match=r"missing\.png: no such file"):
        CAMVID.read_layout(tmp_path / "missing.png")
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.tif")
    with pytest.raises(LayoutError, match="CMYK"):
        CAMVID.read_layout(tmp_path / "print.tif")


def test_huge_pictures_are_refused_from_the_header(tmp_path: Path) -> None:
    Image.new("1", (13000, 13000)).save(tmp_path / "bomb.png")
    with pytest.raises(LayoutError, match="13000 x 13000"):
        CAMVID.read_layout(tmp_path / "bomb.png")
