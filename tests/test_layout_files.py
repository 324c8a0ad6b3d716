"""Layout files: what each kind is read as, what is reported about it, and what is refused."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crn_hub import ClassSet, LayoutError
from crn_hub.classes import INDICES, LABEL_IDS, read_layout

CAMVID, CITYSCAPES, STREETS = ClassSet.camvid(), ClassSet.cityscapes(), ClassSet.streets()
PLAIN = ClassSet(["land", "sea"], [(1, 200, 1), (1, 1, 200)])  # no colour in common with a preset
RAW_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]  # cityscapesScripts, by train id


def every_id(classes: ClassSet) -> np.ndarray:
    """uint8 (6, 8): every class and unlabelled."""
    return np.resize(np.array([*range(len(classes)), 255], np.uint8), (6, 8))


def refusal(layout: object, classes: ClassSet, **options: object) -> str:
    """The one sentence with which a layout is refused."""
    with pytest.raises(LayoutError) as caught:
        read_layout(layout, classes, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def read_as(expected: np.ndarray, layout: object, classes: ClassSet, **options: object) -> tuple[str, ...]:
    """Reads a layout, compares its ids and returns the notes."""
    reading = read_layout(layout, classes, **options)  # type: ignore[arg-type]
    assert reading.ids.dtype == np.uint8
    np.testing.assert_array_equal(reading.ids, expected)
    return reading.notes


# -- ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["street.png", "street.bmp", "street.tif"])
def test_one_channel_holds_ids(tmp_path: Path, name: str) -> None:
    ids = every_id(CAMVID)
    Image.fromarray(ids).save(tmp_path / name)
    assert read_as(ids, tmp_path / name, CAMVID) == ()
    assert read_as(ids, str(tmp_path / name), CAMVID) == ()
    assert read_as(ids, Image.fromarray(ids), CAMVID) == ()
    assert read_as(ids, ids.astype(np.int64), CAMVID) == ()


@pytest.mark.parametrize("name", ["street.png", "street.tif"])
def test_sixteen_bits_hold_ids_too(tmp_path: Path, name: str) -> None:
    ids = every_id(CAMVID).astype(np.uint16)
    Image.fromarray(ids).save(tmp_path / name)
    assert read_as(ids, tmp_path / name, CAMVID) == ()
    ids[0, 0] = 2570  # 10 * 257: what stretching to 16 bits makes of 10
    Image.fromarray(ids).save(tmp_path / name)
    assert f"{tmp_path / name}: id 2570 (1 pixel)" in refusal(tmp_path / name, CAMVID)


def test_ids_outside_the_set_are_refused_with_values_counts_and_file(tmp_path: Path) -> None:
    ids = np.zeros((10, 10), np.uint8)
    ids[0, :3], ids[5, 5] = 200, 11
    Image.fromarray(ids).save(tmp_path / "street.png")
    message = refusal(tmp_path / "street.png", CAMVID)
    for part in (f"{tmp_path / 'street.png'}: ", "200 (3 pixels)", "11 (1 pixel)", "0 (sky) to 10 (bicyclist)", "255"):
        assert part in message


@pytest.mark.parametrize("name", ["street.jpg", "street.gif"])
def test_ids_in_formats_that_change_them_are_refused(tmp_path: Path, name: str) -> None:
    """JPEG blurs; GIF renumbers: Pillow writes the ids 3 and 5 as the indices 0 and 1."""
    Image.fromarray(np.array([[3, 5]], np.uint8)).save(tmp_path / name)
    assert "save the layout as PNG" in refusal(tmp_path / name, CAMVID)


def test_jpeg_inside_another_format_changes_ids_too(tmp_path: Path) -> None:
    Image.fromarray(np.resize(np.arange(4, 10, dtype=np.uint8), (32, 48))).save(tmp_path / "a.tif", compression="jpeg")
    assert "a JPEG file doesn't preserve ids" in refusal(tmp_path / "a.tif", CAMVID)


@pytest.mark.parametrize("name", ["pages.tif", "moving.png", "stereo.mpo"])
def test_several_pictures_in_a_file_are_refused(tmp_path: Path, name: str) -> None:
    pictures = [Image.fromarray(CAMVID.to_colors(np.full((16, 16), value, np.uint8))) for value in (1, 2, 3)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    assert "holds 3 pictures, but a layout is one" in refusal(tmp_path / name, CAMVID)


def test_a_gif_in_class_colours_is_read(tmp_path: Path) -> None:
    ids = every_id(CAMVID)
    Image.fromarray(CAMVID.to_colors(ids)).save(tmp_path / "street.gif")
    read_as(ids, tmp_path / "street.gif", CAMVID)


def test_grey_with_alpha_of_sixteen_bits_is_refused(tmp_path: Path) -> None:
    """Pillow gives the upper 8 bits only: all ids would be 0."""
    rows = b"\0" + struct.pack(">4H", 5, 65535, 9, 65535)
    (tmp_path / "deep.png").write_bytes(png(struct.pack(">IIBBBBB", 2, 1, 16, 4, 0, 0, 0), rows))
    assert "16 without alpha" in refusal(tmp_path / "deep.png", CAMVID)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_pictures_of_few_bits_are_refused_unless_their_numbers_are_said_to_be_ids(
    tmp_path: Path, bits: int
) -> None:
    """Of 4 bits, Pillow makes 17 of the id 1."""
    pixels = {2: [0b00011011] * 2, 4: [0x01, 0x23, 0x01, 0x23]}[bits]
    header = struct.pack(">IIBBBBB", 8, 4, bits, 0, 0, 0, 0)
    (tmp_path / "few.png").write_bytes(png(header, (b"\0" + bytes(pixels)) * 4))  # filter type 0, then 8 pixels
    message = refusal(tmp_path / "few.png", CAMVID)
    assert "doesn't say whether it holds ids or shades" in message
    assert "give the layout classes indices (--layout-classes)" in message
    ids = np.tile(np.arange(4), (4, 2))
    assert read_as(ids, tmp_path / "few.png", CAMVID, layout_classes=INDICES) == ()


def test_masks_of_one_bit_hold_ids(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 1], [1, 0, 0]])
    for file in ("mask.png", "mask.tif", "mask.bmp"):
        Image.fromarray(ids == 1).save(tmp_path / file)
        assert read_as(ids, tmp_path / file, CAMVID) == ()
    assert read_as(ids, ids == 1, CAMVID) == ()


def test_arrays_that_plainly_mean_ids_are_read() -> None:
    ids = every_id(CAMVID)
    for array in (ids[..., None], ids[None], ids.astype(np.float32), ids.astype(np.float64)[..., None]):
        assert read_as(ids, array, CAMVID) == ()
    read_as(np.array([[0, 255]]), np.array([[0, 254]]), CAMVID, unlabelled=[254])
    message = refusal(np.array([[0.0, 0.5]]), CAMVID)
    assert message == "layout: class ids must be whole numbers, not 0.5."
    assert "not nan" in refusal(np.array([[0.0, np.nan]]), CAMVID)
    assert "id -1 (1 pixel)" in refusal(np.array([[0, -1]]), CAMVID)
    assert "id 9223372036854775807" in refusal(np.array([[0, 2**64 - 1]], np.uint64), CAMVID)


def test_whole_numbers_in_a_float_file_are_ids(tmp_path: Path) -> None:
    ids = every_id(CAMVID)
    Image.fromarray(ids.astype(np.float32)).save(tmp_path / "street.tif")
    assert read_as(ids, tmp_path / "street.tif", CAMVID) == ()


def test_grey_with_alpha_holds_ids(tmp_path: Path) -> None:
    alpha = Image.fromarray(np.array([[255, 255, 0]], np.uint8))
    Image.merge("LA", [Image.fromarray(np.array([[0, 3, 5]], np.uint8)), alpha]).save(tmp_path / "street.png")
    (note,) = read_as(np.array([[0, 3, 255]]), tmp_path / "street.png", CAMVID)
    assert "because they have no colour: 1 pixel" in note


def test_three_equal_channels_hold_ids_unless_they_are_class_colours(tmp_path: Path) -> None:
    ids = np.array([[0, 3, 10], [10, 255, 0]], np.uint8)
    Image.fromarray(np.stack([ids] * 3, -1)).save(tmp_path / "grey.png")
    (note,) = read_as(ids, tmp_path / "grey.png", CAMVID)
    assert "read as the id" in note
    reading = read_layout(tmp_path / "grey.png", CAMVID)
    assert reading.read_as == "ids in three channels"
    sky = np.full((2, 3, 3), 128, np.uint8)
    assert read_as(np.zeros((2, 3)), sky, CAMVID) == ()  # CamVid's sky is this grey
    assert read_as(np.full((1, 1), 255), np.zeros((1, 1, 3), np.uint8), CAMVID)[0].startswith("void colours")
    assert "no class has the colour of" in refusal(np.full((1, 1, 3), 71, np.uint8), PLAIN)
    assert read_as(np.zeros((1, 1)), np.zeros((1, 1, 3), np.uint8), CAMVID, layout_classes=INDICES)
    Image.new("RGB", (8, 8), (3, 3, 3)).save(tmp_path / "grey.jpg", quality=100, subsampling=0)
    assert "a JPEG file doesn't preserve ids" in refusal(tmp_path / "grey.jpg", CAMVID)


def test_further_ids_may_mean_unlabelled_and_ids_may_begin_at_one(tmp_path: Path) -> None:
    deep = np.array([[0, 10, 65535, 254]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    notes = read_as(np.array([[0, 10, 255, 255]]), tmp_path / "deep.png", CAMVID, unlabelled=[254, 65535])
    assert notes == tuple(f"id {number} in 1 pixel (25.0%) was treated as unlabelled." for number in (254, 65535))
    read_as(np.array([[2, 255]]), np.array([[2, -1]], np.int16), CAMVID, unlabelled=[-1])
    read_as(np.array([[255, 0, 10, 255]]), np.array([[0, 1, 11, 255]]), CAMVID, starts_at_one=True)
    assert "id 12 (1 pixel): of no class; known are 0, 1," in refusal(np.array([[0, 12]]), CAMVID, starts_at_one=True)


def test_a_file_may_be_open(tmp_path: Path) -> None:
    Image.fromarray(np.array([[7, 8, 11]], np.uint8)).save(tmp_path / "x_gtFine_labelIds.png")
    with (tmp_path / "x_gtFine_labelIds.png").open("rb") as file:
        read_as(np.array([[0, 1, 2]]), file, CITYSCAPES)  # its name counts, too


def png(header: bytes, rows: bytes) -> bytes:
    """A PNG file of these bytes."""
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


# -- palettes ----------------------------------------------------------------------------------------


def test_palettes_are_read_by_their_colours(tmp_path: Path) -> None:
    ids = every_id(CAMVID)
    CAMVID.to_image(ids).save(tmp_path / "own.png")
    notes = read_as(ids, tmp_path / "own.png", CAMVID)
    assert notes == ("void colours in 4 pixels (8.3%) were treated as unlabelled: (0, 0, 0) 4.",)

    # The same picture with its palette in another order: colours decide, indices don't.
    Image.fromarray(CAMVID.to_colors(ids)).quantize(13).save(tmp_path / "shuffled.png")
    with Image.open(tmp_path / "shuffled.png") as image:
        assert image.mode == "P"
        assert not np.array_equal(np.array(image), ids)
    read_as(ids, tmp_path / "shuffled.png", CAMVID)


@pytest.mark.parametrize("palette", [[(i * 7) % 251 for i in range(768)], [9, 9, 9] * 256])
def test_a_palette_without_class_colours_holds_ids(palette: list[int]) -> None:
    ids = every_id(CAMVID)
    image = Image.fromarray(ids)
    image.putpalette(palette)
    assert image.mode == "P"
    assert read_as(ids, image, CAMVID) == ()


def test_a_palette_of_shades_in_order_holds_ids_although_a_class_is_grey() -> None:
    ids = every_id(CAMVID)  # the sky of CamVid is (128, 128, 128)
    assert read_as(ids, Image.fromarray(ids).convert("P"), CAMVID) == ()


def test_a_class_colour_that_no_pixel_has_still_makes_the_palette_decide() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([7, 7, 7, 8, 8, 8, *CAMVID.colors[0]])
    message = refusal(image, CAMVID)
    assert "(7, 7, 7) (1 pixel, nearest" in message
    assert "if the indices of the palette are the ids, give the layout classes indices" in message


def test_a_palette_in_the_colours_of_another_preset_is_translated() -> None:
    image = CITYSCAPES.to_image(np.array([[13, 10]], np.uint8))
    notes = read_as(np.array([[8, 0]]), image, CAMVID)
    assert notes == ("read with the classes of cityscapes and translated by name.",)
    sea = ClassSet(["sky", "car"], PLAIN.colors)
    read_as(np.array([[1, 0]]), image, sea)


def voc_palette(length: int) -> list[int]:
    """The beginning of Pascal VOC's colour map, as its development kit makes it."""
    colors = []
    for index in range(length):
        red = green = blue = 0
        for place in range(8):
            red |= (index & 1) << 7 - place
            green |= (index >> 1 & 1) << 7 - place
            blue |= (index >> 2 & 1) << 7 - place
            index >>= 3
        colors += [red, green, blue]
    return colors


