"""Light and colours on the page, with a model that has styles: without a browser, and in a real Chromium."""

import base64
import io
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import ExifTags, Image, ImageOps
from playwright.sync_api import Page, expect
from support import ROOT
from support.browsing import PAINTER, Open, frame, jpeg, photograph, plane, revision, served, settled, styled_model
from support.documents import blocks

from crn_hub import CRN, ClassSet
from crn_hub.classes import UNLABELLED
from crn_hub.demo.actions import SEGMENTED, Actions
from crn_hub.demo.models import Models
from crn_hub.demo.painter import LabelPainter, model_facts
from crn_hub.demo.painting import Painting, pack_style
from crn_hub.demo.photographs import cut, has_seed, has_styles, small, swatches
from crn_hub.demo.starting_layouts import FIRST, opening, palette_order
from crn_hub.pictures import resize_picture
from crn_hub.segmentation import segment
from crn_hub.styles import Style, StyleMix

STREETS = ClassSet.streets()
SKY, BUILDING, ROAD, CAR, TREE = (STREETS.names.index(name) for name in ("sky", "building", "road", "car", "tree"))


@pytest.fixture(scope="module")
def model() -> CRN:
    return styled_model()


@pytest.fixture(scope="module")
def address(model: CRN) -> Iterator[str]:
    with served(model) as address:
        yield address


@pytest.fixture
def actions(model: CRN) -> Actions:
    return Actions(Models(model, folders=False), set())


@pytest.fixture(scope="module")
def ids(model: CRN) -> np.ndarray:
    return opening(model)[0]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of no street; what counts is that it arrives."""
    file = tmp_path_factory.mktemp("picture") / "my street.jpg"
    levels = np.random.default_rng(0).integers(0, 256, (6, 12, 3), np.uint8)
    Image.fromarray(levels).resize((320, 160), Image.Resampling.BICUBIC).save(file)
    return file


def result(painter: LabelPainter) -> dict[str, Any]:
    return painter.props["result"]


def shown(url: str) -> bytes:
    return base64.b64decode(url.split(",")[1])


def expected(model: CRN, ids: np.ndarray, choice: Any = 0, by_hand: Any = 0, colors: Any = (), seed: int = 0) -> bytes:
    """The page's photograph of a layout, by `StyleMix`."""
    choice, by_hand = (np.zeros_like(ids) + np.asarray(plane).astype(np.uint8) for plane in (choice, by_hand))
    return jpeg(model.synthesize(ids, style=StyleMix(model.styles, choice, by_hand, colors), seed=seed)[0])


# -- without a browser -------------------------------------------------------------------------------


def test_a_painting_says_light_colours_and_details(actions: Actions, model: CRN, ids: np.ndarray) -> None:
    choice, by_hand, colors = (ids == ROAD) * np.uint8(2), (ids == CAR) * np.uint8(1), ((255, 0, 0),)
    found = result(actions.generate(Painting(ids, choice, by_hand, colors, 77), ""))
    assert shown(found["image"]) == expected(model, ids, choice, by_hand, colors, 77)
    assert found["strip"] == []
    plain = result(actions.generate(Painting(ids), ""))
    assert shown(plain["image"]) == jpeg(model.synthesize(ids)[0])  # as without any of it
    own = Style.from_photograph(np.full((*ids.shape, 3), 90, np.uint8), ids)
    with_own = result(actions.generate(Painting(ids, np.full_like(ids, 3), styles=(own,)), ""))
    assert shown(with_own["image"]) == jpeg(model.synthesize(ids, style=own)[0])
    missing = result(actions.generate(Painting(ids, np.full_like(ids, 3), revision=4), ""))
    assert "choice has 3; there are only 0..2" in missing["error"]


