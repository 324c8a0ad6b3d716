"""What label maps of data sets are taken for, and what is said about it."""

import struct
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from support.data_folders import pair, png, write_folder
from test_layout_files import png as png_of
from test_layout_files import voc_palette

from crn_hub import ClassSet, LayoutError
from crn_hub.classes import INDICES, LABEL_IDS
from crn_hub.data import LabelReader, LabelSurvey, PairDataset, find_classes, load_rows
from crn_hub.data.label_survey import describe_labels
from crn_hub.data_options import DataOptions

CAMVID = ClassSet.camvid()
TWO = ClassSet(["road", "sky"], [(128, 64, 128), (70, 130, 180)])


def rows_of(*labels: object) -> list[dict]:
    """A row for each label; the photograph is black."""
    rows = []
    for label in labels:
        shape = np.shape(label)[:2] if np.ndim(label) == 2 or np.shape(label)[2] in (1, 3) else np.shape(label)[1:]
        size = label.size if isinstance(label, Image.Image) else shape[::-1]
        rows.append({"image": Image.new("RGB", size), "label": label})
    return rows


def survey_of(rows: list[dict], classes: ClassSet = CAMVID, **options: object) -> LabelSurvey:
    data = PairDataset(rows, LabelReader(classes, DataOptions(**options)), (16, 32))
    return data.check(data.used, skip_bad=False).labels


def every_id(n: int = 11) -> np.ndarray:
    return np.arange(n, dtype=np.uint8).reshape(1, n)


def cell(content: bytes, path: str | None = None) -> dict:
    return {"bytes": content, "path": path}


# -- one reader --------------------------------------------------------------------------------------


def test_grey_of_four_bits_is_refused_unless_its_numbers_are_ids() -> None:
    """The library's decoder makes 17 of 1."""
    header = struct.pack(">IIBBBBB", 8, 4, 4, 0, 0, 0, 0)
    label = cell(png_of(header, (b"\0" + bytes([0x01] * 4)) * 4))
    row = {"image": Image.new("RGB", (8, 4)), "label": label}
    rows = datasets.Dataset.from_list(
        [{"image": cell(png(row["image"])), "label": label}],
        datasets.Features(image=datasets.Image(), label=datasets.Image()),
    )
    with pytest.raises(LayoutError, match=r"row 0, column label: a grey picture of this depth \(L, L;4\)"):
        PairDataset(rows, TWO, (4, 8))[0]
    data = PairDataset(rows, LabelReader(TWO, DataOptions(layout_classes=INDICES)), (4, 8))
    assert data[0]["ids"].tolist() == [[0, 1] * 4] * 4


def test_a_jpeg_of_ids_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array(pair()["label"])).save(tmp_path / "label.jpg")
    row = pair() | {"label": str(tmp_path / "label.jpg")}
    with pytest.raises(LayoutError, match=r"row 0 \(label.jpg\), column label: a JPEG file doesn't preserve ids"):
        PairDataset([row], CAMVID, (16, 32))[0]


def test_a_palette_of_pascal_voc_is_refused_where_it_may_mean_two_things() -> None:
    """labelme gives this palette to ids of any classes; CamVid has some of its colours."""
    label = Image.fromarray(np.array([[1, 3, 7]], np.uint8))
    label.putpalette(voc_palette(256))
    with pytest.raises(LayoutError, match="has the palette of Pascal VOC, whose colours were read as class colours; "):
        survey_of(rows_of(label))
    data = {"indices": INDICES, "colours": "camvid"}
    read = {
        name: PairDataset(rows_of(label), LabelReader(CAMVID, DataOptions(layout_classes=given)), (1, 2)).decode(0)[1]
        for name, given in data.items()
    }
    assert read["indices"].tolist() == [[1, 3, 7]]
    assert read["colours"].tolist() == [[1, 5, 0]]


