"""Class lists as tools write them, and what they say of label files."""

import json
from pathlib import Path

import numpy as np
import pytest

from crn_hub import CRN, ClassSet, LayoutError
from crn_hub.classes import read_layout

ROWS = [
    {"name": "road", "color": [128, 64, 128]},
    {"name": "sky", "color": [70, 130, 180]},
    {"name": "tree", "color": [107, 142, 35]},
]
SET = ClassSet.from_list(ROWS)


def file_of(folder: Path, content: object, name: str = "classes.json", encoding: str = "utf-8") -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_in_the_encodings_that_editors_write(tmp_path: Path, encoding: str) -> None:
    rows = [{"name": "Straße", "color": [1, 2, 3]}]
    assert ClassSet.load(file_of(tmp_path, rows, encoding=encoding)).names == ("Straße",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_labelmap_of_cvat(tmp_path: Path, encoding: str) -> None:
    text = "# label:color_rgb:parts:actions\r\nroad:128,64,128::\r\nsky:70,130,180::\r\n\r\ntree:107,142,35::\r\n"
    assert ClassSet.load(file_of(tmp_path, text, "labelmap.txt", encoding)) == SET


@pytest.mark.parametrize(
    "text",
    [
        "name,r,g,b\nroad,128,64,128\nsky,70,130,180\ntree,107,142,35\n",
        "name, r, g, b\nroad, 128, 64, 128\nsky, 70, 130, 180\ntree, 107, 142, 35\n",
        "road;128;64;128\nsky;70;130;180\n\ntree;107;142;35",
        "Class\tRed\tGreen\tBlue\nroad\t128\t64\t128\nsky\t70\t130\t180\ntree\t107\t142\t35\n",
        "id,name,is_thing,r,g,b\n0,road,no,128,64,128\n1,sky,no,70,130,180\n2,tree,no,107,142,35\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_with_names_and_levels(tmp_path: Path, text: str, encoding: str) -> None:
    assert ClassSet.load(file_of(tmp_path, text, "class_dict.csv", encoding)) == SET


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labelmap.txt", "road 128 64 128\n", "line 1 is 'road 128 64 128', not name:red,green,blue:parts:actions"),
        ("labelmap.txt", "road:128,64,300::\n", "a colour is three whole numbers"),
        ("labelmap.txt", "# nothing\n", "a class set needs 1 to 255 classes, 0 were given"),
        ("classes.csv", "name,r,g\nroad,1,2\n", "no column for blue; name the columns name, r, g and b"),
        ("classes.csv", "name,r,g,b\nroad,1,2\n", "line 2 is .* not a name and three whole numbers"),
        ("classes.csv", "name,r,g,b\nroad,1,2,x\n", "line 2 is .* not a name and three whole numbers"),
        ("classes.csv", "", "an empty file"),
        ("classes.csv", "id,name,r,g,b\n3,road,1,2,3\n", "class 'road' has id 3 but is at position 0"),
        ("classes.json", "\x00\x01", "not a readable JSON file"),
    ],
)
def test_files_that_are_no_such_lists_are_refused_by_name(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LayoutError, match=f"{name}: {message}"):
        ClassSet.load(file_of(tmp_path, text, name))
    (tmp_path / name).write_bytes(b"\xff\xfe\xff")
    with pytest.raises(LayoutError, match=f"{name}: "):
        ClassSet.load(tmp_path / name)


def test_several_ids_and_colours_for_one_class(tmp_path: Path) -> None:
    rows = [
        ROWS[0] | {"label_ids": [7, 6], "label_colors": [[128, 0, 192]]},
        ROWS[1] | {"label_ids": [23]},
        ROWS[2] | {"label_ids": [21, 22]},
        {"name": "unlabelled", "color": [0, 0, 0], "label_ids": [0, 1], "label_colors": [[9, 9, 9]]},
    ]
    drawn_in = ClassSet.load(file_of(tmp_path, rows))
    assert drawn_in == SET  # the codes are of the label files

    ids = read_layout(np.array([[7, 6, 23, 21, 22, 0, 1, 255]]), SET, layout_classes=drawn_in)
    assert ids.ids.tolist() == [[0, 0, 1, 2, 2, 255, 255, 255]]
    assert ids.notes == ()
    colors = [[128, 64, 128], [128, 0, 192], [70, 130, 180], [0, 0, 0], [9, 9, 9]]
    reading = read_layout(np.array([colors], np.uint8), SET, layout_classes=drawn_in)
    assert reading.ids.tolist() == [[0, 0, 1, 255, 255]]
    snapped = read_layout(np.array([[[127, 2, 190]]], np.uint8), SET, layout_classes=drawn_in, snap=True)
    assert snapped.ids.tolist() == [[0]]
    with pytest.raises(LayoutError, match=r"id 8 \(1 pixel\): of no class; known are 0, 1, 6, 7, 21, 22, 23"):
        read_layout(np.array([[7, 8]]), SET, layout_classes=drawn_in)


def test_an_entry_unlabelled_has_a_position_like_the_others(tmp_path: Path) -> None:
    first = ClassSet.load(file_of(tmp_path, [{"name": "Unlabelled", "color": [0, 0, 0]}, *ROWS]))
    assert first == SET
    reading = read_layout(np.array([[0, 1, 2, 3, 255]]), SET, layout_classes=first)
    assert reading.ids.tolist() == [[255, 0, 1, 2, 255]]
    with_ids = [{"id": place, **row} for place, row in enumerate([{"name": "unlabelled"}, *ROWS])]
    assert ClassSet.load(file_of(tmp_path, with_ids)).codes == first.codes.__class__({0: 255, 1: 0, 2: 1, 3: 2}, {})


@pytest.mark.parametrize(
    ("further", "message"),
    [
        ({"label_id": 7}, "'label_id' is no key of a class; there are label_ids and label_colors"),
        ({"label_ids": 7}, "label_ids of 'sky' must be a list, not 7"),
        ({"label_ids": [True]}, "label_ids of 'sky' must be whole numbers, not True"),
        ({"label_ids": [3, 3]}, "a number in label_ids may occur only once"),
        ({"label_colors": [[128, 64, 128]]}, "a colour may occur only once"),
        ({"label_colors": [[1, 2]]}, "a colour is three whole numbers 0..255; that of class sky is"),
    ],
)
def test_codes_that_make_no_sense_are_refused(tmp_path: Path, further: dict, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        ClassSet.load(file_of(tmp_path, [ROWS[0], ROWS[1] | further, ROWS[2]]))


def test_a_model_keeps_no_codes(tmp_path: Path) -> None:
    """Its layouts have ids, whatever the label files had that it was trained on."""
    drawn_in = ClassSet.load(file_of(tmp_path, [ROWS[0] | {"label_ids": [5]}, ROWS[1] | {"label_ids": [6]}]))
    model = CRN(drawn_in, (2, 2))
    assert model.classes.codes.ids is None
    assert len(model.synthesize(np.array([[0, 1]], np.uint8))) == 1