def test_what_the_page_knows_of_a_model_with_styles(model: CRN) -> None:
    facts = model_facts("", model)
    assert facts["styles"] == ["noon", "dusk", "rust"]
    assert facts["has_seed"]
    assert len(facts["swatches"]) == len(STREETS) + 1
    assert facts["swatches"][CAR] == sorted(facts["swatches"][CAR], key=sum)
    assert [40, 50, 90] in facts["swatches"][CAR]
    assert len({tuple(color) for color in swatches(model)[SKY]}) == 6
    assert [STREETS.names[index] for index in facts["order"][:8]] == [*FIRST]
    assert sorted(facts["order"]) == [*range(len(STREETS))]
    assert palette_order(ClassSet.cityscapes()) == [*range(19)]
    plain = CRN(STREETS, (4, 4, 4))
    assert (has_styles(plain), has_seed(plain)) == (False, False)
    assert model_facts("", plain)["styles"] == []
    assert has_seed(CRN(STREETS, (4, 4, 4), noise_planes=True))


def test_small_photographs_are_kept_and_dropped(actions: Actions, model: CRN, ids: np.ndarray) -> None:
    def preview(style: int, revision: int, visit: str = "one") -> dict[str, Any]:
        data = {"painting": Painting(ids).to_text(), "style": style, "revision": revision}
        request = SimpleNamespace(session_hash=visit)
        return actions.preview("", gr.EventData(None, data), request).props["preview"]  # type: ignore[arg-type]

    found = preview(1, 0)
    assert (found["style"], found["revision"]) == (1, 0)
    assert shown(found["image"]) == jpeg(small(model.synthesize(ids, style=1)[0]))
    request = SimpleNamespace(session_hash="one")
    actions.generate(Painting(ids, revision=5), "", request)  # type: ignore[arg-type]
    assert preview(2, 4)["image"] == ""  # its visitor is further on
    assert preview(2, 4, "another")["image"]
    assert preview(2, 4)["image"]  # it is there now
    assert preview(1, 9)["image"] == found["image"]
    assert preview(99, 9)["image"] == ""