@pytest.mark.parametrize("length", [8, 21, 256])
def test_a_palette_of_pascal_voc_in_class_colours_comes_with_a_warning(length: int) -> None:
    image = Image.fromarray(np.array([[1, 3, 7]], np.uint8))
    image.putpalette(voc_palette(length))
    (note,) = read_as(np.array([[1, 5, 0]]), image, CAMVID)
    assert "Pascal VOC" in note
    assert read_as(np.array([[1, 3, 7]]), image, CAMVID, layout_classes=INDICES) == ()


def test_a_palette_of_pascal_voc_whose_colours_say_the_same_as_its_indices_is_read_in_silence() -> None:
    colors = np.reshape(voc_palette(8), (8, 3)).tolist()
    image = Image.fromarray(np.array([[0, 3, 7]], np.uint8))
    image.putpalette(voc_palette(8))
    assert read_as(np.array([[0, 3, 7]]), image, ClassSet([f"class {n}" for n in range(8)], colors)) == ()


@pytest.mark.parametrize("ids", [[[0, 1]], [[0, 1, 2]], [[2, 255]]])
@pytest.mark.parametrize("length", [2, 21, 256])
def test_a_palette_of_pascal_voc_without_class_colours_holds_ids(ids: list[list[int]], length: int) -> None:
    """Even if it begins with nothing but colours of CamVid: (0, 0, 0) and (128, 0, 0)."""
    if length == 2:
        ids = [[0, 1]]
    classes = ClassSet(["building", "sea", "lava"], [(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    image = Image.fromarray(np.array(ids, np.uint8))
    image.putpalette(voc_palette(length))
    assert read_as(np.array(ids), image, classes) == ()


def test_a_given_set_alone_decides_whether_a_palette_holds_ids() -> None:
    image = CITYSCAPES.to_image(np.array([[0, 1]], np.uint8))
    assert read_as(np.array([[0, 1]]), image, PLAIN, layout_classes=PLAIN) == ()
    assert "none of its classes" in refusal(image, PLAIN)


def test_an_index_beyond_the_palette_is_refused_unless_it_is_unlabelled(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 18, 255]], np.uint8))
    image.putpalette(CITYSCAPES.palette[:19].tobytes())
    image.save(tmp_path / "short.png")
    read_as(np.array([[0, 18, 255]]), tmp_path / "short.png", CITYSCAPES)
    image = Image.fromarray(np.array([[0, 30, 30]], np.uint8))
    image.putpalette(CITYSCAPES.palette[:19].tobytes())
    image.save(tmp_path / "short.png")
    assert "30 is the index of 2 of its pixels, but its palette has 19" in refusal(tmp_path / "short.png", CITYSCAPES)


