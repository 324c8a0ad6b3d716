"""What surrounds the painter's tools, in a real Chromium: photographs, outputs, files, links, reloads, classes.

The tools themselves are tested in test_painter_tools.py.
"""

import base64
import io
import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from support.browsing import PAINTER, Open, frame, jpeg, photograph, plane, revision, served, settled, small_model
from support.painting_hand import (
    CAR,
    PAVEMENT,
    ROAD,
    Hand,
    Seen,
    is_stroke,
    region_of,
)

from crn_hub import ClassSet
from crn_hub.classes import UNLABELLED
from crn_hub.demo.painting import Painting
from crn_hub.pictures import compose

# -- live, Generate, failures ------------------------------------------------------------------------


def test_live_ends_on_the_last_of_many_strokes(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    tab, original = hand.tab, hand.seen.original

    def slowly(*arguments: Any, **options: Any) -> list[Image.Image]:
        pause.wait(0.3)
        return original(*arguments, **options)

    pause = threading.Event()
    monkeypatch.setattr(hand.seen, "original", slowly)
    asked = len(hand.seen.ids)
    tab.evaluate(f"{PAINTER}.setSize(5)")
    for step in range(12):
        tab.keyboard.press(str(1 + step % 5))
        hand.drag((5 + 9 * step, 8), (5 + 9 * step, 55))
    settled(tab, 12)
    monkeypatch.undo()
    assert revision(tab) == 12
    assert 2 <= len(hand.seen.ids) - asked < 12  # some were skipped, the last was not
    hand.ids()


def test_without_live_photographs_come_on_demand(hand: Hand) -> None:
    tab = hand.tab
    tab.get_by_label("Live").uncheck()
    before, asked = photograph(tab), len(hand.seen.ids)
    tab.keyboard.press("4")
    hand.drag((10, 10), (100, 50))
    expect(tab.locator(".lp-photograph")).to_have_attribute("data-state", "stale")
    tab.wait_for_timeout(300)
    assert len(hand.seen.ids) == asked
    assert photograph(tab) == before
    tab.get_by_role("button", name="Generate").click()
    hand.ids()
    hand.drag((20, 60), (100, 20))
    tab.keyboard.press("Enter")
    hand.ids()
    hand.drag((20, 10), (100, 30))
    tab.keyboard.press("v")  # live again: what is missing comes at once
    hand.ids()


def test_times_are_those_of_the_network_and_of_everything(hand: Hand) -> None:
    hand.tab.keyboard.press("4")
    hand.click((64, 32))
    hand.ids()
    text = hand.tab.locator(".lp-status").inner_text()
    parts = text.split(" · ")
    assert parts[0] == "128 × 64 pixels"
    network, total = (int(part.split()[1]) for part in parts[1:])
    assert 0 < network < total


def test_the_total_begins_where_the_photograph_is_asked_for(hand: Hand) -> None:
    tab = hand.tab
    tab.get_by_label("Live").uncheck()
    tab.keyboard.press("4")
    hand.click((64, 32))
    tab.wait_for_timeout(1500)
    for _ in range(2):
        before = tab.locator(".lp").get_attribute("data-total")
        tab.get_by_role("button", name="Generate").click()
        expect(tab.locator(".lp")).not_to_have_attribute("data-total", before or "")
        assert 0 < float(tab.locator(".lp").get_attribute("data-total") or 0) < 1500


def test_a_failure_is_reported_and_the_painting_stays(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[Image.Image]:
        raise RuntimeError("secret of the house")

    tab = hand.tab
    before = photograph(tab)
    with monkeypatch.context() as patch:
        patch.setattr(hand.seen, "original", fail)
        tab.keyboard.press("4")
        hand.drag((10, 10), (100, 50))
        expect(tab.locator(".lp-status")).to_contain_text("something failed in the server")
        expect(tab.locator(".lp-photograph")).to_have_attribute("data-state", "stale")
    painted = plane(tab)
    assert (painted == ROAD).any()
    assert photograph(tab) == before
    tab.keyboard.press("Enter")
    assert np.array_equal(hand.ids(), painted)


# -- outputs -----------------------------------------------------------------------------------------


def test_outputs_are_chosen_mixed_and_saved(hand: Hand) -> None:
    tab = hand.tab
    ids = hand.ids()
    outputs = hand.seen.original(ids)
    thumbnails = tab.locator(".lp-output img")
    expect(thumbnails).to_have_count(3)
    for thumbnail, output in zip(thumbnails.all(), outputs, strict=True):
        src = thumbnail.get_attribute("src") or ""
        assert base64.b64decode(src.split(",")[1]) == jpeg(output.resize((128, 64)))
    steps = itertools.count(1)

    def choice() -> np.ndarray:
        settled(tab, next(steps))
        hand.ids()  # also compares the photograph with the outputs as chosen
        return plane(tab, "choice")

    tab.get_by_role("button", name="Output 3").click()  # the whole picture
    assert (choice() == 2).all()
    expect(tab.get_by_role("button", name="Output 3")).to_have_attribute("aria-pressed", "true")

    tab.get_by_role("button", name="one class").click()
    tab.keyboard.press("4")
    tab.get_by_role("button", name="Output 2").click()  # the class chosen below the layout
    assert np.array_equal(choice(), np.where(ids == ROAD, 1, 2))

    y, x = np.argwhere(ids == PAVEMENT)[0]
    pane = tab.locator(".lp-photograph").bounding_box()
    assert pane
    tab.mouse.click(pane["x"] + (x + 0.5) * pane["width"] / 128, pane["y"] + (y + 0.5) * pane["height"] / 64)
    assert np.array_equal(choice(), np.where((ids == ROAD) | (ids == PAVEMENT), 1, 2))

    tab.keyboard.press("x")
    tab.keyboard.press("Shift+Digit1")
    tab.keyboard.press("m")
    y, x = np.argwhere(ids == CAR)[0]
    region = region_of(ids, int(x), int(y))
    assert not np.array_equal(region, ids == CAR)  # there are other cars
    hand.click((x + 0.5, y + 0.5))
    mixed = choice()
    assert np.array_equal(mixed, np.where(region, 0, np.where((ids == ROAD) | (ids == PAVEMENT), 1, 2)))

    with tab.expect_download() as download:
        tab.locator("[data-save=photograph]").click()
    assert np.array_equal(np.array(Image.open(download.value.path())), np.array(compose(outputs, mixed)))

    tab.keyboard.press("b")  # what is painted now comes from where its class does
    hand.drag((64, 5), (100, 5))
    after = choice()
    assert (after[plane(tab) != ids] == 1).all()
    for _ in range(2):
        tab.keyboard.press("z")
        now = choice()
    assert np.array_equal(now, np.where((ids == ROAD) | (ids == PAVEMENT), 1, 2))

    tab.get_by_role("button", name="Output 3").click()
    tab.get_by_role("button", name="the whole picture").click()
    for _ in range(2):
        tab.keyboard.press("z")  # from the class road, from the class pavement
        choice()
    expect(tab.get_by_role("button", name="Output 3")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("z")
    assert (choice() == 0).all()
    expect(tab.get_by_role("button", name="Output 1")).to_have_attribute("aria-pressed", "true")

    tab.get_by_role("button", name="Output 2").click()
    choice()
    tab.get_by_label("Live").uncheck()
    tab.get_by_role("button", name="Output 3").click()  # is seen without Generate
    assert (choice() == 2).all()
    tab.keyboard.press("Delete")
    tab.get_by_role("button", name="Generate").click()
    assert (choice() == 2).all()  # the whole picture stays with that output
    tab.get_by_role("button", name="one region").click()
    tab.wait_for_function("Object.values(sessionStorage).some((text) => text.includes('region'))")
    tab.reload()
    settled(tab, 1)
    expect(tab.get_by_role("button", name="one region")).to_have_attribute("aria-pressed", "true")
    assert (plane(tab, "choice") == 2).all()


# -- layouts in and out ------------------------------------------------------------------------------


def test_saved_layouts_are_the_painting(hand: Hand) -> None:
    tab = hand.tab
    tab.keyboard.press("4")
    hand.drag((10, 10), (100, 50))
    ids = hand.ids()
    tab.keyboard.press("e")
    hand.drag((10, 60), (100, 60))
    ids = hand.ids()
    classes = hand.seen.model.classes
    for key, name, kind, expected in (
        ("Alt+s", "layout-ids.png", "L", ids),
        ("Shift+s", "layout-colours.png", "RGB", classes.to_colors(ids)),
        ("s", "photograph.png", "RGB", np.array(hand.seen.original(ids)[0])),
    ):
        with tab.expect_download() as download:
            tab.keyboard.press(key)
        assert download.value.suggested_filename == name
        with Image.open(download.value.path()) as picture:
            assert picture.mode == kind
            assert np.array_equal(np.array(picture), expected)


def test_open_by_key_and_by_dropping(hand: Hand, tmp_path: Path) -> None:
    tab = hand.tab
    classes = hand.seen.model.classes
    first = np.arange(12, dtype=np.uint8).repeat(8 * 10).reshape(12, 80) % 11
    classes.to_image(first).save(tmp_path / "first.png")
    before = hand.ids()
    tab.locator(".lp-overlay").focus()
    with tab.expect_file_chooser() as chooser:
        frame(tab)  # otherwise Chromium may get the key before the order to report file choosers
        tab.keyboard.press("l")
    chooser.value.set_files(tmp_path / "first.png")
    settled(tab, 1)
    assert np.array_equal(hand.ids(), first)
    file = io.BytesIO()
    classes.to_image(first[::-1]).save(file, "PNG")
    tab.evaluate(
        """(content) => {
            const carrier = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            carrier.items.add(new File([bytes], "second.png", { type: "image/png" }));
            document.querySelector('.lp-overlay').dispatchEvent(
                new DragEvent("drop", { dataTransfer: carrier, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(file.getvalue()).decode(),
    )
    settled(tab, 2)
    assert np.array_equal(hand.ids(), first[::-1])
    expect(tab.locator(".lp-status")).to_contain_text("second.png · 80 × 12 pixels")
    for state in (first, before):  # steps like any other, sizes included
        number = revision(tab)
        tab.keyboard.press("z")
        settled(tab, number + 1)
        assert np.array_equal(hand.ids(), state)


def test_a_link_reproduces_the_layout(visit: Open, hand: Hand, painter_address: str) -> None:
    tab = hand.tab
    tab.keyboard.press("4")
    hand.drag((10, 10), (100, 50))
    tab.get_by_role("button", name="Output 2").click()
    ids = hand.ids()
    tab.get_by_role("button", name="Copy a link").click()
    expect(tab.locator(".lp-status")).to_contain_text("The link is")
    link = tab.evaluate("location.href")
    assert len(link) < 2000
    other = Hand(visit(link), hand.seen)
    settled(other.tab, 1)
    assert np.array_equal(other.ids(), ids)
    assert (plane(other.tab, "choice") == 1).all()
    assert other.tab.evaluate("location.href") == link
    other.tab.reload()
    settled(other.tab, 1)
    assert np.array_equal(other.ids(), ids)
    other.tab.locator("#examples .thumbnail-item").nth(1).click()
    settled(other.tab, 2)
    assert "#" not in other.tab.evaluate("location.href")
    other.tab.evaluate("link => { location.href = link; }", link)
    settled(other.tab, 3)
    other.tab.keyboard.press("Delete")
    settled(other.tab, 4)
    assert "#" not in other.tab.evaluate("location.href")  # it is another layout now


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ("128x64.AAAA", "Its pixels are damaged."),
        (Painting(np.zeros((64, 128), np.uint8)).to_text()[:-9], "Its pixels are damaged."),
        ("hello", "It is not a painting of this page."),
        ("100000x100000.AAAA", "It has more pixels than this page takes."),
        ("8193x1.AAAA", "It has more pixels than this page takes."),
        ("%3Cimg src=x onerror=alert(1)%3E.x", "It is not a painting of this page."),
        (Painting(np.full((64, 128), 77, np.uint8)).to_text(), "It is for a model of other classes."),
        (f"1x1.{Painting(np.zeros((2000, 2000), np.uint8)).to_text().split('.')[1]}", "Its pixels are damaged."),
    ],
)
def test_bad_links_are_reported_and_harm_nothing(
    visit: Open, painter_address: str, seen: Seen, fragment: str, message: str
) -> None:
    hand = Hand(visit(f"{painter_address}#layout={fragment}"), seen)
    expect(hand.tab.locator(".lp-status")).to_have_text(f"The layout of this link can't be shown. {message}")
    expect(hand.tab.locator("[data-do=undo]")).to_be_disabled()
    hand.tab.keyboard.press("4")
    hand.click((64, 32))
    settled(hand.tab, 1)
    hand.ids()


def test_a_link_of_other_classes_is_recognised_by_their_names(visit: Open, hand: Hand, painter_address: str) -> None:
    hand.tab.keyboard.press("k")
    expect(hand.tab.locator(".lp-status")).to_contain_text("The link is")
    fragment = hand.tab.evaluate("location.hash")
    names = [name.upper() for name in hand.seen.model.classes.names]
    with served(small_model(ClassSet(names, hand.seen.model.classes.colors))) as other:
        tab = visit(f"{other}/{fragment}")
        expect(tab.locator(".lp-notes")).to_contain_text("It is for a model of other classes.")
        # The same names, and the link is understood.
        tab = visit(f"{painter_address}/{fragment}")
        expect(tab.locator(".lp-notes li")).to_have_count(0)


def test_full_storage_brings_nothing_older_back(hand: Hand) -> None:
    tab = hand.tab
    tab.keyboard.press("4")
    hand.drag((10, 10), (100, 50))
    tab.wait_for_function("Object.values(localStorage).some((text) => text.includes('painting'))")
    first = hand.ids()
    full = "throw new DOMException('full', 'QuotaExceededError');"
    tab.evaluate(f"() => {{ Storage.prototype.setItem = () => {{ {full} }}; }}")
    hand.drag((20, 60), (110, 10))
    settled(tab, 2)
    tab.wait_for_function("!Object.values(localStorage).some((text) => text.includes('painting'))")
    tab.reload()
    settled(tab)
    assert revision(tab) == 0
    assert not np.array_equal(hand.ids(), first)


def test_tabs_keep_layouts_of_their_own(hand: Hand, painter_address: str) -> None:
    tab = hand.tab
    tab.keyboard.press("4")
    hand.drag((10, 10), (100, 50))
    first = hand.ids()
    tab.wait_for_function("Object.values(localStorage).some((text) => text.includes('painting'))")
    other = Hand(tab, hand.seen)
    other.tab = tab.context.new_page()
    other.tab.goto(painter_address)
    settled(other.tab, 1)
    assert np.array_equal(plane(other.tab), first)  # a new tab continues with what was painted last
    frame(other.tab)
    other.tab.keyboard.press("Delete")
    settled(other.tab, 2)
    tab.reload()
    settled(tab, 1)
    assert np.array_equal(plane(tab), first)


def test_layout_and_tools_survive_a_reload(hand: Hand) -> None:
    tab = hand.tab
    tab.keyboard.press("v")
    tab.keyboard.press("o")
    tab.keyboard.press("9")
    tab.keyboard.press("]")
    tab.keyboard.press("u")
    tab.keyboard.press("<")
    hand.drag((10, 10), (100, 50))
    ids = plane(tab)
    tab.wait_for_function("Object.values(localStorage).some((text) => text.includes('painting'))")
    tab.reload()
    settled(tab, 1)
    assert np.array_equal(hand.ids(), ids)
    expect(tab.locator(".lp-icon[data-tool=ellipse]")).to_have_attribute("aria-pressed", "true")
    expect(tab.get_by_role("radio", name="car")).to_be_checked()
    expect(tab.locator(".lp-options output")).to_have_text("25 px")
    expect(tab.get_by_label("Live")).not_to_be_checked()
    expect(tab.get_by_label("Underlay")).to_have_value("photograph")
    expect(tab.get_by_label("Opacity of the layout")).to_have_value("50")
    for broken in ("{", "null", '{"painting": "x", "tool": "saw", "size": "many", "classId": 99}'):
        tab.evaluate(
            "text => { for (const s of [sessionStorage, localStorage]) for (const k of Object.keys(s)) s[k] = text; }",
            broken,
        )
        tab.evaluate(f"{PAINTER}.memory.keep = () => {{}}")  # what it would write on leaving
        tab.reload()
        settled(tab)
        hand.ids()


def test_underlay_shows_through_by_its_opacity(hand: Hand, tmp_path: Path) -> None:
    tab = hand.tab
    hand.start_with(np.zeros((64, 128), np.uint8))  # sky, (128, 128, 128)
    asked = len(hand.seen.ids)
    Image.new("RGB", (30, 40), (250, 0, 0)).save(tmp_path / "red.png")

    def shown() -> np.ndarray:
        tab.wait_for_timeout(100)
        picture = Image.open(io.BytesIO(tab.locator(".lp-canvas").screenshot()))
        return np.asarray(picture.convert("RGB"))[160, 320].astype(int)

    assert np.abs(shown() - (128, 128, 128)).max() <= 2
    for name in ("red.png", "text.png", "red.png"):  # another picture can take its place
        (tmp_path / "text.png").write_text("no picture")
        with tab.expect_file_chooser() as chooser:
            tab.get_by_label("Underlay").select_option("load")
        chooser.value.set_files(tmp_path / name)
        expect(tab.get_by_label("Underlay")).to_have_value("picture")
        if name == "text.png":
            expect(tab.locator(".lp-status")).to_contain_text("text.png: not a picture that this browser can read.")
    assert tab.locator("[aria-label=Underlay] option").all_inner_texts() == [
        "nothing", "the photograph", "red.png", "a picture…",
    ]  # fmt: skip
    for opacity in (60, 0, 100):
        tab.get_by_label("Opacity of the layout").fill(str(opacity))
        expected = (opacity * np.array([128, 128, 128]) + (100 - opacity) * np.array([250, 0, 0])) / 100
        assert np.abs(shown() - expected).max() <= 3
    tab.get_by_label("Opacity of the layout").fill("0")
    tab.keyboard.press("Escape")
    tab.locator(".lp-overlay").focus()
    tab.keyboard.press("u")  # nothing beneath
    assert np.abs(shown() - (128, 128, 128)).max() <= 2
    tab.keyboard.press("u")  # the photograph
    left = tab.evaluate(
        """async () => {
            const image = document.querySelector('.lp-photograph img');
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            return [...context.getImageData(64, 32, 1, 1).data];
        }"""
    )
    assert np.abs(shown() - left[:3]).max() <= 12
    assert len(hand.seen.ids) == asked  # all of it in the browser


@pytest.mark.parametrize("size", [(600, 60), (60, 600), (90, 90)])
def test_layouts_of_any_shape_fit_the_screen(hand: Hand, size: tuple[int, int]) -> None:
    tab = hand.tab
    before = np.zeros(size, np.uint8)
    hand.start_with(before)
    layout, picture = tab.locator(".lp-canvas").bounding_box(), tab.locator(".lp-photograph").bounding_box()
    assert layout
    assert picture
    assert (layout["width"], layout["height"]) == (picture["width"], picture["height"])
    assert layout["height"] <= 0.76 * 900
    assert layout["width"] / layout["height"] == pytest.approx(size[1] / size[0], rel=0.05)
    start = revision(tab)
    tab.keyboard.press("4")
    tab.evaluate(f"{PAINTER}.setSize(20)")
    points = hand.drag((20, 20), (40, 40), steps=3)
    settled(tab, start + 1)
    assert is_stroke(hand.ids(), before, points, 20, ROAD)


def test_sizes_of_the_layout(hand: Hand) -> None:
    tab = hand.tab
    ids = hand.ids()
    sizes = tab.locator("select[aria-label='Size of the layout'] option").all_inner_texts()
    assert sizes == ["128 × 64", "256 × 128", "512 × 256", "1024 × 512", "2048 × 1024"]
    tab.get_by_label("Size of the layout").select_option("2048x1024")
    settled(tab, 1)
    assert np.array_equal(hand.ids(), ids.repeat(16, axis=0).repeat(16, axis=1))
    assert Image.open(io.BytesIO(photograph(tab))).size == (2048, 1024)
    before = plane(tab)
    tab.keyboard.press("4")
    tab.evaluate(f"{PAINTER}.setSize(200)")
    points = hand.drag((300, 300), (1500, 700), steps=4)
    settled(tab, 2)
    assert is_stroke(hand.ids(), before, points, 200, ROAD)
    for number, expected in ((3, before), (4, ids)):
        tab.locator("[data-do=undo]").click()
        settled(tab, number)
        assert np.array_equal(hand.ids(), expected)
    tab.locator(".lp-overlay").focus()
    tab.keyboard.press("w")
    settled(tab, 5)
    assert hand.ids().shape == (128, 256)


# -- classes -----------------------------------------------------------------------------------------


def test_a_hundred_and_fifty_classes_stay_usable(visit: Open) -> None:
    kinds = ("wall", "chest of drawers", "<b>tree</b>", "swimming pool & slide", "lamp")
    names = [f"{kind} {number}" for number in range(30) for kind in kinds]
    colors = [(number, 255 - number, number % 7) for number in range(150)]
    seen = Seen(small_model(ClassSet(names, colors)))
    with served(seen.model) as address:
        tab = visit(address)
        hand = Hand(tab, seen)
        assert (hand.ids() == UNLABELLED).all()
        assert tab.locator(".lp-chip > span:nth-of-type(2)").all_inner_texts() == [*names, "unlabelled"]
        box = tab.locator(".lp-chips").bounding_box()
        assert box
        assert box["height"] < 260
        tab.keyboard.press("/")
        tab.keyboard.type("POOL & slide 2")
        visible = tab.locator(".lp-chip:visible").all_inner_texts()
        assert visible == [name for name in names if "pool & slide 2" in name]
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("radio", name="swimming pool & slide 2", exact=True)).to_be_checked()
        tab.keyboard.press("r")
        hand.drag((20.5, 20.5), (60.5, 40.5))
        settled(tab, 1)
        assert set(np.unique(hand.ids())) == {names.index("swimming pool & slide 2"), UNLABELLED}
        tab.keyboard.press("i")
        tab.evaluate(f"{PAINTER}.useClass(149)")
        chip = tab.locator(".lp-chip[data-id='149']")
        inside = chip.evaluate(
            "n => { const a = n.getBoundingClientRect(), b = n.parentElement.getBoundingClientRect();"
            " return a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }"
        )
        assert inside  # scrolled to
        tab.keyboard.press("/")
        tab.keyboard.type("no such thing")
        expect(tab.get_by_text("No class has such a name.")).to_be_visible()
        tab.keyboard.press("Escape")
        expect(tab.locator(".lp-chip:visible")).to_have_count(151)


def test_class_chips_and_their_keys(hand: Hand) -> None:
    tab, classes = hand.tab, hand.seen.model.classes
    rows = [*zip(classes.names, classes.colors, strict=True), ("unlabelled", classes.unlabelled_color)]
    for chip, (name, color) in zip(tab.locator(".lp-chip").all(), rows, strict=True):
        assert chip.locator("span").nth(1).inner_text() == name
        swatch = chip.locator(".lp-swatch").evaluate("n => getComputedStyle(n).backgroundColor")
        assert swatch == "rgb({}, {}, {})".format(*color)
    for key, name in (
        ("1", "sky"),
        ("0", "pedestrian"),
        (".", "bicyclist"),
        (".", "unlabelled"),
        (".", "sky"),
        (",", "unlabelled"),
    ):
        tab.keyboard.press(key)
        expect(tab.get_by_role("radio", name=name)).to_be_checked()
    tab.get_by_role("radio", name="car").check()
    tab.keyboard.press("ArrowRight")  # among radio buttons
    expect(tab.get_by_role("radio", name="pedestrian")).to_be_checked()
    tab.keyboard.press("b")  # keys of the painter keep working there
    hand.click((64, 32))
    settled(tab, 1)
    assert (hand.ids()[28:36, 60:68] == classes.names.index("pedestrian")).all()


def test_keys_are_listed_and_leave_text_fields_alone(hand: Hand) -> None:
    tab = hand.tab
    tab.keyboard.press("?")
    dialog = tab.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    tab.keyboard.press("Delete")
    tab.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    tab.get_by_label("Model").fill("org/graph")
    tab.get_by_label("Model").press("e")
    expect(tab.locator(".lp-icon[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    assert revision(tab) == 0
