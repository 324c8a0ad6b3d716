"""The painter in a real Chromium: every tool and way in, by mouse, touch, pen and keys.

After every operation the ids on the page are compared with those that Python got for the photograph, and with what
the operation should have painted, worked out here by other means.
"""

import base64
import io
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import (
    PAINTER,
    Open,
    frame,
    jpeg,
    photograph,
    plane,
    revision,
    served,
    settled,
    small_model,
)
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from crn_hub import CRN, ClassSet
from crn_hub.classes import UNLABELLED
from crn_hub.demo.painting import Painting
from crn_hub.synthesis import compose

Point = tuple[float, float]  # x, y in pixels of the layout


class Seen:
    """What the network was asked for: wraps `model.synthesize`."""

    def __init__(self, model: CRN):
        self.model, self.original, self.ids = model, model.synthesize, []  # type: ignore[var-annotated]
        model.synthesize = self  # type: ignore[assignment, method-assign]

    def __call__(self, layout: np.ndarray, *rest: Any, **options: Any) -> list[Image.Image]:
        self.ids.append(layout)
        return self.original(layout, *rest, **options)


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen(small_model(ClassSet.camvid(), num_images=3))


@pytest.fixture(scope="module")
def address(seen: Seen) -> Iterator[str]:
    with served(seen.model) as address:
        yield address


class Hand:
    """A hand with a mouse over the layout of a tab."""

    def __init__(self, tab: Page, seen: Seen):
        self.tab, self.seen = tab, seen
        self.height, self.width = plane(tab).shape

    def at(self, x: float, y: float) -> tuple[int, int]:
        """The whole screen pixel nearest to a point of the layout (mice know no fractions)."""
        box = self.tab.evaluate("document.querySelector('.lp-canvas').getBoundingClientRect().toJSON()")
        left, top, scale = self.tab.evaluate(f"[{PAINTER}.view.left, {PAINTER}.view.top, {PAINTER}.view.scale]")
        return round(box["x"] + (x - left) * scale), round(box["y"] + (y - top) * scale)

    def exact(self, x: float, y: float) -> Point:
        """Where that screen pixel lies on the layout."""
        point = self.tab.evaluate(f"([x, y]) => {PAINTER}.view.toLayout({{clientX: x, clientY: y}})", self.at(x, y))
        return point["x"], point["y"]

    def move(self, point: Point, steps: int = 1) -> None:
        self.tab.mouse.move(*self.at(*point), steps=steps)

    def drag(self, *points: Point, steps: int = 1, button: Any = "left") -> list[Point]:
        """Along the points; returns where they were exactly."""
        self.move(points[0])
        self.tab.mouse.down(button=button)
        for point in points[1:]:
            self.move(point, steps)
        self.tab.mouse.up(button=button)
        return [self.exact(*point) for point in points]

    def click(self, point: Point) -> Point:
        return self.drag(point)[0]

    def ids(self) -> np.ndarray:
        """The ids on the page, which must be those of the last photograph, which must be the one shown."""
        settled(self.tab)
        ids = plane(self.tab)
        if revision(self.tab):  # the first photograph comes with the page
            assert np.array_equal(self.seen.ids[-1], ids)
        outputs = self.seen.original(ids)
        assert photograph(self.tab) == jpeg(compose(outputs, plane(self.tab, "choice")))
        return ids

    def start_with(self, ids: np.ndarray) -> None:
        """Another layout, as a link brings it."""
        before = revision(self.tab)
        self.tab.evaluate("text => { location.hash = '#layout=' + text; }", Painting(ids).to_text())
        settled(self.tab, before + 1)
        self.height, self.width = ids.shape
        assert np.array_equal(self.ids(), ids)


@pytest.fixture
def hand(visit: Open, address: str, seen: Seen) -> Hand:
    return Hand(visit(address), seen)


# -- what operations should paint, by other means ----------------------------------------------------


def centres(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:height, :width] + 0.5
    return x, y