def test_index_255_beyond_the_palette_is_unlabelled_even_if_a_class_is_black() -> None:
    black = ClassSet(["background", "thing"], [(0, 0, 0), (9, 9, 9)])
    image = Image.fromarray(np.array([[0, 1, 255]], np.uint8))
    image.putpalette([0, 0, 0, 9, 9, 9])
    (note,) = read_as(np.array([[0, 1, 255]]), image, black)
    assert note == "treated as unlabelled because they have no colour: 1 pixel (33.3%)."


# -- colours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [CAMVID, CITYSCAPES, PLAIN])
def test_class_colours_are_read_exactly(tmp_path: Path, classes: ClassSet) -> None:
    ids = every_id(classes)
    colors = classes.to_colors(ids)
    Image.fromarray(colors).save(tmp_path / "street.png")
    read_as(ids, tmp_path / "street.png", classes)
    read_as(ids, colors, classes)
    Image.fromarray(colors).convert("RGBA").save(tmp_path / "alpha.png")
    read_as(ids, tmp_path / "alpha.png", classes)
    read_as(ids, np.array(Image.fromarray(colors).convert("RGBA")), classes)


def test_sixteen_bits_a_channel_are_read(tmp_path: Path) -> None:
    colors = np.array(CAMVID.colors[:8], np.uint16)[None] * 257
    rows = b"\0" + colors.astype(">u2").tobytes()
    (tmp_path / "deep.png").write_bytes(png(struct.pack(">IIBBBBB", 8, 1, 16, 2, 0, 0, 0), rows))
    read_as(np.arange(8)[None], tmp_path / "deep.png", CAMVID)


