"""The demo on a real server on loopback: the page in a real Chromium, the endpoint by the API client.

The model is a small random one; what counts is that its photographs, whatever they look like, arrive. What one does
with the painter itself is tested in test_painter.py.
"""

import re
import runpy
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect
from support import ROOT
from support.browsing import (
    PAINTER,
    Open,
    frame,
    jpeg,
    photograph,
    plane,
    revision,
    running_app,
    served,
    settled,
    small_model,
)

from crn_hub import CRN, ClassSet
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED
from crn_hub.demo.models import KEPT, Models
from crn_hub.demo.page import MAX_BODY_SIZE, MAX_FILE_SIZE
from crn_hub.demo.painting import Painting
from crn_hub.demo.starting_layouts import EXAMPLES, EXAMPLES_FOLDER
from crn_hub.scenes import street_scene
from crn_hub.synthesis import resize_ids


@pytest.fixture(scope="module")
def model() -> CRN:
    return small_model(ClassSet.camvid())


@pytest.fixture(scope="module")
def address(model: CRN) -> Iterator[str]:
    with served(model) as address:
        yield address


@pytest.fixture(scope="module")
def api_client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"), analytics_enabled=False)


def example(name: str, model: CRN) -> np.ndarray:
    """The ids of an example in the model's size and classes."""
    image = Image.open(EXAMPLES_FOLDER / f"{name.replace(' ', '-')}.png")  # a palette image: its indices are ids
    ids = np.array(image.resize(model.size[::-1], Image.Resampling.NEAREST))
    return ClassSet.streets().translation_to(model.classes)[ids]


def shows(tab: Page, model: CRN, ids: np.ndarray) -> bool:
    """Whether the page has this layout and shows the photograph of it."""
    settled(tab)
    return np.array_equal(plane(tab), ids) and photograph(tab) == jpeg(model.synthesize(ids)[0])


def after(tab: Page, act: Callable[[], object]) -> None:
    """Does something that brings another layout, and waits for its photograph."""
    before = revision(tab)
    act()
    settled(tab, before + 1)


def open_file(tab: Page, file: Path) -> None:
    # By the button: the input alone doesn't notice the same file again.
    with tab.expect_file_chooser() as chooser:
        tab.get_by_text("Open a layout", exact=True).click()
    chooser.value.set_files(file)


