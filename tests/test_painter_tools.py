"""The painter's tools in a real Chromium: by mouse, keys, touch and pen.

After every operation the ids on the page are compared with those that Python got for the photograph, and with what
the operation should have painted, worked out by other means.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from support.browsing import PAINTER, Open, frame, plane, revision, settled
from support.painting_hand import (
    BUILDING,
    CAR,
    POLE,
    ROAD,
    TREE,
    Fingers,
    Hand,
    Seen,
    centres,
    in_polygon,
    is_stroke,
    region_of,
)

from crn_hub.classes import UNLABELLED
from crn_hub.demo.painting import Painting


@pytest.mark.parametrize("device_scale", [1, 1.25, 2])
def test_every_operation_is_exact_and_can_be_undone(
    visit: Open, painter_address: str, seen: Seen, device_scale: float
) -> None:
    tab = visit(painter_address, device_scale_factor=device_scale)
    hand = Hand(tab, seen)
    states = [hand.ids()]

    def did(check: Callable[[np.ndarray, np.ndarray], bool]) -> None:
        settled(tab, len(states))
        states.append(hand.ids())
        assert not np.array_equal(states[-1], states[-2])
        assert check(states[-1], states[-2])

    def only(inside: np.ndarray, of: int) -> Callable[[np.ndarray, np.ndarray], bool]:
        return lambda after, before: np.array_equal(after, np.where(inside, of, before))

    for keys, diameter, of in (("4", 24, ROAD), ("6]]]]", 28, TREE), ("4{{[[[", 5, ROAD)):  # classes, then sizes
        for single in keys:
            tab.keyboard.press(single)
        points = hand.drag((20.3, 20.7), (90.1, 41.4), steps=7)
        did(lambda after, before, points=points, d=diameter, of=of: is_stroke(after, before, points, d, of))  # type: ignore[misc]
    point = hand.click((64, 32))
    did(lambda after, before: is_stroke(after, before, [point], 5, ROAD))

    x, y = centres(hand.height, hand.width)
    tab.keyboard.press("r")
    tab.keyboard.press("2")
    (ax, ay), (bx, by) = hand.drag((100.5, 50.5), (70.5, 12.5))
    box = (x > math.floor(bx)) & (x < math.floor(ax) + 1) & (y > math.floor(by)) & (y < math.floor(ay) + 1)
    did(only(box, BUILDING))

    tab.keyboard.press("o")
    tab.keyboard.press("9")
    (ax, ay), (bx, by) = hand.drag((10.5, 10.5), (47.5, 31.5))
    left, top, right, bottom = map(math.floor, (ax, ay, bx + 1, by + 1))
    ellipse = ((2 * x - left - right) / (right - left)) ** 2 + ((2 * y - top - bottom) / (bottom - top)) ** 2 <= 1
    did(only(ellipse, CAR))

    tab.keyboard.press("p")
    tab.keyboard.press("6")
    corners = [hand.click(corner) for corner in ((60.2, 5.1), (120.4, 30.2), (55.3, 60.4), (110.1, 8.3))]
    hand.click(corners[0])
    did(only(in_polygon(corners, hand.height, hand.width), TREE))

    tab.keyboard.press("g")
    tab.keyboard.press("3")
    fx, fy = hand.click((2.5, 62.5))
    did(only(region_of(states[-1], math.floor(fx), math.floor(fy)), POLE))

    tab.keyboard.press("e")
    points = hand.drag((30.4, 58.2), (100.2, 50.3), steps=3)
    did(lambda after, before: is_stroke(after, before, points, 5, UNLABELLED))

    tab.keyboard.press("Delete")
    did(only(np.ones_like(box), UNLABELLED))

    for number, state in enumerate(states[-2::-1], 1):
        tab.keyboard.press("Control+z")
        settled(tab, len(states) - 1 + number)
        assert np.array_equal(hand.ids(), state)
    expect(tab.locator("[data-do=undo]")).to_be_disabled()
    for number, state in enumerate(states[1:], 2 * len(states) - 1):
        tab.keyboard.press("Control+Shift+z" if number % 2 else "Control+y")
        settled(tab, number)
        assert np.array_equal(hand.ids(), state)
    expect(tab.locator("[data-do=redo]")).to_be_disabled()


def test_fast_strokes_have_neither_gaps_nor_corners(hand: Hand) -> None:
    hand.start_with(np.zeros((64, 128), np.uint8))
    hand.tab.keyboard.press("4")
    hand.tab.evaluate(f"{PAINTER}.setSize(3)")
    turns = [(64 + 24 * math.cos(a), 32 - 24 * math.sin(a)) for a in np.linspace(0, 2 * np.pi, 9)]  # 45 degrees apart
    hand.drag(*turns)
    ids = hand.ids()
    x, y = centres(64, 128)
    away = np.hypot(x - 64, y - 32)
    painted = ids == ROAD
    assert painted.any()
    # Straight lines between the points would come as near as 24 cos(22.5 degrees) = 22.2 - 1.5; the curve stays in
    # the ring between the circle and the midpoints of those lines, and turns no corners.
    assert away[painted].max() < 24 + 1.5 + 0.3
    assert away[painted].min() > 22.2 - 1.5 - 0.3
    angles = np.floor((np.arctan2(32 - y[painted], x[painted] - 64) % (2 * np.pi)) / (2 * np.pi) * 72)
    assert len(np.unique(angles)) == 72  # 5 degrees each: no gap
    corner = np.array(turns[1])
    assert np.hypot(x[painted] - corner[0], y[painted] - corner[1]).min() > 0.25  # the curve cuts corners, if slightly


def test_brush_of_one_pixel_leaves_a_connected_line(hand: Hand) -> None:
    hand.start_with(np.zeros((64, 128), np.uint8))
    hand.tab.keyboard.press("4")
    hand.tab.evaluate(f"{PAINTER}.setSize(1)")
    for end in ((120, 11), (100, 60), (12, 58)):
        before = revision(hand.tab)
        (ax, ay), (bx, by) = hand.drag((10, 8), end)
        settled(hand.tab, before + 1)
        steep = abs(by - ay) > abs(bx - ax)
        painted = (hand.ids() == ROAD).any(axis=1 if steep else 0)
        low, high = sorted((ay, by) if steep else (ax, bx))
        assert painted[math.floor(low) : math.floor(high) + 1].all()
        hand.tab.keyboard.press("z")
        settled(hand.tab, before + 2)


def test_shift_makes_straight_lines_squares_and_circles(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    tab.keyboard.press("4")
    tab.evaluate(f"{PAINTER}.setSize(6)")
    tab.keyboard.down("Shift")
    points = hand.drag((10, 10), (60, 60), (90, 20))
    first = hand.ids()
    assert is_stroke(first, blank, [points[0], points[-1]], 6, ROAD)  # the way between doesn't count
    click = hand.click((20, 50))
    settled(tab, 3)
    assert is_stroke(hand.ids(), first, [points[-1], click], 6, ROAD)  # from where the stroke before ended
    tab.keyboard.up("Shift")
    for key, area in (("r", 21 * 21), ("o", 21 * 21 * math.pi / 4)):
        hand.start_with(blank)
        before = revision(tab)
        tab.keyboard.press(key)
        tab.keyboard.down("Shift")
        hand.drag((30.5, 30.5), (50.5, 40.5))
        tab.keyboard.up("Shift")
        settled(tab, before + 1)
        painted = hand.ids() == ROAD
        rows, columns = np.flatnonzero(painted.any(axis=1)), np.flatnonzero(painted.any(axis=0))
        assert len(rows) == len(columns) == 21
        assert abs(painted.sum() - area) <= 0.05 * area


def test_polygon_can_be_closed_taken_back_and_given_up(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    start = revision(tab)
    tab.keyboard.press("p")
    tab.keyboard.press("4")
    corners = [hand.click(corner) for corner in ((10.2, 10.4), (60.7, 12.2), (50.1, 50.3))]
    tab.keyboard.press("Enter")  # closes it, and asks for no photograph by itself
    settled(tab, start + 1)
    assert np.array_equal(hand.ids() == ROAD, in_polygon(corners, 64, 128))
    tab.keyboard.press("z")
    corners = [hand.click(corner) for corner in ((70.2, 10.4), (120.7, 12.2), (5, 60), (8, 50))]
    tab.keyboard.press("Backspace")
    tab.keyboard.press("z")  # while it is open, undo takes back corners
    tab.mouse.dblclick(*hand.at(90.3, 55.2))
    corners = [*corners[:2], hand.exact(90.3, 55.2)]
    settled(tab, start + 3)
    assert np.array_equal(hand.ids() == ROAD, in_polygon(corners, 64, 128))
    for corner in ((5, 5), (100, 5), (50, 60)):
        hand.click(corner)
    tab.keyboard.press("Escape")
    tab.keyboard.press("Enter")
    settled(tab)
    assert revision(tab) == start + 3


def test_closing_a_polygon_while_the_button_is_held(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    start = revision(tab)
    tab.keyboard.press("4")
    tab.keyboard.press("p")
    for corner in ((10, 10), (60, 12)):
        hand.click(corner)
    hand.move((50, 50))
    tab.mouse.down()
    tab.keyboard.press("Enter")
    tab.mouse.up()
    settled(tab, start + 1)
    assert (hand.ids() == ROAD).any()
    tab.keyboard.press("z")
    settled(tab, start + 2)
    assert np.array_equal(hand.ids(), blank)
    tab.keyboard.press("y")
    settled(tab, start + 3)
    assert (hand.ids() == ROAD).any()
    # By keys alone: each Space is a corner, and the first corner again closes it.
    hand.start_with(blank)
    start = revision(tab)
    tab.locator(".lp-overlay").focus()
    ways = ("ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp")
    for way in ways:
        tab.keyboard.press(way)
        tab.keyboard.press("Space")
    settled(tab, start + 1)
    assert 80 <= (hand.ids() == ROAD).sum() <= 120


def test_picking_a_class(hand: Hand) -> None:
    tab = hand.tab
    hand.start_with(np.repeat(np.array([[7, 10, UNLABELLED, 2]], np.uint8), 32, axis=1).repeat(64, axis=0))
    start = revision(tab)
    tab.keyboard.press("r")
    tab.keyboard.press("i")
    hand.click((40, 20))
    expect(tab.get_by_role("radio", name="bicyclist")).to_be_checked()
    expect(tab.locator(".lp-icon[data-tool=rectangle]")).to_have_attribute(
        "aria-pressed", "true"
    )  # the tool before is back
    tab.keyboard.down("Alt")
    hand.click((70, 20))
    tab.keyboard.up("Alt")
    expect(tab.get_by_role("radio", name="unlabelled")).to_be_checked()
    assert revision(tab) == start  # nothing was painted


def test_undo_goes_back_fifty_steps_and_no_further(hand: Hand) -> None:
    tab = hand.tab
    states = [plane(tab)]
    tab.keyboard.press("r")
    for step in range(53):
        tab.keyboard.press(str(step % 3))
        hand.drag((step + 10.5, 5.5), (step + 30.5, 40.5))
        states.append(plane(tab))
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(states))
    for step in range(50):
        tab.keyboard.press("z")
        assert np.array_equal(plane(tab), states[-2 - step])
    expect(tab.locator("[data-do=undo]")).to_be_disabled()
    tab.keyboard.press("z")
    assert np.array_equal(hand.ids(), states[3])
    tab.locator("[data-do=redo]").click()
    assert np.array_equal(hand.ids(), states[4])
    hand.drag((1.5, 1.5), (9.5, 60.5))  # something new: there is nothing left to redo
    expect(tab.locator("[data-do=redo]")).to_be_disabled()
    kept = tab.evaluate(f"{PAINTER}.history.done.reduce((sum, step) => sum + step.runs.byteLength, 0)")
    assert kept < 50 * 64 * 128 / 2  # the pixels alone would be twice that


def test_zoom_pan_and_painting_between(hand: Hand) -> None:
    tab = hand.tab
    hand.start_with(np.zeros((64, 128), np.uint8))
    start = revision(tab)
    tab.keyboard.press("4")
    tab.evaluate(f"{PAINTER}.setSize(2)")
    corner = hand.exact(96, 16)
    hand.move((96, 16))
    tab.keyboard.down("Control")
    tab.mouse.wheel(0, -600)
    tab.keyboard.up("Control")
    tab.wait_for_function(f"{PAINTER}.view.zoom > 4")
    box = tab.evaluate("document.querySelector('.lp-canvas').getBoundingClientRect().toJSON()")
    under = tab.evaluate(
        f"([x, y]) => {PAINTER}.view.toLayout({{clientX: x, clientY: y}})",
        [round(box["x"] + 96 * box["width"] / 128), round(box["y"] + 16 * box["width"] / 128)],
    )
    assert (under["x"], under["y"]) == pytest.approx(corner, abs=1e-6)  # what was under the mouse still is
    points = hand.drag((90.3, 14.4), (99.1, 15.8))
    settled(tab, start + 1)
    first = hand.ids()
    assert is_stroke(first, np.zeros_like(first), points, 2, ROAD)
    # The photograph follows: its part in the pane is the layout's.
    place = tab.evaluate(
        """() => {
            const pane = document.querySelector('.lp-photograph').getBoundingClientRect();
            const image = document.querySelector('.lp-photograph img').getBoundingClientRect();
            return [(pane.x - image.x) / image.width, (pane.y - image.y) / image.height, image.width / pane.width];
        }"""
    )
    left, top, zoom = tab.evaluate(f"[{PAINTER}.view.left, {PAINTER}.view.top, {PAINTER}.view.zoom]")
    assert place == pytest.approx([left / 128, top / 64, zoom], abs=2e-3)
    for press, button, key in (("h", "left", None), ("b", "middle", None), ("b", "left", " ")):
        tab.keyboard.press(press)
        before = tab.evaluate(f"[{PAINTER}.view.left, {PAINTER}.view.top]")
        if key:
            tab.keyboard.down(key)
        hand.drag((before[0] + 10, before[1] + 6), (before[0] + 12, before[1] + 7), button=button)
        if key:
            tab.keyboard.up(key)
        after = tab.evaluate(f"[{PAINTER}.view.left, {PAINTER}.view.top]")
        assert after == pytest.approx([before[0] - 2, before[1] - 1], abs=0.15)
    assert revision(tab) == start + 1
    tab.keyboard.press("f")
    assert tab.evaluate(f"{PAINTER}.view.zoom") == 1
    for name in ("zoomIn", "zoomOut"):
        tab.locator(f"[data-do={name}]").click()
    expect(tab.locator(".lp-zoom")).to_have_text("100%")


def test_painting_by_keys_alone(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    start = revision(tab)
    tab.locator(".lp-overlay").focus()
    tab.keyboard.press("r")
    tab.keyboard.press("4")
    tab.keyboard.press("ArrowLeft")  # the cursor appears in the middle
    tab.keyboard.press("Space")
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+ArrowDown")
    expect(tab.locator(".lp-status")).to_have_text("67, 42 · sky")
    tab.keyboard.press("Space")
    settled(tab, start + 1)
    expected = blank.copy()
    expected[32:43, 64:68] = ROAD
    assert np.array_equal(hand.ids(), expected)
    tab.keyboard.press("g")
    tab.keyboard.press("5")
    tab.keyboard.press("Space")
    settled(tab, start + 2)
    assert np.array_equal(hand.ids(), np.where(expected == ROAD, 4, 0))


def test_leaving_the_layout_ends_a_stroke_of_keys(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    start = revision(tab)
    tab.keyboard.press("4")
    tab.evaluate(f"{PAINTER}.setSize(4)")
    for step, leave in enumerate((lambda: tab.keyboard.press("Tab"), lambda: hand.click((20, 10))), 1):
        tab.locator(".lp-overlay").focus()
        for key in ("ArrowLeft", "Space", "Shift+ArrowRight"):
            tab.keyboard.press(key)
        before = plane(tab)
        leave()
        settled(tab, start + step)
        tab.keyboard.press("5")
        assert (before == ROAD).any()
        assert (hand.ids()[before == ROAD] == ROAD).all()
        hand.drag((100, 50), (110, 50))
        settled(tab, start + step + 1)
        ids = hand.ids()
        assert not (ids[:40, 80:] == 4).any()  # a stroke of its own, from where the mouse was pressed
        tab.keyboard.press("z")
        tab.keyboard.press("z")
        settled(tab, start + step + 3)
        start = revision(tab) - step
        tab.keyboard.press("4")


def test_the_cursor_of_keys_stays_in_sight(hand: Hand) -> None:
    tab = hand.tab
    tab.locator(".lp-overlay").focus()
    for _ in range(4):
        tab.keyboard.press("+")
    for key in ("ArrowRight", *["Shift+ArrowRight"] * 4, *["Shift+ArrowDown"] * 3, *["Shift+ArrowLeft"] * 10):
        tab.keyboard.press(key)
        x, y = tab.evaluate(f"[{PAINTER}.keys.at.x, {PAINTER}.keys.at.y]")
        left, top, zoom = tab.evaluate(f"[{PAINTER}.view.left, {PAINTER}.view.top, {PAINTER}.view.zoom]")
        assert left <= x <= left + 128 / zoom
        assert top <= y <= top + 64 / zoom


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"key": "3", "code": "Digit3", "shiftKey": True}, "classId === 2"),  # AZERTY
        ({"key": "é", "code": "Digit2"}, "classId === 1"),
        ({"key": "]", "code": "Digit9", "ctrlKey": True, "altKey": True}, "size === 25"),  # AltGr on Windows
        ({"key": "и", "code": "KeyB"}, "toolId === 'brush'"),
        ({"key": "ß", "code": "KeyE", "altKey": False}, "toolId === 'erase'"),
        ({"key": "#", "code": "Digit3", "shiftKey": True}, "outputs.chosen === 2"),
    ],
)
def test_keys_of_other_keyboards(hand: Hand, event: dict[str, Any], expected: str) -> None:
    hand.tab.keyboard.press("r")
    hand.tab.keyboard.press("9")
    event |= {"bubbles": True, "cancelable": True}
    hand.tab.evaluate("event => document.body.dispatchEvent(new KeyboardEvent('keydown', event))", event)
    assert hand.tab.evaluate(f"{PAINTER}.{expected}")


def test_space_moves_the_view_whatever_has_the_focus(hand: Hand) -> None:
    tab = hand.tab
    tab.keyboard.press("+")
    tab.locator(".lp-chip", has_text="road").click()
    before = tab.evaluate(f"{PAINTER}.view.left")
    hand.move((64, 32))
    tab.keyboard.down(" ")
    hand.drag((64, 32), (60, 32))
    tab.keyboard.up(" ")
    assert tab.evaluate(f"{PAINTER}.view.left") == pytest.approx(before + 4, abs=0.2)
    assert revision(tab) == 0


def test_what_is_sent_in_the_middle_of_a_stroke_is_the_layout_before(hand: Hand) -> None:
    tab = hand.tab
    before = hand.ids()
    tab.keyboard.press("4")
    hand.move((20, 20))
    tab.mouse.down()
    hand.move((100, 40), steps=3)
    tab.keyboard.press("Enter")
    tab.keyboard.press("k")
    expect(tab.locator(".lp-status")).to_contain_text("The link is")
    tab.keyboard.press("Escape")
    tab.mouse.up()
    link = tab.evaluate("new URLSearchParams(location.hash.slice(1)).get('layout')")
    assert np.array_equal(Painting.from_text(link).ids, before)
    tab.keyboard.press("Enter")
    frame(tab)
    assert np.array_equal(hand.ids(), before)


def test_a_stroke_given_up_leaves_nothing(hand: Hand) -> None:
    before = hand.ids()
    start = revision(hand.tab)
    hand.tab.keyboard.press("4")
    hand.move((20, 20))
    hand.tab.mouse.down()
    hand.move((100, 50), steps=4)
    frame(hand.tab)
    assert not np.array_equal(plane(hand.tab), before)
    hand.tab.keyboard.press("Escape")
    hand.tab.mouse.up()
    assert np.array_equal(hand.ids(), before)
    assert revision(hand.tab) == start


def test_keys_in_the_middle_of_a_stroke_lose_nothing(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    start = revision(tab)
    tab.keyboard.press("4")
    hand.move((20, 30))
    tab.mouse.down()
    hand.move((60, 30), steps=3)
    for key in ("Delete", "z", "Shift+Digit2", "y"):  # wait until the stroke is over
        tab.keyboard.press(key)
    hand.move((100, 30), steps=3)
    tab.mouse.up()
    settled(tab, start + 1)
    assert is_stroke(hand.ids(), blank, [hand.exact(20, 30), hand.exact(100, 30)], 24, ROAD)
    tab.keyboard.press("z")
    settled(tab, start + 2)
    assert np.array_equal(hand.ids(), blank)
    hand.move((20, 30))
    tab.mouse.down()
    hand.move((60, 30), steps=3)
    tab.keyboard.press("r")  # another tool: the stroke is given up
    hand.move((100, 30), steps=3)
    tab.mouse.up()
    frame(tab)
    assert np.array_equal(hand.ids(), blank)
    assert revision(tab) == start + 2


# -- touch and pen -----------------------------------------------------------------------------------


def test_on_a_phone_the_photograph_is_beneath_the_layout_and_classes_scroll(phone: Hand) -> None:
    tab = phone.tab
    layout, picture = tab.locator(".lp-canvas").bounding_box(), tab.locator(".lp-photograph").bounding_box()
    assert layout
    assert picture
    assert layout["x"] == picture["x"]
    assert (layout["width"], layout["height"]) == (picture["width"], picture["height"])
    assert 0 <= picture["y"] - layout["y"] - layout["height"] <= 16
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    for row in (".lp-chips", ".lp-tools"):
        wide, high = tab.evaluate(
            "e => { const n = document.querySelector(e); return [n.scrollWidth / n.clientWidth, n.clientHeight]; }", row
        )
        assert wide > 1.2
        assert high < 60  # one line
    last = tab.locator(".lp-chip").last
    last.scroll_into_view_if_needed()
    last.tap()
    expect(tab.get_by_role("radio", name="unlabelled")).to_be_checked()
    small = [
        name
        for name, box in tab.evaluate(
            "[...document.querySelectorAll('.lp :is(.lp-icon, .lp-chip, .lp-button)')].filter(n => n.offsetParent)"
            ".map(n => [n.textContent || n.title, n.getBoundingClientRect().toJSON()])"
        )
        if min(box["width"], box["height"]) < 40
    ]
    assert small == []  # fingers are wide


def test_painting_with_a_finger(phone: Hand) -> None:
    tab = phone.tab
    blank = np.zeros((64, 128), np.uint8)
    phone.start_with(blank)
    start = revision(tab)
    tab.locator(".lp-chip", has_text="road").tap()
    tab.evaluate(f"{PAINTER}.setSize(9)")
    touch = Fingers(tab)
    way = [(20.0, 20.0), (60.0, 30.0), (100.0, 40.0)]
    touch("touchStart", phone.at(*way[0]))
    for point in way[1:]:
        touch("touchMove", phone.at(*point))
    touch("touchEnd")
    settled(tab, start + 1)
    assert is_stroke(phone.ids(), blank, [phone.exact(*way[0]), phone.exact(*way[-1])], 9, ROAD)
    assert tab.evaluate("scrollY") == 0  # the page stays


def test_two_fingers_zoom_and_pan_and_paint_nothing(phone: Hand) -> None:
    tab = phone.tab
    before, start = phone.ids(), revision(tab)
    touch = Fingers(tab)
    a, b = phone.at(50, 30), phone.at(78, 30)
    middle = phone.exact(64, 30)
    touch("touchStart", a)
    touch("touchMove", (a[0] + 3, a[1]))  # the first finger has begun to paint
    touch("touchStart", (a[0] + 3, a[1]), b)
    for spread in (10, 20, 40):
        touch("touchMove", (a[0] - spread, a[1] + 10), (b[0] + spread, b[1] + 10))
    frame(tab)
    zoom = tab.evaluate(f"{PAINTER}.view.zoom")
    under = tab.evaluate(
        f"([x, y]) => {PAINTER}.view.toLayout({{clientX: x, clientY: y}})", [(a[0] + b[0]) / 2, a[1] + 10]
    )
    touch("touchEnd")
    assert zoom == pytest.approx((b[0] - a[0] + 80) / (b[0] - a[0] - 3), rel=0.05)
    assert (under["x"], under["y"]) == pytest.approx(middle, abs=1)
    assert np.array_equal(phone.ids(), before)
    assert revision(tab) == start
    touch("touchStart", phone.at(*middle))  # one finger paints again
    touch("touchEnd")
    settled(tab, start + 1)


def test_two_fingers_keep_the_corners_of_a_polygon(phone: Hand) -> None:
    tab = phone.tab
    tab.locator(".lp-icon[data-tool=polygon]").tap()
    touch = Fingers(tab)
    for corner in ((20, 20), (60, 20), (60, 50)):
        touch("touchStart", phone.at(*corner))
        touch("touchEnd")
    a, b = phone.at(50, 30), phone.at(78, 30)
    touch("touchStart", a)
    touch("touchStart", a, b)
    touch("touchMove", (a[0] - 20, a[1]), (b[0] + 20, b[1]))
    touch("touchEnd")
    frame(tab)
    assert tab.evaluate(f"{PAINTER}.view.zoom") > 1.2
    assert tab.evaluate(f"{PAINTER}.tools.polygon.corners.length") == 3
    assert revision(tab) == 0


def test_painting_with_a_pen_while_the_hand_rests(hand: Hand) -> None:
    tab = hand.tab
    blank = np.zeros((64, 128), np.uint8)
    hand.start_with(blank)
    start = revision(tab)
    tab.keyboard.press("4")
    tab.evaluate(f"{PAINTER}.setSize(7)")
    session = tab.context.new_cdp_session(tab)
    points = [(30.0, 20.0), (90.0, 50.0)]
    for kind, (x, y), buttons in (
        ("mousePressed", points[0], 1),
        ("mouseMoved", points[1], 1),
        ("mouseReleased", points[1], 0),
    ):
        sx, sy = hand.at(x, y)
        session.send(
            "Input.dispatchMouseEvent",
            {
                "type": kind,
                "x": sx,
                "y": sy,
                "button": "left",
                "buttons": buttons,
                "clickCount": 1,
                "pointerType": "pen",
            },
        )
    settled(tab, start + 1)
    ids = hand.ids()
    assert is_stroke(ids, blank, [hand.exact(*point) for point in points], 7, ROAD)
    touch = Fingers(tab)
    touch("touchStart", hand.at(10, 10))  # the hand that holds the pen
    touch("touchEnd")
    assert np.array_equal(hand.ids(), ids)
    tab.wait_for_timeout(1100)
    touch("touchStart", hand.at(10, 10))  # a finger, later
    touch("touchEnd")
    settled(tab, start + 2)
    assert hand.ids()[10, 10] == ROAD