def test_labels_are_read_like_layouts(tmp_path: Path) -> None:
    cityscapes = ClassSet.cityscapes()
    raw = np.array([[7, 8, 11, 0]], np.uint8)
    file = tmp_path / "bonn_000000_000019_gtFine_labelIds.png"
    Image.fromarray(raw).save(file)
    row = {"image": Image.new("RGB", (4, 1)), "label": str(file)}
    named = PairDataset([row], cityscapes, (1, 2)).decode(0)[1]
    asked = PairDataset(rows_of(raw), LabelReader(cityscapes, DataOptions(layout_classes=LABEL_IDS)), (1, 2))
    assert named.tolist() == asked.decode(0)[1].tolist() == [[0, 1, 2, 255]]
    colors = Image.fromarray(cityscapes.to_colors(np.array([[0, 10, 255]], np.uint8)))
    survey = survey_of(rows_of(colors))
    assert "read with the classes of cityscapes and translated by name" in " ".join(survey.notes)
    damaged = Image.fromarray(np.array([[[130, 60, 130], [70, 130, 180]]], np.uint8))
    with pytest.raises(LayoutError, match="no class has the colour of 1 pixel"):
        survey_of(rows_of(damaged), TWO)
    assert survey_of(rows_of(damaged), TWO, snap=True).shares.tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize("number", [254, -1, 65535])
def test_further_ids_mean_unlabelled_if_asked_for(number: int) -> None:
    label = np.array([[0, 1, number]], np.int32)
    with pytest.raises(LayoutError, match=f"id {number} "):
        survey_of(rows_of(label), TWO)
    survey = survey_of(rows_of(label), TWO, ignore_label=(number,))
    assert survey.shares[-1] == pytest.approx(1 / 3)
    assert survey.notes[0].startswith(f"1 pixels in 1 row: of id {number}, treated as unlabelled; the first: row 0: ")


def test_ids_may_begin_at_one() -> None:
    label = np.array([[0, 1, 2, 255]], np.uint8)
    data = PairDataset(rows_of(label), LabelReader(TWO, DataOptions(reduce_labels=True)), (1, 2))
    assert data.decode(0)[1].tolist() == [[255, 0, 1, 255]]
    with pytest.raises(LayoutError, match=r"id 3 .* known are 0, 1, 2, and 255"):
        PairDataset(rows_of(np.array([[3]])), LabelReader(TWO, DataOptions(reduce_labels=True)), (1, 2)).decode(0)


def test_a_class_file_says_what_label_files_hold(tmp_path: Path) -> None:
    """CamVid's 32 colours and 11 classes, in small."""
    (tmp_path / "classes.json").write_text(
        '[{"name": "road", "color": [128, 64, 128], "label_colors": [[128, 0, 192]]},'
        ' {"name": "sky", "color": [128, 128, 128]}, {"name": "unlabelled", "label_colors": [[64, 192, 0]]}]'
    )
    classes = ClassSet.load(tmp_path / "classes.json")
    label = np.array([[[128, 64, 128], [128, 0, 192], [128, 128, 128], [64, 192, 0]]], np.uint8)
    data = PairDataset(rows_of(Image.fromarray(label)), classes, (1, 2))
    assert data.decode(0)[1].tolist() == [[0, 0, 1, 255]]
    assert data.classes.codes.colors == {}


@pytest.mark.parametrize(
    "label",
    [
        np.array([[0], [1]])[..., None],
        np.array([[[0, 1]]]),
        np.array([[0.0, 1.0]]),
        np.array([[False, True]]),
        [[0, 1]],
        Image.fromarray(np.array([[False, True]])),
        Image.fromarray(np.array([[[0] * 3, [1] * 3]], np.uint8)),
        Image.merge("LA", [Image.fromarray(np.array([[0, 1]], np.uint8)), Image.new("L", (2, 1), 255)]),
    ],
)
def test_shapes_and_types_that_plainly_mean_ids(label: object) -> None:
    assert survey_of(rows_of(label), TWO).shares.tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize("mode", ["CMYK", "LA", "L", "RGBA", "YCbCr", "I;16"])
def test_photographs_of_many_modes(tmp_path: Path, mode: str) -> None:
    grey = Image.new("RGB", (4, 2), (200, 200, 200))
    picture = Image.fromarray(np.full((2, 4), 200 * 257, np.uint16)) if mode == "I;16" else grey.convert(mode)
    suffix = "jpg" if mode in ("CMYK", "YCbCr") else "png"
    picture.save(tmp_path / f"photograph.{suffix}", quality=100)
    row = {"image": str(tmp_path / f"photograph.{suffix}"), "label": np.zeros((2, 4), np.uint8)}
    assert np.abs(PairDataset([row], TWO, (2, 4)).decode(0)[0].astype(int) - 200).max() <= 2


# -- EXIF --------------------------------------------------------------------------------------------


