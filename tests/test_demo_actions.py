"""What the page's buttons do, without a browser and without a server."""

import base64
import io
import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from support import ROOT
from support.browsing import jpeg, small_model

from crn_hub import CRN, ClassSet
from crn_hub.classes import UNLABELLED, read_layout
from crn_hub.demo.actions import Actions
from crn_hub.demo.models import Models
from crn_hub.demo.painter import SCRIPT, LabelPainter
from crn_hub.demo.painting import Painting
from crn_hub.demo.photographs import STRIP_SIZE
from crn_hub.demo.starting_layouts import (
    EXAMPLES,
    EXAMPLES_FOLDER,
    examples,
    has_streets,
    opening,
    street,
    thumbnails,
)
from crn_hub.pictures import compose
from crn_hub.scenes import BUILDING, DOOR, WINDOW

# Not the model's size, and every class.
IDS = np.arange(96 * 160, dtype=np.int64).reshape(96, 160)
IDS = (IDS // 8 % 11).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> CRN:
    return small_model(ClassSet.camvid(), num_images=2)


@pytest.fixture
def actions(model: CRN) -> Actions:
    return Actions(Models(model, folders=True), set())


def result(painter: LabelPainter) -> dict[str, Any]:
    return painter.props["result"]


def picture(url: str) -> bytes:
    kind, content = url.split(",")
    assert kind == "data:image/jpeg;base64"
    return base64.b64decode(content)


def painted(found: dict[str, Any]) -> np.ndarray:
    return Painting.from_text(found["painting"]).ids


# -- photographs -------------------------------------------------------------------------------------


def test_the_first_result_is_the_opening_layout_with_its_photograph(actions: Actions, model: CRN) -> None:
    first = actions.first_result()
    ids, what = opening(model)
    assert np.array_equal(painted(first), ids)  # type: ignore[arg-type]
    assert first["what"] == what == EXAMPLES[0]
    assert picture(first["image"]) == jpeg(model.synthesize(ids)[0])
    assert "network" not in first
    assert first["model"]["name"] == ""
    assert first["model"]["size"] == [64, 128]
    assert [row["name"] for row in first["model"]["classes"]] == list(model.classes.names)


def test_generate(actions: Actions, model: CRN) -> None:
    found = result(actions.generate(Painting(IDS, revision=7), ""))
    outputs = model.synthesize(IDS)
    assert found["revision"] == 7
    assert found["network"] > 0
    assert picture(found["image"]) == jpeg(outputs[0])
    for output, small in zip(outputs, found["strip"], strict=True):
        output.thumbnail(STRIP_SIZE)
        assert picture(small) == jpeg(output)
    assert "painting" not in found  # the one on the page stays


def test_generate_mixes_outputs(actions: Actions, model: CRN) -> None:
    choice = (IDS == 3).astype(np.uint8)
    found = result(actions.generate(Painting(IDS, choice), ""))
    assert picture(found["image"]) == jpeg(compose(model.synthesize(IDS), choice))


def test_a_network_with_one_image_has_no_strip() -> None:
    actions = Actions(Models(small_model(ClassSet.camvid()), folders=True), set())
    assert result(actions.generate(Painting(IDS), ""))["strip"] == []


@pytest.mark.parametrize(
    ("painting", "name", "message"),
    [
        (None, "", "a painting is needed."),
        (Painting(np.full((4, 4), 77, np.uint8), revision=3), "", "id 77 (16 pixels): outside this set of 11 classes"),
        (Painting(IDS, np.full_like(IDS, 2), revision=3), "", "choices are 0..1"),
        (Painting(IDS, np.zeros((9, 9), np.uint8), revision=3), "", "choice is (9, 9), the photographs are"),
        (Painting(IDS, revision=3), "org/<b>", "org/<b>: others have loaded models in the meantime; load this one"),
    ],
    ids=["no painting", "other ids", "no such output", "a choice of another size", "unknown model"],
)
def test_what_cannot_be_generated_is_a_result_too(
    actions: Actions, painting: Painting | None, name: str, message: str
) -> None:
    found = result(actions.generate(painting, name))
    assert message in found["error"]
    assert found["revision"] == (painting.revision if painting else None)
    assert "image" not in found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0 hello", "painting: not of the form"),
        (f"0 90000x90000.{Painting(IDS).to_text().split('.')[1]}", "90000 x 90000 pixels; on this page"),
        (f"0 96x96.{Painting(IDS).to_text().split('.')[1]}", "not the 96 x 96 that it says"),
    ],
    ids=["no painting", "too large", "of the wrong size"],
)
def test_values_that_are_not_paintings_are_refused(actions: Actions, value: str, message: str) -> None:
    painting = LabelPainter().preprocess(value)
    found = result(actions.generate(painting, ""))
    assert message in found["error"]
    assert found["revision"] == 0
    with pytest.raises(gr.Error, match=message):
        actions.save(painting, "", SimpleNamespace(kind="ids"))  # type: ignore[arg-type]