def test_transparent_pixels_are_unlabelled_and_half_transparent_ones_are_not(tmp_path: Path) -> None:
    ids = every_id(CAMVID)
    image = Image.fromarray(CAMVID.to_colors(ids)).convert("RGBA")
    alpha = np.full(ids.shape, 128, np.uint8)
    alpha[0, :2] = 0
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "street.png")
    ids[0, :2] = 255
    notes = read_as(ids, tmp_path / "street.png", CAMVID)
    assert notes[-1] == "treated as unlabelled because they have no colour: 2 pixels (4.2%)."
    read_as(ids, np.array(image), CAMVID)

    # The colour of a fully transparent pixel doesn't matter.
    beneath = np.array([[(1, 2, 3, 0), (*CAMVID.colors[3], 255)]], np.uint8)
    notes = read_as(np.array([[255, 3]]), Image.fromarray(beneath), CAMVID)
    assert notes == ("treated as unlabelled because they have no colour: 1 pixel (50.0%).",)
    read_as(np.array([[255, 255]]), np.zeros((1, 2, 4), np.uint8), CAMVID, snap=True)

    grey = Image.merge("LA", [Image.fromarray(np.zeros(ids.shape, np.uint8)), Image.fromarray(alpha)])
    read_as(np.where(alpha == 0, 255, 0), grey, CAMVID)
    read_as(np.array([[255]]), Image.fromarray(np.array([[(200, 0)]], np.uint8)), CAMVID)  # no id 200