def turned_photograph(size: tuple[int, int], orientation: int) -> dict:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph = Image.new("RGB", size)
    file = BytesIO()
    photograph.save(file, "JPEG", exif=exif)
    return cell(file.getvalue(), "photo.jpg")


def test_a_label_of_the_photograph_as_it_is_stored_is_refused_with_the_reason() -> None:
    row = {"image": turned_photograph((6, 4), 6), "label": np.zeros((4, 6), np.uint8)}
    with pytest.raises(
        LayoutError,
        match="the photograph has 4 x 6 pixels, its label 6 x 4; they must be equal: the photograph was turned as its "
        "EXIF says, and its label has no such entry",
    ):
        PairDataset([row], TWO, (2, 4)).decode(0)
    upright = row | {"label": np.zeros((6, 4), np.uint8)}  # made from the photograph as it is seen
    assert survey_of([upright], TWO).notes == []


@pytest.mark.parametrize(("size", "orientation"), [((6, 4), 3), ((6, 6), 6), ((6, 4), 2)])
def test_a_turn_that_leaves_the_size_is_reported(size: tuple[int, int], orientation: int) -> None:
    row = {"image": turned_photograph(size, orientation), "label": np.zeros(size[::-1], np.uint8)}
    (note,) = survey_of([row, *rows_of(np.ones((4, 6)))], TWO).notes
    assert note.startswith(f"{size[0] * size[1]} pixels in 1 row: of a photograph that was turned or mirrored")


# -- what they were taken for ------------------------------------------------------------------------


def test_a_survey_counts_pixels_and_rows() -> None:
    survey = survey_of(rows_of(np.array([[0, 0, 1, 255]]), np.array([[0, 0, 0, 0]])), TWO)
    assert survey.shares.tolist() == [6 / 8, 1 / 8, 1 / 8]
    assert survey.warnings() == []
    assert survey.table().splitlines() == [
        "labels of 2 rows, read as ids",
        "             pixels     rows",
        "road          75.0%        2",
        "sky           12.5%        1",
        "unlabelled    12.5%        1",
    ]
    record = survey.to_record()
    assert record["classes"][0] == {"name": "road", "share": 0.75, "rows": 2}
    assert (record["rows"], record["of_rows"], record["read_as"]) == (2, 2, {"ids": 2})
    assert record["cut_off"] == pytest.approx(0.5)  # of 4 x 1 pixels for an image of 2 : 1
    lines = describe_labels(survey, survey, (16, 32))
    assert lines[-1] == (
        "50% of the photographs are cut off to give them the shape of 16 x 32 (height x width); --resolution HEIGHT "
        "WIDTH gives another shape"
    )


@pytest.mark.parametrize(
    ("labels", "warnings"),
    [
        ([every_id()], []),
        ([every_id()[:, :10]], ["bicyclist never occurs."]),
        ([every_id()[:, :9]], ["pedestrian, bicyclist never occur."]),
        (
            [np.append(every_id(), [255] * 12)[None]],
            ["52% of the pixels are unlabelled: nobody says what to learn there."],
        ),
        ([np.append(every_id(), [255] * 9)[None]], []),
        (
            [np.arange(12)[None]],
            [
                "ids 0 and 11 both occur, and 11 classes have the ids 0 to 10; 11 was read as unlabelled. If ids begin "
                "at 1, every class is off by one: --reduce_labels. If 11 means unlabelled: --ignore_label 11."
            ],
        ),
        (
            [np.array([[0, 255, 0]])],
            [
                "only sky and unlabelled pixels occur: if these are masks of 0 and 255, 255 was read as unlabelled; "
                "save them as ids 0 and 1."
            ],
        ),
        (
            [every_id(), Image.fromarray(CAMVID.to_colors(every_id()))],
            [
                "labels were read in different ways: 1 row as ids, 1 row as colours; if all hold ids: --layout_classes "
                "indices."
            ],
        ),
    ],
)
def test_warnings_are_silent_on_good_data(labels: list, warnings: list[str]) -> None:
    assert survey_of(rows_of(*labels)).warnings() == warnings


def test_the_id_after_the_last_is_no_surprise_where_somebody_has_said_so() -> None:
    assert survey_of(rows_of(np.arange(12)[None]), ignore_label=(11,)).warnings() == []
    assert survey_of(rows_of(np.arange(12)[None]), reduce_labels=True).warnings() == []