def random_ids(model: CRN, size: tuple[int, int]) -> np.ndarray:
    """Every class and unlabelled, in blocks of 8 x 8 pixels."""
    values = [*range(len(model.classes)), 255]
    coarse = np.random.default_rng(3).choice(values, (size[0] // 8, size[1] // 8)).astype(np.uint8)
    coarse.flat[: len(values)] = values
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def shuffled_palette(model: CRN, ids: np.ndarray) -> Image.Image:
    """A palette image in class colours whose indices are not the ids."""
    order = np.random.default_rng(4).permutation(256)  # id -> index
    palette = np.empty((256, 3), np.uint8)
    palette[order] = model.classes.palette
    image = Image.fromarray(order.astype(np.uint8)[ids])
    image.putpalette(palette.tobytes())
    return image


# -- the page in the browser -------------------------------------------------------------------------


def test_opens_with_a_photograph(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    assert shows(tab, model, example(EXAMPLES[0], model))
    assert tab.get_by_role("heading", level=1).inner_text() == "Paint a street, get a photograph"
    assert tab.locator("#header a").get_attribute("href") == "https://arxiv.org/abs/1707.09405"
    expect(tab.locator(".lp-status")).to_have_text(f"{EXAMPLES[0]} · 128 × 64 pixels")
    expect(tab.locator("#facts")).to_contain_text("11 classes, 128 × 64 pixels")
    expect(tab.locator(".lp-strip")).to_be_hidden()  # one image: nothing to choose from
    expect(tab.locator("[data-tool=mix].lp-icon")).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 1024])
def test_layout_and_photograph_stand_side_by_side(visit: Open, address: str, width: int) -> None:
    tab = visit(address, width, 800)
    left, right = tab.locator(".lp-canvas").bounding_box(), tab.locator(".lp-photograph").bounding_box()
    assert left
    assert right
    assert left["x"] + left["width"] < right["x"]
    assert (left["y"], left["width"], left["height"]) == (right["y"], right["width"], right["height"])
    assert left["width"] == pytest.approx(2 * left["height"], abs=1)
    assert right["y"] + right["height"] < 800  # both are seen at once
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_accessible(visit: Open, tmp_path: Path, scheme: str, phone: bool) -> None:
    model = small_model(ClassSet.cityscapes(), num_images=3)
    options = {"has_touch": True, "is_mobile": True} if phone else {}
    with served(model) as address:
        tab = visit(address, *((390, 844) if phone else (1440, 900)), color_scheme=scheme, **options)
        results = Axe().run(tab, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert "color-contrast" in {rule["id"] for rule in results.response["passes"]}
        assert results.violations_count == 0, results.generate_report()
        tab.get_by_role("button", name="Keys").click()
        results = Axe().run(tab, context=".lp-keys")
        assert results.violations_count == 0, results.generate_report()


def test_focus_is_seen(visit: Open, address: str) -> None:
    tab = visit(address)
    tab.locator("#header a").focus()
    seen = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        seen.append(
            tab.evaluate(
                """() => {
                    const e = document.activeElement;
                    const marked = [e, e.parentElement].some((n) => parseFloat(getComputedStyle(n).outlineWidth) >= 2
                        && getComputedStyle(n).outlineStyle !== 'none');
                    const what = e.dataset.do ?? e.dataset.save ?? e.name ?? '';
                    return e.closest('.lp') ? [e.tagName, what, marked] : null;
                }"""
            )
        )
    inside = [stop for stop in seen if stop]
    assert [stop for stop in inside if not stop[2]] == []
    reached = {stop[1] for stop in inside}
    assert {"brush", "clear", "keys", "lp-class", "photograph", "link"} <= reached
    assert "CANVAS" in {stop[0] for stop in inside}


def test_surprise(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    seeds = set()
    for _ in range(2):
        after(tab, tab.get_by_text("Surprise me").click)
        found = re.match(r"street (\d+) ", tab.locator(".lp-status").inner_text())
        assert found
        seeds.add(int(found[1]))
        ids = ClassSet.streets().translation_to(model.classes)[street_scene(int(found[1]))[0]]
        assert shows(tab, model, resize_ids(ids, model.size))
        expect(tab.locator(".lp-notes li")).to_have_count(0)
    assert len(seeds) == 2


def test_every_starting_layout(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    thumbnails = tab.locator("#examples .thumbnail-item")
    expect(thumbnails).to_have_text(list(EXAMPLES))
    for index in range(len(EXAMPLES) - 1, -1, -1):
        after(tab, thumbnails.nth(index).click)
        assert shows(tab, model, example(EXAMPLES[index], model))
        expect(tab.locator(".lp-status")).to_contain_text(f"{EXAMPLES[index]} · ")
        expect(tab.locator(".lp-notes li")).to_have_count(0)
    tab.keyboard.press("z")
    settled(tab, len(EXAMPLES) + 1)
    assert shows(tab, model, example(EXAMPLES[1], model))


def test_quick_clicks_end_on_the_last(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    for index in (3, 5, 2):
        tab.locator("#examples .thumbnail-item").nth(index).click()
    expect(tab.locator(".lp-status")).to_contain_text(EXAMPLES[2])
    assert shows(tab, model, example(EXAMPLES[2], model))


def test_open_a_file_and_save(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    ids = random_ids(model, (96, 160))  # not the model's size
    file = tmp_path / "my <b>street & (1).png"
    shuffled_palette(model, ids).save(file)
    tab = visit(address)
    after(tab, lambda: open_file(tab, file))
    assert shows(tab, model, ids)
    expect(tab.locator(".lp-status")).to_contain_text(re.compile(r"my .*street & \(1\)\.png · 160 × 96 pixels"))
    with tab.expect_download() as download:
        tab.locator("[data-save=photograph]").click()
    assert download.value.suggested_filename == "photograph.png"
    assert np.array_equal(np.array(Image.open(download.value.path())), np.array(model.synthesize(ids)[0]))
    names = []
    tab.on("download", lambda download: names.append(download.suggested_filename))
    for kind in ("ids", "colours", "photograph"):  # quickly, one after the other
        tab.locator(f"[data-save={kind}]").click()
    for _ in range(50):
        if len(names) == 3:
            break
        tab.wait_for_timeout(100)
    assert sorted(names) == ["layout-colours.png", "layout-ids.png", "photograph.png"]


def test_colours_of_another_set_come_with_a_report(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    cityscapes = ClassSet.cityscapes()
    ids = random_ids(small_model(cityscapes), (64, 128))
    Image.fromarray(cityscapes.to_colors(ids)).save(tmp_path / "aachen.png")
    tab = visit(address)
    after(tab, lambda: open_file(tab, tmp_path / "aachen.png"))
    assert shows(tab, model, cityscapes.translation_to(model.classes)[ids])
    report = tab.locator(".lp-notes li")
    expect(report).to_have_count(2)
    expect(report.first).to_contain_text("unlabelled: (0, 0, 0)")
    expect(report.last).to_contain_text(
        "read with the classes of cityscapes and translated by name: sidewalk as pavement"
    )
    tab.locator("#examples .thumbnail-item").nth(1).click()
    expect(report).to_have_count(0)


def test_the_classes_of_a_file_can_be_chosen(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    cityscapes = ClassSet.cityscapes()
    ids = random_ids(small_model(cityscapes), (64, 128))
    Image.fromarray(ids).save(tmp_path / "street.png")  # numbers alone, which could mean anything
    tab = visit(address)
    open_file(tab, tmp_path / "street.png")
    expect(tab.locator(".toast-body")).to_contain_text("outside this set of 11 classes")
    tab.get_by_label("The file's classes").click()
    tab.get_by_role("option", name="Its classes: cityscapes", exact=True).click()
    after(tab, lambda: open_file(tab, tmp_path / "street.png"))
    assert shows(tab, model, cityscapes.translation_to(model.classes)[ids])


def test_colours_snap_when_the_box_is_ticked(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    ids = np.array([[0, 3], [1, 5]], np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    colors = model.classes.to_colors(ids)
    colors[:8] += 2
    Image.fromarray(colors).save(tmp_path / "street.png")
    tab = visit(address)
    open_file(tab, tmp_path / "street.png")
    expect(tab.locator(".toast-body")).to_contain_text(
        "snapping (--snap, or its box on the page) takes each as the nearest class colour"
    )
    tab.get_by_label("Snap its colours").check()
    after(tab, lambda: open_file(tab, tmp_path / "street.png"))
    assert shows(tab, model, ids)
    expect(tab.locator(".lp-notes li")).to_contain_text("snapping took")
    client = Client(address, verbose=False, download_files=tmp_path, analytics_enabled=False)
    result = client.predict(handle_file(tmp_path / "street.png"), True, api_name="/synthesize")
    assert np.array_equal(np.array(Image.open(result)), np.array(model.synthesize(ids)[0]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "red & blue.png",
            Image.new("RGB", (64, 32), (255, 0, 1)),
            "no class has the colour of 2,048 pixels (100.0%): (255, 0, 1)",
        ),
        ("long.png", Image.new("L", (8193, 1)), "8193 x 1 pixels; on this page a layout may have 4,194,304"),
        ("notes.txt", b"sky above, road below", "not a picture"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "not a"),
        ("large.png", b"\0" * (MAX_FILE_SIZE + 1), "exceed the maximum allowed size"),
    ],
)
def test_bad_file_gives_a_message(
    visit: Open, address: str, model: CRN, tmp_path: Path, name: str, content: Image.Image | bytes, message: str
) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        content.save(file)
    tab = visit(address)
    open_file(tab, file)
    toast = tab.locator(".toast-body")
    expect(toast).to_be_visible()
    expect(toast).to_contain_text(name)
    expect(toast).to_contain_text(message)
    assert str(tmp_path) not in toast.inner_text()
    assert shows(tab, model, example(EXAMPLES[0], model))  # what was there is still there


def test_several_images_and_other_classes(visit: Open, tmp_path: Path) -> None:
    model = small_model(ClassSet.cityscapes(), num_images=3)
    camvid = ClassSet.camvid()
    into = {"tree": "vegetation", "pavement": "sidewalk", "pedestrian": "person", "bicyclist": "rider"}
    into |= {"sign symbol": "traffic sign"}
    table = np.array([model.classes.names.index(into.get(name, name)) for name in camvid.names], np.uint8)
    ids = table[example(EXAMPLES[0], small_model(camvid))]
    with served(model) as address:
        tab = visit(address)
        assert shows(tab, model, ids)
        expect(tab.locator(".lp-output")).to_have_count(3)
        model.classes.to_image(ids).save(tmp_path / "layout.png")
        client = Client(address, verbose=False, download_files=tmp_path, analytics_enabled=False)
        results = client.predict(handle_file(tmp_path / "layout.png"), api_name="/synthesize")
        for result, photograph in zip(results, model.synthesize(ids), strict=True):
            assert np.array_equal(np.array(Image.open(result)), np.array(photograph))


def test_classes_without_streets(visit: Open) -> None:
    model = small_model(ClassSet(["<i>grass</i> & clover", "sea"], [(0, 200, 0), (0, 0, 200)]))
    with served(model) as address:
        tab = visit(address)
        assert tab.locator(".lp-chip span:nth-of-type(2)").all_inner_texts() == [
            "<i>grass</i> & clover",
            "sea",
            "unlabelled",
        ]
        assert shows(tab, model, np.full(model.size, UNLABELLED, np.uint8))
        expect(tab.get_by_text("Surprise me")).to_have_count(0)
        expect(tab.locator("#examples")).to_have_count(0)


# -- the choice of model -----------------------------------------------------------------------------


def load_model(tab: Page, name: str) -> None:
    tab.get_by_label("Model", exact=True).fill(name)
    tab.get_by_role("button", name="Load the model").click()


def test_another_model_takes_the_painting_along(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    city = small_model(ClassSet.cityscapes(), num_images=2)
    city.save_pretrained(tmp_path / "city")
    field = small_model(ClassSet(["meadow", "sky"], [(0, 200, 0), (0, 0, 200)]))
    field.save_pretrained(tmp_path / "field")
    tab = visit(address)
    after(tab, lambda: load_model(tab, str(tmp_path / "city")))
    table = model.classes.translation_to(city.classes)
    ids = table[example(EXAMPLES[0], model)]
    assert shows(tab, city, ids)
    expect(tab.locator(".lp-output")).to_have_count(2)
    expect(tab.locator(".lp-chip")).to_have_count(20)
    expect(tab.locator("#facts")).to_contain_text("19 classes")
    tab.get_by_label("Live").uncheck()  # painted, but not sent
    tab.keyboard.press("r")
    tab.keyboard.press("4")
    tab.locator(".lp-overlay").click(position={"x": 20, "y": 20})
    expect(tab.locator(".lp-photograph")).to_have_attribute("data-state", "stale")
    painted = plane(tab)
    assert not np.array_equal(painted, ids)
    after(tab, lambda: load_model(tab, str(tmp_path / "field")))
    assert shows(tab, field, city.classes.translation_to(field.classes)[painted])
    expect(tab.get_by_text("Surprise me")).to_be_hidden()
    expect(tab.locator("#examples")).to_be_hidden()
    after(tab, lambda: load_model(tab, ""))  # this page's own again
    expect(tab.locator("#examples .thumbnail-item")).to_have_count(len(EXAMPLES))
    after(tab, tab.locator("#examples .thumbnail-item").nth(2).click)
    assert shows(tab, model, example(EXAMPLES[2], model))


def test_model_and_layout_survive_a_reload(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    city = small_model(ClassSet.cityscapes(), num_images=2)
    city.save_pretrained(tmp_path / "city")
    tab = visit(address)
    after(tab, lambda: load_model(tab, str(tmp_path / "city")))
    tab.get_by_role("button", name="Output 2").click()
    tab.keyboard.press("r")
    tab.keyboard.press("0")
    tab.locator(".lp-overlay").click(position={"x": 20, "y": 20})
    settled(tab, 3)
    painted = plane(tab)
    tab.wait_for_function(f"() => JSON.parse(sessionStorage[{PAINTER}.memory.storageKey]).painting.includes('.')")
    frame(tab)
    tab.reload()
    expect(tab.locator(".lp-chip")).to_have_count(20)
    tab.wait_for_function("document.querySelector('.lp').painter.history.canUndo === false")
    settled(tab, 2)
    assert np.array_equal(plane(tab), painted)
    assert photograph(tab) == jpeg(city.synthesize(painted)[1])
    expect(tab.get_by_label("Model", exact=True)).to_have_value(str(tmp_path / "city"))
    shutil.rmtree(tmp_path / "city")
    for number in range(KEPT):  # the server forgets it
        model.save_pretrained(tmp_path / f"{number}")
        after(tab, lambda number=number: load_model(tab, str(tmp_path / f"{number}")))
    tab.evaluate("name => sessionStorage.setItem('crn_hub/model', name)", str(tmp_path / "city"))
    tab.reload()
    expect(tab.locator(".toast-body")).to_contain_text("city")  # it is gone; the page's own model still works
    tab.keyboard.press("4")
    tab.locator(".lp-overlay").click(position={"x": 20, "y": 20})
    settled(tab, 1)
    ids = plane(tab)
    tab.reload()
    settled(tab, 1)
    assert shows(tab, model, ids)


def test_a_model_that_comes_in_the_middle_of_a_stroke(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    field = small_model(ClassSet(["meadow", "sky"], [(0, 200, 0), (0, 0, 200)]))
    field.save_pretrained(tmp_path / "field")
    tab = visit(address)
    box = tab.locator(".lp-overlay").bounding_box()
    assert box
    tab.keyboard.press("9")
    tab.get_by_label("Model", exact=True).fill(str(tmp_path / "field"))
    tab.get_by_label("Model", exact=True).press("Enter")
    tab.mouse.move(box["x"] + 50, box["y"] + 50)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 150, box["y"] + 90, steps=4)
    expect(tab.locator(".lp-chip")).to_have_count(3)
    tab.mouse.move(box["x"] + 250, box["y"] + 90, steps=4)
    tab.mouse.up()
    settled(tab, 1)
    expected = model.classes.translation_to(field.classes)[example(EXAMPLES[0], model)]
    opening = np.full(field.size, UNLABELLED, np.uint8)  # nothing had been painted yet
    assert any(shows(tab, field, ids) for ids in (expected, opening))


def test_a_name_without_a_model_changes_nothing(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    tab = visit(address)
    load_model(tab, str(tmp_path))
    expect(tab.locator(".toast-body")).to_contain_text("the folder holds no config.json")
    after(tab, tab.locator("#examples .thumbnail-item").nth(1).click)
    assert shows(tab, model, example(EXAMPLES[1], model))


def test_two_visitors_have_models_of_their_own(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    city = small_model(ClassSet.cityscapes())
    city.save_pretrained(tmp_path / "city")
    one, other = visit(address), visit(address)
    after(one, lambda: load_model(one, str(tmp_path / "city")))
    after(other, other.locator("#examples .thumbnail-item").nth(3).click)
    assert shows(other, model, example(EXAMPLES[3], model))
    after(one, one.locator("#examples .thumbnail-item").nth(3).click)
    assert shows(one, city, model.classes.translation_to(city.classes)[example(EXAMPLES[3], model)])


def test_servers_for_others_read_no_folders(model: CRN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.save_pretrained(tmp_path / "org" / "name")
    monkeypatch.chdir(tmp_path)
    models = Models(model, folders=False)
    assert models.get("") is model
    for name in (str(tmp_path / "org" / "name"), "../org/name", "/etc/passwd", "a//b", "https://example.org/x"):
        with pytest.raises(ValueError, match="is not the id of a Hub repo"):
            models.load(name)
    with pytest.raises(ValueError, match="give the id of a model on the Hub"):
        models.load("org/name")
    Models(model, folders=True).load(str(tmp_path / "org" / "name"))  # which a server of one's own may


def test_only_the_last_models_stay_in_memory(model: CRN, tmp_path: Path) -> None:
    models = Models(model, folders=True)
    names = [str(tmp_path / f"model-{number}") for number in range(KEPT + 1)]
    for name in names:
        model.save_pretrained(name)
    models.load(names[0])
    first = models.get(names[0])
    models.load(names[0])
    assert models.get(names[0]) is first
    for name in names[1:]:
        models.load(name)
    with pytest.raises(ValueError, match="model-0: others have loaded models in the meantime; load this one again"):
        models.get(names[0])
    models.load(names[0])
    assert models.get(names[0]) is not first


def test_too_large_models_are_refused(model: CRN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.save_pretrained(tmp_path / "model")
    monkeypatch.setattr("crn_hub.demo.models.MAX_PARAMETERS", model.num_parameters)
    Models(model, folders=True).load(str(tmp_path / "model"))
    monkeypatch.setattr("crn_hub.demo.models.MAX_PARAMETERS", model.num_parameters - 1)
    with pytest.raises(ValueError, match=rf"{model.num_parameters:,} parameters are more than the"):
        Models(model, folders=True).load(str(tmp_path / "model"))
    monkeypatch.undo()
    for options, message in (
        ({"num_images": 17}, "17 images per layout; this page shows 16 at most"),
        ({"base_size": (4, 1024)}, "16384 x 64 pixels; on this page"),
    ):
        CRN(model.classes, widths=(1,) * 5, **options).save_pretrained(tmp_path / "model")
        with pytest.raises(ValueError, match=message):
            Models(model, folders=True).load(str(tmp_path / "model"))


# -- by the API client -------------------------------------------------------------------------------


def test_public_endpoints(api_client: Client) -> None:
    named = api_client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(named) == ["/segment", "/styles", "/synthesize"]


@pytest.mark.parametrize("kind", ["ids", "palette", "colours"])
def test_synthesize(api_client: Client, model: CRN, tmp_path: Path, kind: str) -> None:
    ids = random_ids(model, (96, 160))
    images = {
        "ids": Image.fromarray(ids),
        "palette": shuffled_palette(model, ids),
        "colours": Image.fromarray(model.classes.to_colors(ids)),
    }
    images[kind].save(tmp_path / "layout.png")
    result = api_client.predict(handle_file(tmp_path / "layout.png"), api_name="/synthesize")
    with Image.open(result) as photograph:
        assert photograph.format == "PNG"
        assert np.array_equal(np.array(photograph), np.array(model.synthesize(ids)[0]))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("L", (64, 32), 40), "layout.png: id 40 (2,048 pixels): outside this set of 11 classes"),
        (Image.new("1", (4096, 4096)), "layout.png: 4096 x 4096 pixels are more than the 4,194,304 allowed"),
        (Image.new("1", (20_000, 10_000)), "layout.png: more pixels than the 4,194,304 allowed (Image size (2"),
    ],
    ids=["other ids", "too many pixels", "far too many pixels"],
)
def test_synthesize_refuses(api_client: Client, tmp_path: Path, image: Image.Image, message: str) -> None:
    image.save(tmp_path / "layout.png")
    with pytest.raises(AppError, match=re.escape(message)):
        api_client.predict(handle_file(tmp_path / "layout.png"), api_name="/synthesize")


def test_synthesize_needs_a_file(api_client: Client) -> None:
    with pytest.raises(AppError, match="a layout file is needed"):
        api_client.predict(None, api_name="/synthesize")


def test_unexpected_failure_gives_a_message(
    api_client: Client, model: CRN, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(model, "synthesize", fail)
    with pytest.raises(AppError, match="something failed in the server"):
        api_client.predict(handle_file(EXAMPLES_FOLDER / "avenue.png"), api_name="/synthesize")
    assert "secret of the house" in caplog.text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a painting is needed."),
        ("0 hello", "painting: not of the form"),
        (f"0 {Painting(np.full((64, 128), 77, np.uint8)).to_text()}", "id 77 (8,192 pixels): outside this set"),
        (f"0 {Painting(np.zeros((64, 128), np.uint8), np.ones((64, 128), np.uint8)).to_text()}", "choices are 0..0"),
        (f"0 90000x90000.{Painting(np.zeros((9, 9), np.uint8)).to_text().split('.')[1]}", "90000 x 90000 pixels; on"),
    ],
)
def test_forged_paintings_are_refused(address: str, value: str | None, message: str) -> None:
    functions = httpx.get(f"{address}/config").json()["dependencies"]
    (number,) = [one["id"] for one in functions if one["targets"] and one["targets"][0][1] == "generate"]
    body = {"data": [value, ""], "fn_index": number, "session_hash": "forger"}
    assert httpx.post(f"{address}/gradio_api/queue/join", json=body).status_code == 200
    with httpx.stream("GET", f"{address}/gradio_api/queue/data", params={"session_hash": "forger"}) as stream:
        answer = next(line for line in stream.iter_lines() if "process_completed" in line)
    assert message in answer


def test_too_large_requests_are_refused(address: str) -> None:
    upload = {"files": ("layout.png", b"\0" * (MAX_FILE_SIZE + 1))}
    assert httpx.post(f"{address}/gradio_api/upload", files=upload).status_code == 413
    body = {"data": ["x" * MAX_BODY_SIZE], "fn_index": 0, "session_hash": "test"}
    assert httpx.post(f"{address}/gradio_api/queue/join", json=body).status_code == 413
    small = httpx.post(f"{address}/gradio_api/queue/join", json={**body, "data": ["x", ""]})
    assert small.status_code != 413


# -- app.py ------------------------------------------------------------------------------------------

# Python imports this at startup: it simulates a machine without internet, and records every name that is looked up.
NO_INTERNET = """
import socket, sys
print("there is no internet here", file=sys.stderr, flush=True)

def getaddrinfo(host, *args, resolve=socket.getaddrinfo, **options):
    if host not in ("127.0.0.1", "localhost"):
        print("looked up:", host, file=sys.stderr, flush=True)
        raise socket.gaierror(socket.EAI_NONAME, "no internet")
    return resolve(host, *args, **options)

socket.getaddrinfo = getaddrinfo
"""


def test_app_without_a_model_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CRN_MODEL", str(tmp_path))
    assert runpy.run_path(str(ROOT / "app.py"))["main"]() == 1
    last = capsys.readouterr().err.splitlines()[-1]  # lines before it may come from servers of other tests
    assert last.startswith(f"app.py: {tmp_path}: the folder holds no config.json")


@pytest.mark.skipif(not MODEL_IN_THE_BOX.is_dir(), reason=f"the model in the box is not there yet: {MODEL_IN_THE_BOX}")
def test_app_serves_the_model_in_the_box_without_internet(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_INTERNET)
    with running_app(tmp_path, {"PYTHONPATH": str(tmp_path)}) as address:
        config = httpx.get(f"{address}/config")
        assert config.status_code == 200
        assert config.json()["title"] == "Cascaded Refinement Networks"
        time.sleep(1)  # look-ups would come from a thread
        said = (tmp_path / "errors").read_text()
        assert "there is no internet here" in said
        assert "looked up" not in said