def test_values_bring_their_revision() -> None:
    assert LabelPainter().preprocess(None) is None
    painting = LabelPainter().preprocess(f"12 {Painting(IDS).to_text()}")
    assert painting is not None
    assert painting.revision == 12
    assert np.array_equal(painting.ids, IDS)


def test_the_painter_has_no_events_but_its_own() -> None:
    """gr.HTML would make an event of any word in its script."""
    painter = LabelPainter()
    assert all(callable(getattr(painter, name)) for name in LabelPainter.EVENTS)
    assert "'ready'" in SCRIPT or '"ready"' in SCRIPT
    assert not hasattr(painter, "ready")


def test_unexpected_failures_go_to_the_log_only(
    actions: Actions, model: CRN, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(model, "synthesize", fail)
    assert "something failed in the server" in result(actions.generate(Painting(IDS), ""))["error"]
    with pytest.raises(gr.Error, match="something failed in the server"):
        actions.surprise("")
    assert caplog.text.count("RuntimeError: secret of the house") == 2


# -- saving ------------------------------------------------------------------------------------------


def test_save(actions: Actions, model: CRN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    choice = (IDS == 3).astype(np.uint8)
    expected = {
        "photograph": ("photograph.png", np.array(compose(model.synthesize(IDS), choice))),
        "colours": ("layout-colours.png", model.classes.to_colors(IDS)),
        "ids": ("layout-ids.png", IDS),
    }
    for kind, (name, pixels) in expected.items():
        event = gr.EventData(None, {"kind": kind})
        download = actions.save(Painting(IDS, choice), "", event).props["download"]
        assert download["name"] == name
        assert np.array_equal(np.array(Image.open(download["path"])), pixels)
        assert download["path"] in actions.saved_files
    assert len(actions.saved_files) == 3


@pytest.mark.parametrize("kind", ["photograph", "colours", "ids"])
def test_what_cannot_be_saved_leaves_no_file(actions: Actions, kind: str) -> None:
    event = gr.EventData(None, {"kind": kind})
    with pytest.raises(gr.Error, match="a painting is needed"):
        actions.save(None, "", event)
    with pytest.raises(gr.Error, match=r"id 77 \(16 pixels\)"):
        actions.save(Painting(np.full((4, 4), 77, np.uint8)), "", event)
    assert not actions.saved_files


# -- starting layouts and files ----------------------------------------------------------------------


def test_show_example(actions: Actions, model: CRN) -> None:
    found = result(actions.show_example("", gr.SelectData(None, {"index": 4, "value": None})))
    ids = examples(model)[4]
    assert np.array_equal(painted(found), ids)
    assert found["what"] == EXAMPLES[4]
    assert found["notes"] == []
    assert found["revision"] is None
    assert picture(found["image"]) == jpeg(model.synthesize(ids)[0])


def test_examples_are_what_their_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "scripts" / "draw_layouts.py"))["all_layouts"]()
    assert sorted(drawn) == sorted(name.replace(" ", "-") for name in EXAMPLES)
    assert sorted(drawn) == sorted(file.stem for file in EXAMPLES_FOLDER.iterdir())
    for name, ids in drawn.items():
        reading = read_layout(EXAMPLES_FOLDER / f"{name}.png", ClassSet.streets())
        assert np.array_equal(reading.ids, ids)
        assert not reading.notes