def test_unknown_colours_are_refused_with_counts_nearest_classes_and_the_option_that_snaps(tmp_path: Path) -> None:
    colors = np.zeros((4, 4, 3), np.uint8)
    colors[0, :2] = (128, 64, 129)  # beside the road's (128, 64, 128)
    colors[3, 3] = (1, 128, 190)
    Image.fromarray(colors).save(tmp_path / "street.png")
    assert refusal(tmp_path / "street.png", CAMVID) == (
        f"{tmp_path / 'street.png'}: no class has the colour of 3 pixels (18.8%): "
        "(128, 64, 129) (2 pixels, nearest road (128, 64, 128)), "
        "(1, 128, 190) (1 pixel, nearest bicyclist (0, 128, 192)); "
        "snapping (--snap, or its box on the page) takes each as the nearest class colour."
    )


@pytest.mark.parametrize("classes", [CAMVID, CITYSCAPES])
def test_colours_that_jpeg_has_damaged_are_refused_and_snap_on_demand(tmp_path: Path, classes: ClassSet) -> None:
    ids = every_id(classes).repeat(16, axis=0).repeat(16, axis=1)
    Image.fromarray(classes.to_colors(ids)).save(tmp_path / "street.jpg", quality=95, subsampling=0)
    message = refusal(tmp_path / "street.jpg", classes)
    assert "(128, 63, 127) (" in message  # what JPEG has made of the road's (128, 64, 128)
    assert message.endswith("; snapping (--snap, or its box on the page) takes each as the nearest class colour.")
    reading = read_layout(tmp_path / "street.jpg", classes, snap=True)
    assert (reading.ids == ids).mean() > 0.99
    assert reading.notes[0].startswith("snapping took ")
    assert "colours of no class as the nearest class colour; the farthest was (" in reading.notes[0]


def test_snapping_takes_that_set_of_colours_which_is_nearest_on_the_whole(tmp_path: Path) -> None:
    ids = np.array([[13, 10, 2, 8]], np.uint8).repeat(16, axis=0).repeat(16, axis=1)  # car, sky, building, vegetation
    Image.fromarray(CITYSCAPES.to_colors(ids)).save(tmp_path / "street.jpg", quality=95)
    reading = read_layout(tmp_path / "street.jpg", CAMVID, snap=True)
    assert (reading.ids == CITYSCAPES.translation_to(CAMVID)[ids]).mean() > 0.95
    assert reading.notes[-1].startswith("read with the classes of cityscapes")


def test_snapping_takes_a_set_with_more_colours_only_if_they_are_there(tmp_path: Path) -> None:
    ids = every_id(CAMVID).repeat(20, axis=0).repeat(20, axis=1)
    Image.fromarray(CAMVID.to_colors(ids)).save(tmp_path / "street.jpg", quality=50)  # some pixels are nearest to door
    assert not any("translated" in note for note in read_layout(tmp_path / "street.jpg", CAMVID, snap=True).notes)
    ids = every_id(STREETS).repeat(16, axis=0).repeat(16, axis=1)
    Image.fromarray(STREETS.to_colors(ids)).save(tmp_path / "street.jpg", quality=95)
    reading = read_layout(tmp_path / "street.jpg", CAMVID, snap=True)
    assert (reading.ids == STREETS.translation_to(CAMVID)[ids]).mean() > 0.95
    assert reading.notes[-1].endswith("translated by name: window as building, door as building.")