def test_a_stroke_does_not_wait_for_small_photographs(
    actions: Actions, model: CRN, ids: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    synthesize, running = model.synthesize, threading.Event()

    def slowly(layout: np.ndarray, **options: Any) -> Any:
        order.append("own" if layout[0, 0] == CAR else "small")
        running.set()
        time.sleep(0.1)
        return synthesize(layout, **options)

    monkeypatch.setattr(model, "synthesize", slowly)
    text, mine = Painting(ids).to_text(), np.full_like(ids, CAR)
    threads = [
        threading.Thread(
            target=actions.preview, args=("", gr.EventData(None, {"painting": text, "style": style, "revision": 0}))
        )
        for style in range(3)
    ]
    for thread in threads:
        thread.start()
    assert running.wait(10)
    actions.generate(Painting(mine), "")
    assert order[1] == "own"
    for thread in threads:
        thread.join(10)
    assert order == ["small", "own", "small", "small"]


def test_a_photograph_becomes_a_layout_in_its_own_colours(actions: Actions, model: CRN, picture: Path) -> None:
    found = result(actions.open_photograph(str(picture), ""))
    original = cut(picture, model.size)
    painting = Painting.from_text(found["painting"])
    assert np.array_equal(painting.ids, segment(original, STREETS))
    assert painting.choice is not None
    assert (painting.choice == len(model.styles)).all()
    (style,) = painting.styles
    assert style.name == "my street"
    assert shown(found["image"]) == jpeg(model.synthesize(painting.ids, style=style)[0])
    assert shown(found["original"]) == jpeg(original)
    assert found["what"] == "my street.jpg"
    assert found["notes"] == [SEGMENTED]


def test_photographs_of_a_phone(actions: Actions, model: CRN, tmp_path: Path) -> None:
    """Larger than a layout may be, on their side by EXIF, and of another shape."""
    levels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    tall = tmp_path / "tall.jpg"
    Image.fromarray(levels).resize((4000, 3000), Image.Resampling.BICUBIC).save(tall, exif=exif)
    found = result(actions.open_photograph(str(tall), ""))
    assert Painting.from_text(found["painting"]).ids.shape == model.size
    assert found["notes"] == [
        SEGMENTED,
        "38% of the photograph is used, its middle: as much as the model's shape has room for.",
    ]
    with Image.open(actions.segment(str(tall))) as layout:
        assert layout.size == (3000, 4000)
    with Image.open(tall) as picture:
        upright = ImageOps.exif_transpose(picture)
    smaller = upright.resize((1254, 1672), Image.Resampling.BOX)
    alike = segment(smaller, STREETS) == segment(upright, STREETS)[::2, ::2][:1672, :1254]  # a little shifted
    assert alike.mean() > 0.5
    Image.new("L", (8001, 8000)).save(tmp_path / "huge.png")
    with pytest.raises(gr.Error, match="8001 x 8000 pixels; on this page a photograph may have 64,000,000"):
        actions.open_photograph(str(tmp_path / "huge.png"), "")
    Image.new("1", (8, 8)).save(tmp_path / "bits.png")
    with pytest.raises(gr.Error, match=r"bits.png: a picture of mode 1 with 8 x 8 pixels cannot be used"):
        actions.open_photograph(str(tmp_path / "bits.png"), "")
    with pytest.raises(gr.Error, match=r"4000 x 3000 pixels .* A photograph is for “Open a photograph”\.'"):
        actions.upload(str(tall), False, "", "")


@pytest.mark.parametrize("part", ["~vAAAA", "~v", "~d0", "~dzz", "~s1~s2"])
def test_a_damaged_painting_is_a_failure_that_the_page_hears_of(actions: Actions, ids: np.ndarray, part: str) -> None:
    painting = LabelPainter().preprocess(f"7 {Painting(ids).to_text()}{part}")
    found = result(actions.generate(painting, ""))
    assert found["revision"] == 7
    assert found["error"].startswith("painting: ")
    for act in (lambda: actions.take_colors("x.png", painting, ""), lambda: actions.change_model("", painting, "")):
        with pytest.raises(gr.Error, match="painting: "):
            act()


def test_the_colours_of_a_photograph_become_a_style(
    actions: Actions, ids: np.ndarray, picture: Path, tmp_path: Path
) -> None:
    for painting in (None, Painting(ids)):
        found = result(actions.take_colors(str(picture), painting, ""))
        pixels = np.array(resize_picture(Image.open(picture), (64, 128)))
        assert found["style"] == pack_style(Style.from_photograph(pixels, ids, name="my street"))
    Image.new("RGB", (64, 64)).save(tmp_path / "square.png")
    with pytest.raises(gr.Error, match=r"square.png: 64 x 64 pixels, the layout 128 x 64; cut it to the same shape"):
        actions.take_colors(str(tmp_path / "square.png"), Painting(ids), "")
    (tmp_path / "none.jpg").write_bytes(b"none")
    for act in (lambda file: actions.take_colors(file, None, ""), lambda file: actions.open_photograph(file, "")):
        with pytest.raises(gr.Error, match=r"^'none.jpg: not readable as a photograph.'"):
            act(str(tmp_path / "none.jpg"))
    plain = Actions(Models(CRN(STREETS, (4, 4, 4, 4)), folders=False), set())
    with pytest.raises(gr.Error, match="takes no colours of regions"):
        plain.take_colors(str(picture), None, "")
    assert "style" not in result(plain.open_photograph(str(picture), ""))


# -- in the browser ----------------------------------------------------------------------------------


def strip(tab: Page) -> list[bytes]:
    """The pictures of the strip, when all are those of the layout."""
    tab.wait_for_function("!document.querySelector('.lp-old') && document.querySelector('.lp-output')")
    return [shown(image.get_attribute("src") or "") for image in tab.locator(".lp-output img").all()]


def point_of(tab: Page, where: np.ndarray) -> tuple[float, float]:
    """On the photograph, a pixel where it is true."""
    y, x = np.argwhere(where)[len(np.argwhere(where)) // 2]
    box = tab.locator(".lp-photograph").bounding_box()
    assert box
    return box["x"] + (x + 0.5) * box["width"] / where.shape[1], box["y"] + (y + 0.5) * box["height"] / where.shape[0]


def give(tab: Page, button: str, file: Path) -> None:
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name=button).click()
    chooser.value.set_files(file)


def next_one(tab: Page, before: int) -> None:
    settled(tab, before + 1)
    frame(tab)


def test_a_strip_of_styles(visit: Open, address: str, model: CRN, ids: np.ndarray) -> None:
    tab = visit(address)
    assert strip(tab) == [photograph(tab), *(jpeg(small(model.synthesize(ids, style=s)[0])) for s in (1, 2))]
    expect(tab.locator(".lp-output")).to_have_text(["noon", "dusk", "rust"])
    tab.get_by_role("button", name="dusk").click()
    next_one(tab, 0)
    assert photograph(tab) == expected(model, ids, 1)
    expect(tab.get_by_role("button", name="dusk")).to_have_attribute("aria-pressed", "true")

    tab.get_by_role("button", name="one class").click()
    tab.keyboard.press("5")  # road
    tab.keyboard.press("Shift+Digit3")
    next_one(tab, 1)
    assert photograph(tab) == expected(model, ids, np.where(ids == ROAD, 2, 1))
    tab.get_by_role("button", name="one region").click()
    tab.get_by_role("button", name="noon").click()
    tab.mouse.click(*point_of(tab, ids == SKY))
    next_one(tab, 2)
    assert (plane(tab, "choice")[ids == SKY] == 0).all()
    assert photograph(tab) == expected(model, ids, plane(tab, "choice"))
    for _ in range(3):
        before = revision(tab)
        tab.keyboard.press("z")
        next_one(tab, before)
    assert photograph(tab) == expected(model, ids)


def test_colours_by_hand(visit: Open, address: str, model: CRN, ids: np.ndarray) -> None:
    tab = visit(address)
    tab.keyboard.press("8")
    expect(tab.locator(".lp-colors .lp-label")).to_have_text("Colour of car")
    own = tab.get_by_role("button", name="as the style has it")
    expect(own).to_have_attribute("aria-pressed", "true")
    swatch = tab.locator(".lp-color").first
    color = bytes.fromhex(swatch.get_attribute("data-color") or "")
    swatch.click()
    next_one(tab, 0)
    assert photograph(tab) == expected(model, ids, 0, ids == CAR, [tuple(color)])
    expect(swatch).to_have_attribute("aria-pressed", "true")

    picker = tab.get_by_label("Any other colour")
    picker.fill("#12ab56")
    next_one(tab, 1)
    green = [(0x12, 0xAB, 0x56)]
    assert photograph(tab) == expected(model, ids, 0, ids == CAR, green)
    tab.get_by_role("button", name="dusk").click()  # another light leaves the car green
    next_one(tab, 2)
    assert photograph(tab) == expected(model, ids, 1, ids == CAR, green)

    tab.get_by_role("button", name="one region").click()
    expect(tab.locator(".lp-colors .lp-label")).to_have_text("A region's colour")
    picker.fill("#000000")
    tab.mouse.click(*point_of(tab, ids == SKY))
    next_one(tab, 3)
    by_hand = np.where(ids == CAR, 1, 2 * (ids == SKY))
    assert photograph(tab) == expected(model, ids, 1, by_hand, [*green, (0, 0, 0)])
    link = tab.evaluate(f"{PAINTER}.exchange.asText()")
    assert link.endswith("~c12ab56000000~d01000100")
    own.click()
    tab.mouse.click(*point_of(tab, ids == SKY))
    next_one(tab, 4)
    assert photograph(tab) == expected(model, ids, 1, ids == CAR, green)

    tab.get_by_role("button", name="the whole picture").click()
    own.click()
    next_one(tab, 5)
    assert photograph(tab) == expected(model, ids, 1)
    tab.keyboard.press("z")
    next_one(tab, 6)
    assert photograph(tab) == expected(model, ids, 1, ids == CAR, green)
    with tab.expect_download() as download:
        tab.locator("[data-save=photograph]").click()
    saved = np.array(Image.open(download.value.path()))
    mix = StyleMix(model.styles, np.full_like(ids, 1), (ids == CAR).astype(np.uint8), green)
    assert np.array_equal(saved, np.array(model.synthesize(ids, style=mix)[0]))


def test_details(visit: Open, address: str, model: CRN, ids: np.ndarray) -> None:
    tab = visit(address)
    number = tab.get_by_label("Number of the details")
    expect(number).to_have_value("0")
    number.fill("417")
    number.press("Enter")
    next_one(tab, 0)
    assert photograph(tab) == expected(model, ids, seed=417)
    tab.get_by_role("button", name="Shuffle").click()
    next_one(tab, 1)
    seed = int(number.input_value())
    assert 1 <= seed <= 999_999
    assert photograph(tab) == expected(model, ids, seed=seed)
    tab.locator(".lp-overlay").focus()
    tab.keyboard.press("n")
    next_one(tab, 2)
    for left in (seed, 417, 0):
        before = revision(tab)
        tab.keyboard.press("z")
        next_one(tab, before)
        expect(number).to_have_value(str(left))
    for wrong in ("1000000", "1.5", "-1", ""):
        number.fill(wrong)
        number.press("Enter")
        expect(tab.locator(".lp-status")).to_have_text("The number of the details must be a whole one, 0 to 999,999.")
        expect(number).to_have_value("0")
        tab.evaluate(f"{PAINTER}.say('')")


def test_light_and_colours_are_in_links_and_survive_a_reload(
    visit: Open, address: str, model: CRN, ids: np.ndarray, picture: Path
) -> None:
    tab = visit(address)
    plain = tab.evaluate(f"{PAINTER}.exchange.asText()")
    assert plain.count(".") == 1  # no larger than without any of it
    assert "~" not in plain
    give(tab, "Colours of a photograph", picture)
    next_one(tab, 0)
    expect(tab.locator(".lp-output")).to_have_count(4)
    tab.get_by_role("button", name="one class").click()
    tab.keyboard.press("5")
    tab.locator(".lp-color").last.click()
    next_one(tab, 1)
    tab.keyboard.press("n")
    next_one(tab, 2)
    before = photograph(tab)
    text = tab.evaluate(f"{PAINTER}.exchange.asText()")
    painting = Painting.from_text(text)
    assert (painting.choice == 3).all()  # type: ignore[union-attr]
    assert np.array_equal(painting.by_hand == 1, ids == ROAD)
    assert painting.styles[0].name == "my street"
    mix = StyleMix((*model.styles, *painting.styles), painting.choice, painting.by_hand, painting.colors)
    assert before == jpeg(model.synthesize(ids, style=mix, seed=painting.seed)[0])

    tab.wait_for_function("text => Object.values(sessionStorage).some((kept) => kept.includes(text))", arg=text)
    tab.reload()
    settled(tab, 1)
    assert photograph(tab) == before
    expect(tab.locator(".lp-output")).to_have_count(4)
    assert len(strip(tab)) == 4

    other = visit(f"{address}/#layout={text}")
    assert photograph(other) == before
    before_undo = revision(other)
    other.keyboard.press("z")  # the link is a step, and so is the style that it brings
    next_one(other, before_undo)
    expect(other.locator(".lp-output")).to_have_count(3)


def test_from_a_photograph(visit: Open, address: str, model: CRN, picture: Path) -> None:
    tab = visit(address)
    expect(tab.locator(".lp-original")).to_be_hidden()
    give(tab, "Open a photograph", picture)
    next_one(tab, 0)
    original = cut(picture, model.size)
    ids = segment(original, STREETS)
    assert np.array_equal(plane(tab), ids)
    style = Style.from_photograph(original, ids)
    assert photograph(tab) == jpeg(model.synthesize(ids, style=style)[0])
    expect(tab.locator(".lp-notes")).to_contain_text("correct it with the tools")
    expect(tab.get_by_role("button", name="Colours of my street")).to_have_attribute("aria-pressed", "true")

    expect(tab.locator(".lp-original")).to_be_visible()
    slider = tab.get_by_label("How much of the original is seen")
    slider.fill("25")
    assert tab.locator(".lp-original").evaluate("node => node.style.clipPath") == "inset(0px 75% 0px 0px)"
    url = tab.locator(".lp-original").evaluate("node => node.style.backgroundImage")
    assert base64.b64decode(url.split(",")[1].rstrip('")')) == jpeg(original)
    tab.get_by_label("Underlay").select_option("picture")  # to trace it

    tab.get_by_role("button", name="dusk").click()
    next_one(tab, 1)
    assert photograph(tab) == expected(model, ids, 1)
    tab.locator(".thumbnail-item").nth(2).click()
    next_one(tab, 2)
    expect(tab.locator(".lp-original")).to_be_hidden()
    expect(tab.locator(".lp-output")).to_have_count(4)  # the photograph's style stays for the visit
    tab.get_by_role("button", name="Colours of my street").click()
    next_one(tab, 3)
    assert photograph(tab) == jpeg(model.synthesize(plane(tab), style=style)[0])


def test_the_original_belongs_to_its_layout(visit: Open, address: str, picture: Path) -> None:
    tab = visit(address)
    give(tab, "Open a photograph", picture)
    next_one(tab, 0)
    original, notes = tab.locator(".lp-original"), tab.locator(".lp-notes")
    tab.keyboard.press("z")
    next_one(tab, 1)
    expect(original).to_be_hidden()
    expect(notes).to_be_empty()
    tab.keyboard.press("y")
    next_one(tab, 2)
    expect(original).to_be_visible()
    expect(notes).to_contain_text("correct it with the tools")
    tab.get_by_label("Size of the layout").select_option("256x128")
    next_one(tab, 3)
    expect(original).to_be_visible()
    text = tab.evaluate(f"{PAINTER}.exchange.asText()")
    tab.wait_for_function("text => Object.values(sessionStorage).some((kept) => kept.includes(text))", arg=text)
    tab.reload()
    settled(tab, 1)
    expect(original).to_be_visible()
    expect(notes).to_contain_text("correct it with the tools")
    tab.evaluate(f"{PAINTER}.resize('90x90')")  # no longer of its shape
    next_one(tab, 1)
    expect(original).to_be_hidden()
    tab.keyboard.press("z")
    next_one(tab, 2)
    expect(original).to_be_visible()
    link = Painting(np.zeros((64, 128), np.uint8)).to_text()
    tab.evaluate("text => { location.hash = 'layout=' + text; }", link)
    next_one(tab, 3)
    expect(original).to_be_hidden()
    expect(notes).to_be_empty()
    expect(tab.locator(".lp-output")).to_have_count(4)  # the photograph's style stays for the visit


def test_the_slider_changes_nothing_but_the_view(visit: Open, address: str, picture: Path) -> None:
    tab = visit(address)
    give(tab, "Open a photograph", picture)
    next_one(tab, 0)
    tab.get_by_role("button", name="one region").click()
    tab.locator(".lp-color").first.click()
    slider = tab.get_by_label("How much of the original is seen")
    box = slider.bounding_box()
    assert box
    x, y = box["x"], box["y"] + box["height"] / 2
    tab.mouse.move(x + box["width"] / 2, y)
    tab.mouse.down()
    tab.mouse.move(x + 0.8 * box["width"], y, steps=4)
    tab.mouse.up()
    frame(tab)
    assert int(slider.input_value()) > 70
    assert revision(tab) == 1


def test_colours_of_what_is_not_there_yet(visit: Open, address: str, model: CRN, ids: np.ndarray) -> None:
    """A colour for a class is a step, and kept, before anything of the class is painted; one for a region is not that
    of the class."""
    tab = visit(address)
    assert not (ids == TREE).any()
    tab.evaluate(f"{PAINTER}.useClass({TREE})")
    swatch = tab.locator(".lp-color").first
    swatch.click()
    next_one(tab, 0)
    expect(swatch).to_have_attribute("aria-pressed", "true")
    tab.get_by_role("button", name="one region").click()
    tab.locator(".lp-color").last.click()
    tab.mouse.click(*point_of(tab, ids == SKY))
    next_one(tab, 1)
    text = tab.evaluate(f"{PAINTER}.exchange.asText()")
    assert len(Painting.from_text(text).colors) == 2
    tab.wait_for_function("text => Object.values(sessionStorage).some((kept) => kept.includes(text))", arg=text)
    tab.reload()
    settled(tab, 1)
    for other in (tab, visit(f"{address}/#layout={text}")):
        before = revision(other)
        other.evaluate(
            f"([sky, tree]) => {PAINTER}.change((layout) => {{"
            "layout.rectangle({ x0: 0, y0: 30, x1: 8, y1: 40 }, sky);"
            "layout.rectangle({ x0: 20, y0: 30, x1: 28, y1: 40 }, tree); })",
            [SKY, TREE],
        )
        next_one(other, before)
        hand = plane(other, "hand")
        assert (hand[30:40, 0:8] == 0).all()
        assert (hand[30:40, 20:28] == hand[30, 20]).all()
        assert hand[30, 20] > 0
        assert hand[ids == SKY].max() > 0
    tab.get_by_role("button", name="the whole picture").click()
    for _ in range(2):
        before = revision(tab)
        tab.get_by_role("button", name="dusk").click()
        next_one(tab, before)
        tab.keyboard.press("z")
        next_one(tab, before + 1)


def test_the_chosen_style_is_the_one_that_shows(
    visit: Open, address: str, model: CRN, ids: np.ndarray, picture: Path
) -> None:
    tab = visit(address)
    strip(tab)
    pressed = tab.locator(".lp-output[aria-pressed=true]")
    tab.get_by_role("button", name="one region").click()
    tab.get_by_role("button", name="dusk").click()
    tab.get_by_role("button", name="the whole picture").click()
    expect(pressed).to_have_text("noon")  # nothing was clicked in the photograph
    tab.get_by_role("button", name="one class").click()
    tab.get_by_role("button", name="dusk").click()  # for the sky
    next_one(tab, 0)
    tab.get_by_role("button", name="the whole picture").click()
    expect(pressed).to_have_count(0)

    strip(tab)
    give(tab, "Colours of a photograph", picture)
    tab.wait_for_function("document.querySelectorAll('.lp-output').length === 4")
    assert all(image.get_attribute("src") for image in tab.locator(".lp-output img").all()[:3])  # not blank
    next_one(tab, 1)
    tab.keyboard.press("v")  # Live off
    tab.get_by_role("button", name="dusk").click()
    next_one(tab, 2)
    assert photograph(tab) == expected(model, ids, 1)
    tab.keyboard.press("z")
    next_one(tab, 3)
    expect(pressed).to_have_text("my street")


@pytest.mark.parametrize("part", ["~vAAAA", "~v.", "~v" + 9 * ".x", "~s1~s2", "~c" + 256 * "00ff00", "~d000203"])
def test_a_forged_link_is_refused_and_leaves_nothing(visit: Open, address: str, ids: np.ndarray, part: str) -> None:
    tab = visit(f"{address}/#layout={Painting(ids).to_text()}{part}")
    expect(tab.locator(".lp-notes")).to_contain_text("The layout of this link can't be shown.")
    expect(tab.locator(".lp-output")).to_have_count(3)
    tab.keyboard.press("n")
    next_one(tab, 0)
    assert part[1:] not in tab.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")


def test_small_photographs_wait_until_nobody_paints(
    visit: Open, address: str, model: CRN, ids: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = visit(address)
    strip(tab)
    made: list[int] = []
    monkeypatch.setattr(
        "crn_hub.demo.actions.small_photograph_of",
        lambda network, painting, style: made.append(style) or Image.new("RGB", (8, 4)),
    )
    box = tab.locator(".lp-canvas").bounding_box()
    assert box
    for step in range(6):  # strokes one after the other, with less than 400 ms between them
        tab.keyboard.press(str(1 + step))
        tab.mouse.move(box["x"] + 40 + 60 * step, box["y"] + 60)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 40 + 60 * step, box["y"] + 160, steps=4)
        tab.mouse.up()
        tab.wait_for_timeout(150)
    settled(tab, 6)
    assert made == []
    tab.mouse.move(box["x"] + 200, box["y"] + 200)
    tab.mouse.down()  # a stroke that lasts
    tab.wait_for_timeout(900)
    assert made == []
    tab.mouse.move(box["x"] + 260, box["y"] + 210, steps=4)
    tab.mouse.up()
    tab.wait_for_function("!document.querySelector('.lp-old')")
    assert made == [1, 2]  # the first is the photograph itself


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_accessible(visit: Open, address: str, picture: Path, scheme: Any, phone: bool) -> None:
    options: dict[str, Any] = {"has_touch": True, "is_mobile": True} if phone else {}
    size = (390, 844) if phone else (1440, 900)
    tab = visit(address, *size, color_scheme=scheme, **options)
    give(tab, "Open a photograph", picture)
    next_one(tab, 0)
    tab.get_by_role("button", name="one class").click()
    tab.locator(".lp-color").first.click()
    next_one(tab, 1)
    strip(tab)
    found = Axe().run(tab, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_on_a_phone_styles_are_chosen_with_a_finger(visit: Open, address: str, model: CRN, ids: np.ndarray) -> None:
    tab = visit(address, 390, 844, has_touch=True, is_mobile=True)
    tab.get_by_role("button", name="rust").tap()
    next_one(tab, 0)
    assert photograph(tab) == expected(model, ids, 2)
    tab.locator(".lp-color").first.scroll_into_view_if_needed()
    box = tab.locator(".lp-color").first.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 40
    tab.locator(".lp-color").first.tap()
    next_one(tab, 1)
    assert (plane(tab, "hand")[ids == SKY] == 1).all()


# -- by the API client -------------------------------------------------------------------------------


def test_styles_seed_and_segment_for_programs(
    address: str, model: CRN, ids: np.ndarray, picture: Path, tmp_path: Path
) -> None:
    client = Client(address, verbose=False, download_files=tmp_path / "downloads", analytics_enabled=False)
    assert client.predict(api_name="/styles") == ["noon", "dusk", "rust"]
    STREETS.to_image(ids).save(tmp_path / "layout.png")
    layout = handle_file(tmp_path / "layout.png")
    for style, number in ((" dusk ", 1), ("2", 2), ("", 0)):
        found = client.predict(layout, style=style, seed=7, api_name="/synthesize")
        assert np.array_equal(np.array(Image.open(found)), np.array(model.synthesize(ids, style=number, seed=7)[0]))
    for options, message in (
        ({"style": "dawn"}, "this model has no style 'dawn'"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number, 0 or more, not 1.5"),
        ({"seed": "7"}, "seed must be a whole number, 0 or more, not '7'"),
        ({"seed": True}, "seed must be a whole number, 0 or more, not True"),
    ):
        with pytest.raises(AppError, match=message):
            client.predict(layout, api_name="/synthesize", **options)
    found = client.predict(handle_file(picture), api_name="/segment")
    with Image.open(found) as image:
        assert image.mode == "P"
        assert np.array_equal(np.array(image), segment(picture, STREETS))
        assert image.getpalette()[: 3 * len(STREETS)] == [level for color in STREETS.colors for level in color]
    with pytest.raises(AppError, match="a photograph file is needed"):
        client.predict(None, api_name="/segment")
    file = io.BytesIO()
    STREETS.to_image(np.full((8, 8), UNLABELLED, np.uint8)).save(file, "PNG")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(AppError, match=r"text.png: not readable as a photograph"):
        client.predict(handle_file(tmp_path / "text.png"), api_name="/segment")


def test_the_examples_for_programs(address: str, model: CRN, ids: np.ndarray, picture: Path, tmp_path: Path) -> None:
    document = ROOT / "docs" / "programs.md"
    ids_file, photograph_file = tmp_path / "street.png", tmp_path / "photograph.jpg"
    STREETS.to_image(ids).save(ids_file)
    shutil.copy(picture, photograph_file)
    expected = np.array(model.synthesize(ids, style=1, seed=7)[0])
    for language, program in (("python", [sys.executable, "-c"]), ("sh", ["sh", "-ec"])):
        (block,) = blocks(document, language)
        code = block.replace("http://127.0.0.1:7860", address)
        assert code != block
        done = subprocess.run([*program, code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        if language == "python":
            *_, styles, files = done.stdout.splitlines()
            assert styles == "['noon', 'dusk', 'rust']"
            result, layout = files.split()
            assert np.array_equal(np.array(Image.open(layout)), segment(picture, STREETS))
        else:
            result = str(tmp_path / "result.png")
        assert np.array_equal(np.array(Image.open(result)), expected)