def test_windows_and_doors_are_walls_for_a_network_that_knows_neither() -> None:
    streets, camvid = small_model(ClassSet.streets()), small_model(ClassSet.camvid())
    seen = set[int]()
    for ids, plain in zip(
        [*examples(streets), street(streets, 0)], [*examples(camvid), street(camvid, 0)], strict=True
    ):
        assert np.array_equal(np.where(np.isin(ids, (WINDOW, DOOR)), BUILDING, ids), plain)
        seen |= set(np.unique(ids).tolist())
    assert seen == set(range(13))


@pytest.mark.parametrize(("missing", "streets"), [("door", True), ("building", False), ("bicyclist", False)])
def test_networks_without_a_class_of_the_streets(missing: str, streets: bool) -> None:
    whole = ClassSet.streets()
    names = [name for name in whole.names if name != missing]
    parts = {part: of for part, of in whole.part_of.items() if {part, of} <= set(names)}
    colors = [whole.colors[whole.names.index(name)] for name in names]
    network = small_model(ClassSet(names, colors, part_of=parts))
    assert has_streets(network) == streets
    assert len(examples(network)) == len(thumbnails(network)) == (len(EXAMPLES) if streets else 0)


def test_surprise(actions: Actions, model: CRN) -> None:
    seeds = set()
    for _ in range(3):
        found = result(actions.surprise(""))
        assert found["notes"] == []
        (seed,) = re.findall(r"^street (\d+)$", found["what"])
        assert np.array_equal(painted(found), street(model, int(seed)))
        seeds.add(seed)
    assert len(seeds) > 1


def test_upload(actions: Actions, model: CRN, tmp_path: Path) -> None:
    file = tmp_path / "my street.png"
    model.classes.to_image(IDS).save(file)
    found = result(actions.upload(str(file), False, "", ""))
    assert np.array_equal(painted(found), IDS)
    assert found["what"] == "my street.png"
    assert found["notes"] == []
    assert picture(found["image"]) == jpeg(model.synthesize(IDS)[0])


def test_upload_with_chosen_classes(actions: Actions, model: CRN, tmp_path: Path) -> None:
    ids = np.arange(19, dtype=np.uint8).repeat(4)[None].repeat(8, axis=0)
    Image.fromarray(ids).save(tmp_path / "street.png")
    with pytest.raises(gr.Error, match="outside this set of 11 classes"):
        actions.upload(str(tmp_path / "street.png"), False, "", "")
    found = result(actions.upload(str(tmp_path / "street.png"), False, "cityscapes", ""))
    assert np.array_equal(painted(found), ClassSet.cityscapes().translation_to(model.classes)[ids])
    assert "translated by name" in found["notes"][-1]