def test_snapping_knows_a_few_windows_by_their_colour(tmp_path: Path) -> None:
    ids = every_id(CAMVID).repeat(40, axis=0).repeat(40, axis=1)
    ids[10:22, 50:62] = 11  # under a hundredth of the picture
    Image.fromarray(STREETS.to_colors(ids)).save(tmp_path / "street.jpg", quality=75)
    reading = read_layout(tmp_path / "street.jpg", CAMVID, snap=True)
    assert (reading.ids[12:20, 52:60] == CAMVID.names.index("building")).mean() > 0.9


def test_a_layout_with_windows_and_doors_has_walls_for_a_network_without() -> None:
    ids = np.array([[0, 1, 11, 12, 255]], np.uint8)
    (_, note) = read_as(np.array([[0, 1, 1, 1, 255]]), STREETS.to_colors(ids), CAMVID)
    assert note == "read with the classes of streets and translated by name: window as building, door as building."
    read_as(STREETS.translation_to(CITYSCAPES)[ids], STREETS.to_colors(ids), CITYSCAPES)


def test_snapping_leaves_exact_colours_alone() -> None:
    ids = every_id(CAMVID)
    assert read_as(ids, CAMVID.to_colors(ids), CAMVID, snap=True) == read_layout(CAMVID.to_colors(ids), CAMVID).notes


# -- void, raw ids, other sets -----------------------------------------------------------------------


def test_void_colours_of_cityscapes_are_unlabelled_and_counted() -> None:
    void = [(0, 0, 0), (81, 0, 81), (111, 74, 0), (250, 170, 160), (230, 150, 140), (180, 165, 180), (150, 100, 100)]
    void += [(150, 120, 90), (0, 0, 90), (0, 0, 110), (0, 0, 0)]
    colors = np.array([[*void, (128, 64, 128)]], np.uint8)
    (note,) = read_as(np.array([[255] * 11 + [0]]), colors, CITYSCAPES)
    assert note.startswith("void colours in 11 pixels (91.7%) were treated as unlabelled: (0, 0, 0) 2, ")
    assert "(81, 0, 81) 1" in note
    # They are void in CamVid only where the whole picture is one of Cityscapes.
    read_as(np.array([[255] * 11 + [3]]), colors, CAMVID)
    both = np.array([[(81, 0, 81), CAMVID.colors[0]]], np.uint8)
    assert "(81, 0, 81) (1 pixel" in refusal(both, CAMVID)


def test_colours_of_another_preset_are_translated_by_name_and_alias_with_a_report() -> None:
    for source, target in ((CITYSCAPES, CAMVID), (CAMVID, CITYSCAPES)):
        ids = every_id(source)
        notes = read_as(source.translation_to(target)[ids], source.to_colors(ids), target)
        assert "translated by name: " in notes[-1]
    (note,) = read_as(np.array([[4, 5, 255, 0]]), CITYSCAPES.to_colors(np.array([[1, 8, 9, 10]])), CAMVID)
    assert note == (
        "read with the classes of cityscapes and translated by name: sidewalk as pavement, vegetation as tree; "
        "treated as unlabelled for lack of such a class: terrain with 1 pixel (25.0%)."
    )


def test_the_models_own_set_wins_where_both_have_the_colours() -> None:
    road = np.array([[(128, 64, 128), (0, 0, 0)]], np.uint8)  # road and void in both presets
    for classes in (CAMVID, CITYSCAPES):
        notes = read_as(np.array([[classes.names.index("road"), 255]]), road, classes)
        assert not any("translated" in note for note in notes)


def test_a_layout_without_any_class_of_the_model_is_refused() -> None:
    message = refusal(CITYSCAPES.to_colors(np.array([[0, 1]])), PLAIN)
    assert message == "layout: none of its classes (road, sidewalk) is one of this model's (land, sea)."