def distance_to(points: Sequence[Point], height: int, width: int) -> np.ndarray:
    """Distance of each pixel's centre from a line through the points."""
    x, y = centres(height, width)
    best = np.full((height, width), np.inf)
    for (ax, ay), (bx, by) in itertools.pairwise([points[0], *points]):
        length2 = (bx - ax) ** 2 + (by - ay) ** 2
        t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2, 0, 1) if length2 else 0 * x
        best = np.minimum(best, np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
    return best


def is_stroke(after: np.ndarray, before: np.ndarray, points: Sequence[Point], diameter: float, of: int) -> bool:
    """Whether exactly the pixels within the brush's reach of a line have changed to `of`."""
    distance = distance_to(points, *before.shape)
    inside, outside = distance < diameter / 2 - 1e-6, distance > diameter / 2 + 1e-6  # on the very edge both are right
    for x, y in (points[0], points[-1]):
        outside[math.floor(y), math.floor(x)] = False  # the pixels under the ends are painted at any size
    return bool((after[inside] == of).all() and (after[outside] == before[outside]).all())


def region_of(ids: np.ndarray, x: int, y: int) -> np.ndarray:
    """bool (H, W): what hangs together with (x, y), by Pillow's flood fill."""
    picture = Image.fromarray((ids == ids[y, x]).astype(np.uint8)).copy()
    ImageDraw.floodfill(picture, (x, y), 2)
    return np.asarray(picture) == 2


def in_polygon(points: Sequence[Point], height: int, width: int) -> np.ndarray:
    """bool (H, W): the centres inside, by how often the corners wind around them, taken modulo 2."""
    x, y = centres(height, width)
    angles = np.zeros((height, width))
    for (ax, ay), (bx, by) in itertools.pairwise([*points, points[0]]):
        turn = np.arctan2(by - y, bx - x) - np.arctan2(ay - y, ax - x)
        angles += (turn + np.pi) % (2 * np.pi) - np.pi
    return np.round(angles / (2 * np.pi)).astype(int) % 2 == 1


# -- tools -------------------------------------------------------------------------------------------

BUILDING, ROAD, TREE, CAR = 1, 3, 5, 8


@pytest.mark.parametrize("device_scale", [1, 1.25, 2])
def test_every_operation_is_exact_and_can_be_undone(visit: Open, address: str, seen: Seen, device_scale: float) -> None:
    tab = visit(address, device_scale_factor=device_scale)
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
    tab.keyboard.press("5")
    fx, fy = hand.click((2.5, 62.5))
    did(only(region_of(states[-1], math.floor(fx), math.floor(fy)), 4))

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
        ({"key": "#", "code": "Digit3", "shiftKey": True}, "output === 2"),
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


class Fingers:
    """Fingers on the screen of a tab."""

    def __init__(self, tab: Page):
        self.session = tab.context.new_cdp_session(tab)

    def __call__(self, kind: str, *points: tuple[float, float]) -> None:
        """touchStart, touchMove or touchEnd, and where all fingers are then."""
        places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


@pytest.fixture
def phone(visit: Open, address: str, seen: Seen) -> Hand:
    return Hand(visit(address, 390, 844, device_scale_factor=3, has_touch=True, is_mobile=True), seen)


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


def test_a_failure_is_said_and_the_painting_stays(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
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

    y, x = np.argwhere(ids == TREE)[0]
    pane = tab.locator(".lp-photograph").bounding_box()
    assert pane
    tab.mouse.click(pane["x"] + (x + 0.5) * pane["width"] / 128, pane["y"] + (y + 0.5) * pane["height"] / 64)
    assert np.array_equal(choice(), np.where((ids == ROAD) | (ids == TREE), 1, 2))

    tab.keyboard.press("x")
    tab.keyboard.press("Shift+Digit1")
    tab.keyboard.press("m")
    y, x = np.argwhere(ids == CAR)[0]
    region = region_of(ids, int(x), int(y))
    assert not np.array_equal(region, ids == CAR)  # there are other cars
    hand.click((x + 0.5, y + 0.5))
    mixed = choice()
    assert np.array_equal(mixed, np.where(region, 0, np.where((ids == ROAD) | (ids == TREE), 1, 2)))

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
    assert np.array_equal(now, np.where((ids == ROAD) | (ids == TREE), 1, 2))

    tab.get_by_role("button", name="Output 3").click()
    tab.get_by_role("button", name="the whole picture").click()
    for _ in range(2):
        tab.keyboard.press("z")  # from the class road, from the class tree
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
    with tab.expect_file_chooser() as chooser:
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


def test_a_link_reproduces_the_layout(visit: Open, hand: Hand, address: str) -> None:
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
        ("hello", "It is no painting of this page."),
        ("100000x100000.AAAA", "It has more pixels than this page takes."),
        ("8193x1.AAAA", "It has more pixels than this page takes."),
        ("%3Cimg src=x onerror=alert(1)%3E.x", "It is no painting of this page."),
        (Painting(np.full((64, 128), 77, np.uint8)).to_text(), "It is for a model of other classes."),
        (f"1x1.{Painting(np.zeros((2000, 2000), np.uint8)).to_text().split('.')[1]}", "Its pixels are damaged."),
    ],
)
def test_bad_links_are_said_and_harm_nothing(
    visit: Open, address: str, seen: Seen, fragment: str, message: str
) -> None:
    hand = Hand(visit(f"{address}#layout={fragment}"), seen)
    expect(hand.tab.locator(".lp-status")).to_have_text(f"The layout of this link can't be shown. {message}")
    expect(hand.tab.locator("[data-do=undo]")).to_be_disabled()
    hand.tab.keyboard.press("4")
    hand.click((64, 32))
    settled(hand.tab, 1)
    hand.ids()


def test_a_link_of_other_classes_is_told_apart_by_their_names(visit: Open, hand: Hand, address: str) -> None:
    hand.tab.keyboard.press("k")
    expect(hand.tab.locator(".lp-status")).to_contain_text("The link is")
    fragment = hand.tab.evaluate("location.hash")
    names = [name.upper() for name in hand.seen.model.classes.names]
    with served(small_model(ClassSet(names, hand.seen.model.classes.colors))) as other:
        tab = visit(f"{other}/{fragment}")
        expect(tab.locator(".lp-notes")).to_contain_text("It is for a model of other classes.")
        # The same names, and the link is understood.
        tab = visit(f"{address}/{fragment}")
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


def test_tabs_keep_layouts_of_their_own(hand: Hand, address: str) -> None:
    tab = hand.tab
    tab.keyboard.press("4")
    hand.drag((10, 10), (100, 50))
    first = hand.ids()
    tab.wait_for_function("Object.values(localStorage).some((text) => text.includes('painting'))")
    other = Hand(tab, hand.seen)
    other.tab = tab.context.new_page()
    other.tab.goto(address)
    settled(other.tab, 1)
    assert np.array_equal(plane(other.tab), first)  # a new tab goes on with what was painted last
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
    tab.keyboard.press("b")  # keys of the painter go on working there
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