def test_upload_snaps_if_asked_to(actions: Actions, model: CRN, tmp_path: Path) -> None:
    Image.fromarray(model.classes.to_colors(IDS) ^ 1).save(tmp_path / "street.png")
    with pytest.raises(gr.Error, match="no class has the colour"):
        actions.upload(str(tmp_path / "street.png"), False, "", "")
    found = result(actions.upload(str(tmp_path / "street.png"), True, "", ""))
    assert np.array_equal(painted(found), IDS)
    assert "snapping took" in found["notes"][0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"sky above, road below", "notes.txt: not a picture"),
        ("a&b.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "a&amp;b.png: not a"),
        ("long.png", Image.new("L", (8193, 1)), "long.png: 8193 x 1 pixels; on this page a layout may have 4,194,304"),
        ("large.png", Image.new("1", (4096, 4096)), "large.png: 4096 x 4096 pixels are more than the 4,194,304"),
    ],
)
def test_bad_files_are_refused(
    actions: Actions, tmp_path: Path, name: str, content: bytes | Image.Image, message: str
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        content.save(tmp_path / name)
    with pytest.raises(gr.Error) as failure:
        actions.upload(str(tmp_path / name), False, "", "")
    assert message in failure.value.message
    assert str(tmp_path) not in failure.value.message


# -- the choice of model -----------------------------------------------------------------------------


@pytest.fixture
def city(tmp_path: Path) -> str:
    small_model(ClassSet.cityscapes(), num_images=3).save_pretrained(tmp_path / "city")
    return str(tmp_path / "city")


def test_a_painting_comes_along_to_another_model(actions: Actions, model: CRN, city: str) -> None:
    actions.load_model(f" {city}\n")
    painter, name, facts, thumbnails, *only_streets = actions.change_model(f" {city} ", Painting(IDS), "")
    found = result(painter)
    to_city = model.classes.translation_to(ClassSet.cityscapes())
    assert np.array_equal(painted(found), to_city[IDS])
    assert found["what"] == "your layout"
    assert found["model"]["name"] == name == city
    assert found["model"]["num_images"] == 3
    assert "19 classes" in facts.value
    assert len(thumbnails.value) == len(EXAMPLES)
    assert all(part.visible for part in only_streets)
    found = result(actions.generate(Painting(to_city[IDS]), city))
    assert picture(found["image"]) == jpeg(actions.models.get(city).synthesize(to_city[IDS])[0])


def test_without_a_painting_another_model_opens_as_a_page_does(actions: Actions, city: str) -> None:
    assert actions.reopen(gr.EventData(None, {"model": city})) == city
    found = result(actions.change_model(city, None, "")[0])
    assert np.array_equal(painted(found), opening(actions.models.get(city))[0])
    assert found["what"] == EXAMPLES[0]


def test_a_model_without_streets(actions: Actions, tmp_path: Path) -> None:
    name = str(tmp_path / "field")
    small_model(ClassSet(["<i>meadow</i>", "sky"], [(0, 200, 0), (0, 0, 200)])).save_pretrained(name)
    actions.load_model(name)
    painter, _, _, thumbnails, *only_streets = actions.change_model(name, None, "")
    assert (painted(result(painter)) == UNLABELLED).all()
    assert result(painter)["what"] == "an empty layout"
    assert thumbnails.value == []
    assert not any(part.visible for part in only_streets)


def test_a_painting_of_other_classes_does_not_come_along(actions: Actions) -> None:
    with pytest.raises(gr.Error, match=r"id 77 \(16 pixels\)"):
        actions.change_model("", Painting(np.full((4, 4), 77, np.uint8)), "")


@pytest.mark.parametrize("folders", [True, False])
def test_the_model_in_the_box_can_be_asked_for(model: CRN, folders: bool) -> None:
    actions = Actions(Models(model, folders), set())
    actions.load_model("box")
    assert actions.models.classes_of("box") == CRN.from_pretrained().classes
    with pytest.raises(gr.Error, match="chest"):
        actions.load_model("./chest")


def test_a_model_that_has_not_been_loaded_is_not_shown(actions: Actions) -> None:
    with pytest.raises(gr.Error, match="org/unknown: others have loaded models in the meantime"):
        actions.change_model("org/unknown", Painting(IDS), "")


def test_names_without_a_model_are_refused(actions: Actions, tmp_path: Path) -> None:
    with pytest.raises(gr.Error, match="the folder holds no config"):
        actions.load_model(str(tmp_path))
    with pytest.raises(gr.Error, match="the folder holds no config"):
        actions.reopen(gr.EventData(None, {"model": str(tmp_path)}))
    others = Actions(Models(actions.models.first, folders=False), set())
    with pytest.raises(gr.Error, match="is not the id of a Hub repo"):
        others.load_model(str(tmp_path))


# -- the endpoint ------------------------------------------------------------------------------------


def test_synthesize(actions: Actions, model: CRN, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(IDS).save(file, "PNG")
    (tmp_path / "layout.png").write_bytes(file.getvalue())
    found = actions.synthesize(str(tmp_path / "layout.png"), False)
    for photograph, expected in zip(found, model.synthesize(IDS), strict=True):
        assert np.array_equal(np.array(photograph), np.array(expected))
    one = Actions(Models(small_model(model.classes), folders=False), set())
    assert isinstance(one.synthesize(str(tmp_path / "layout.png"), False), Image.Image)


def test_synthesize_refuses(actions: Actions, tmp_path: Path) -> None:
    with pytest.raises(gr.Error, match="a layout file is needed"):
        actions.synthesize(None, False)
    Image.new("RGB", (64, 32), (255, 0, 1)).save(tmp_path / "red.png")
    with pytest.raises(gr.Error, match=r"red.png: no class has the colour"):
        actions.synthesize(str(tmp_path / "red.png"), False)