def test_ids_that_seem_to_begin_at_one_are_warned_of() -> None:
    (never, warning) = survey_of(rows_of(np.arange(1, 12)[None])).warnings()
    assert never == "sky never occurs."
    assert warning.startswith("id 11 occurs and 0 doesn't, and 11 classes have the ids 0 to 10: ids seem to begin at 1")


def test_indices_go_through_what_the_class_file_says_of_numbers(tmp_path: Path) -> None:
    """CVAT's or labelme's palette, and classes that begin after "unlabelled"."""
    (tmp_path / "classes.json").write_text(
        '[{"name": "unlabelled", "color": [0, 0, 0]}, {"name": "road", "color": [128, 0, 0]},'
        ' {"name": "sky", "color": [0, 128, 0]}, {"name": "tree", "color": [128, 128, 0]}]'
    )
    classes = ClassSet.load(tmp_path / "classes.json")
    label = Image.fromarray(np.array([[0, 1, 2, 3, 255]], np.uint8))
    label.putpalette(voc_palette(256))
    reader = LabelReader(classes, DataOptions(layout_classes=INDICES))
    assert PairDataset(rows_of(label), reader, (1, 2)).decode(0)[1].tolist() == [[255, 0, 1, 2, 255]]
    label = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8))
    label.putpalette(voc_palette(256))
    by_colour = PairDataset(rows_of(label), classes, (1, 2))
    assert by_colour.decode(0)[1].tolist() == [[255, 0, 1, 2]]
    (note,) = by_colour.check(
        [0], skip_bad=False
    ).labels.notes  # colours and indices say the same: no word of Pascal VOC
    assert "void colours" in note
    with pytest.raises(LayoutError, match="--reduce_labels: the file with the classes says already"):
        LabelReader(classes, DataOptions(reduce_labels=True))


def test_a_class_may_have_the_number_255(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text(
        '[{"name": "ground", "color": [9, 9, 9], "label_ids": [0]}, {"name": "crack", "color": [8, 8, 8],'
        ' "label_ids": [255]}]'
    )
    survey = survey_of(rows_of(np.array([[0, 255, 255, 0]])), ClassSet.load(tmp_path / "classes.json"))
    assert survey.shares.tolist() == [0.5, 0.5, 0]


def test_ids_in_colours_of_sixteen_bits_are_refused() -> None:
    """Pillow gives the upper 8 bits only: all ids would be 0."""
    rows = b"".join(b"\0" + struct.pack(">12H", *[value for value in (0, 1, 2, 3) for _ in range(3)]) for _ in range(2))
    label = cell(png_of(struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0), rows))
    with pytest.raises(LayoutError, match="16 bits per channel that is black in the upper 8 of them"):
        survey_of([{"image": Image.new("RGB", (4, 2)), "label": label}], TWO)


def test_findings_are_gathered_over_rows_with_the_first_of_each() -> None:
    label = Image.fromarray(CAMVID.to_colors(np.append(every_id(), 255)[None].astype(np.uint8)))
    (note,) = survey_of(rows_of(every_id(), label, label)).notes
    assert note == (
        "2 pixels in 2 rows: void colours, treated as unlabelled; the first: row 1: void colours in 1 pixel (8.3%) "
        "were treated as unlabelled: (0, 0, 0) 1."
    )


def test_real_data_are_read_in_silence(streets: Path, camvid: Path) -> None:
    """CamVid's card says that 11 is unlabelled, which pixels can't say."""
    for folder, options in ((streets, DataOptions()), (camvid, DataOptions(ignore_label=(11,)))):
        train, *_ = load_rows(str(folder))
        data = PairDataset(train, LabelReader(find_classes(str(folder)), options), (32, 64))
        survey = data.check(data.used[::10], skip_bad=False).labels
        assert survey.warnings() == []
        assert [note.partition(": ")[2][:13] for note in survey.notes] == ["of id 11, tre"] * len(options.ignore_label)


def test_a_row_is_read_the_same_whether_it_is_kept_or_not(tmp_path: Path) -> None:
    rows, *_ = load_rows(str(write_folder(tmp_path / "streets")))
    kept = PairDataset(rows, CAMVID, (16, 32), cache_bytes=10**6)
    before = kept.check(kept.used, skip_bad=False).labels.shares
    assert np.array_equal(before, kept.check(kept.used, skip_bad=False).labels.shares)
    assert torch.equal(kept[3]["ids"], PairDataset(rows, CAMVID, (16, 32))[3]["ids"])