def test_layout_classes_settle_what_ids_and_colours_mean(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 10]], np.uint8)  # as train ids: road, sidewalk, sky
    for classes in ("cityscapes", CITYSCAPES):
        read_as(np.array([[3, 4, 0]]), ids, CAMVID, layout_classes=classes)
    read_as(ids, ids, CAMVID)
    file = tmp_path / "swapped.json"
    file.write_text('[{"name": "sea", "color": [1, 200, 1]}, {"name": "land", "color": [1, 1, 200]}]')
    read_as(np.array([[0, 1]]), PLAIN.to_colors(np.array([[0, 1]])), PLAIN)
    (note,) = read_as(np.array([[1, 0]]), PLAIN.to_colors(np.array([[0, 1]])), PLAIN, layout_classes=file)
    assert note == "read with the classes of another set of 2 and translated by name."
    # A given set is the only one: colours of a preset are no longer looked for.
    assert "(70, 70, 70)" in refusal(np.array([[(70, 70, 70)]], np.uint8), CAMVID, layout_classes="camvid")
    assert "no such file, and no preset" in refusal(ids, CAMVID, layout_classes="kitti")


@pytest.mark.parametrize("by_name", [True, False])
def test_raw_cityscapes_ids_are_known_by_file_name_or_asked_for(tmp_path: Path, by_name: bool) -> None:
    raw = np.arange(34, dtype=np.uint8)[None]
    expected = np.full((1, 34), 255)
    expected[0, RAW_IDS] = range(19)
    file = tmp_path / ("aachen_000000_000019_gtFine_labelIds.png" if by_name else "street.png")
    Image.fromarray(raw).save(file)
    options = {} if by_name else {"layout_classes": LABEL_IDS}
    (note,) = read_as(expected, file, CITYSCAPES, **options)
    assert note == "raw Cityscapes ids were converted to train ids, which leaves 15 pixels (44.1%) unlabelled."
    with Image.open(file) as image:
        read_as(expected, image, CITYSCAPES, **options)
    table = CITYSCAPES.translation_to(CAMVID)
    read_as(table[expected.astype(np.uint8)], file, CAMVID, **options)


def test_raw_cityscapes_ids_are_never_guessed_from_small_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.array([[7, 8, 11]], np.uint8)).save(tmp_path / "street.png")
    read_as(np.array([[7, 8, 11]]), tmp_path / "street.png", CITYSCAPES)
    Image.fromarray(np.array([[7, 8, 33]], np.uint8)).save(tmp_path / "street.png")
    message = refusal(tmp_path / "street.png", CITYSCAPES)
    assert "id 33 (1 pixel)" in message
    assert f"raw Cityscapes ids need the layout classes {LABEL_IDS}" in message


def test_what_is_not_a_raw_cityscapes_id_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x_gtFine_labelIds.png"
    Image.fromarray(np.array([[7, 34, 34]], np.uint8)).save(file)
    assert "0..33, and 255 for unlabelled, not 34; outside: 2 pixels (66.7%)." in refusal(file, CITYSCAPES)
    instances = np.array([[7, 26001]], np.uint16)
    assert "26001" in refusal(instances, CITYSCAPES, layout_classes=LABEL_IDS)
    assert "whole numbers" in refusal(np.full((2, 2), 0.5), CITYSCAPES, layout_classes=LABEL_IDS)


def test_train_ids_are_known_by_file_name(tmp_path: Path) -> None:
    file = tmp_path / "aachen_gtFine_labelTrainIds.png"
    Image.fromarray(np.array([[0, 10, 255]], np.uint8)).save(file)
    read_as(np.array([[0, 10, 255]]), file, CITYSCAPES)
    read_as(np.array([[3, 0, 255]]), file, CAMVID)
    read_as(np.array([[0, 10, 255]]), file, CAMVID, layout_classes="camvid")


def test_official_colour_pictures_of_cityscapes_are_read(tmp_path: Path) -> None:
    """As gtFine/*_color.png are: RGBA, with void colours."""
    colors = np.array([[(128, 64, 128, 255), (0, 0, 142, 255), (81, 0, 81, 255), (0, 0, 0, 255)]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "aachen_gtFine_color.png")
    read_as(np.array([[0, 13, 255, 255]]), tmp_path / "aachen_gtFine_color.png", CITYSCAPES)
    read_as(np.array([[3, 8, 255, 255]]), tmp_path / "aachen_gtFine_color.png", CAMVID)


# -- sizes, rotation, files --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (999, 1), (4096, 8192)])
def test_any_size_is_read(tmp_path: Path, size: tuple[int, int]) -> None:
    ids = np.resize(np.array([3, 0, 255, 10], np.uint8), size)
    Image.fromarray(ids).save(tmp_path / "ids.png", compress_level=1)
    read_as(ids, tmp_path / "ids.png", CAMVID)
    CAMVID.to_image(ids).save(tmp_path / "palette.png", compress_level=1)
    read_as(ids, tmp_path / "palette.png", CAMVID)


TURNS = {  # EXIF 2.3, tag 0x0112: what the viewer has to do with the stored rows
    1: lambda ids: ids,
    2: np.fliplr,
    3: lambda ids: np.rot90(ids, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda ids: np.rot90(ids, -1),
    7: lambda ids: np.rot90(ids, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("in_colors", [True, False])
def test_rotation_by_exif_is_followed(tmp_path: Path, orientation: int, in_colors: bool) -> None:
    ids = every_id(CAMVID)
    image = Image.fromarray(CAMVID.to_colors(ids) if in_colors else ids)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "street.png", exif=exif)
    read_as(TURNS[orientation](ids), tmp_path / "street.png", CAMVID)


def test_damaged_exif_is_read_or_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(CAMVID.to_colors(every_id(CAMVID))).save(tmp_path / "street.jpg", exif=exif)
    whole = (tmp_path / "street.jpg").read_bytes()
    start = whole.index(b"Exif")
    shapes = []
    for place in range(start, start + 40):
        for value in (0, 1, 127, 255):
            (tmp_path / "street.jpg").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                shapes.append(read_layout(tmp_path / "street.jpg", CAMVID, snap=True).ids.shape)
            except LayoutError as error:  # and nothing else
                assert "street.jpg: not a " in str(error)  # noqa: PT017
    assert len(shapes) > 100
    assert set(shapes) == {(8, 6), (6, 8)}  # turned, or not where the orientation is lost


@pytest.mark.parametrize("size", [(8193, 8192), (13_000, 13_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_pixel_bombs_are_refused_from_the_header(tmp_path: Path, size: tuple[int, int]) -> None:
    """The file holds no pixels at all: decoding it would give another error."""
    (tmp_path / "bomb.png").write_bytes(png(struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0), b""))
    message = refusal(tmp_path / "bomb.png", CAMVID)
    assert "pixels" in message
    assert "67,108,864 allowed" in message


def test_a_smaller_limit_can_be_set(tmp_path: Path) -> None:
    Image.fromarray(every_id(CAMVID)).save(tmp_path / "street.png")
    assert "8 x 6 pixels are more than the 47 allowed" in refusal(tmp_path / "street.png", CAMVID, max_pixels=47)


def test_raw_ids_are_known_by_the_files_name_whatever_messages_call_it(tmp_path: Path) -> None:
    Image.fromarray(np.array([[7, 8, 11]], np.uint8)).save(tmp_path / "x_labelIds.png")
    read_as(np.array([[0, 1, 2]]), tmp_path / "x_labelIds.png", CITYSCAPES, source="row 3")


def test_what_is_not_a_layout_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    assert refusal(tmp_path / "text.png", CAMVID).startswith(
        f"{tmp_path / 'text.png'}: not a picture that can be read; use "
    )
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 11, (64, 64), np.uint8)).save(whole, "PNG")
    for length in (10, 30, 60, len(whole.getvalue()) // 2):
        (tmp_path / "half.png").write_bytes(whole.getvalue()[:length])
        assert refusal(tmp_path / "half.png", CAMVID).startswith(f"{tmp_path / 'half.png'}: not a ")
    assert refusal(tmp_path, CAMVID) == f"{tmp_path}: a folder, not a layout file."
    assert refusal(tmp_path / "missing.png", CAMVID) == f"{tmp_path / 'missing.png'}: no such file."
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.tif")
    assert "mode CMYK is not a layout" in refusal(tmp_path / "print.tif", CAMVID)
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    assert "must be whole numbers, not 0.5" in refusal(tmp_path / "float.tif", CAMVID)
    broken = Image.fromarray(np.zeros((2, 2), np.uint8))
    broken.save(tmp_path / "cut.bmp")
    (tmp_path / "cut.bmp").write_bytes((tmp_path / "cut.bmp").read_bytes()[:-3])
    assert "not a readable picture" in refusal(tmp_path / "cut.bmp", CAMVID)
    assert refusal("x" * 300, CAMVID) == f"{'x' * 300}: no such file."
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n")
    assert "not a picture" in refusal(tmp_path / "page.eps", CAMVID)
    assert "not int" in refusal(7, CAMVID)
    assert "(height, width, 3 or 4), not float64 (2, 2, 3)" in refusal(np.zeros((2, 2, 3)), CAMVID)


def test_messages_use_the_name_they_are_given(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 99, np.uint8)).save(tmp_path / "street.png")
    assert refusal(tmp_path / "street.png", CAMVID, source="your street").startswith("your street: id 99 ")
