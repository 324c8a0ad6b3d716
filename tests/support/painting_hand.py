"""A hand that paints in a tab, and what its operations should paint, worked out by other means than the page's."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page

from crn_hub import CRN, ClassSet
from crn_hub.demo.painting import Painting
from crn_hub.pictures import compose
from support.browsing import PAINTER, Open, jpeg, photograph, plane, revision, served, settled, small_model

BUILDING, POLE, ROAD, PAVEMENT, TREE, CAR = 1, 2, 3, 4, 5, 8

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
def painter_address(seen: Seen) -> Iterator[str]:
    with served(seen.model) as address:
        yield address


class Hand:
    """A hand with a mouse over the layout of a tab."""

    def __init__(self, tab: Page, seen: Seen):
        self.tab, self.seen = tab, seen
        self.height, self.width = plane(tab).shape

    def at(self, x: float, y: float) -> tuple[int, int]:
        """The whole screen pixel nearest to a point of the layout (a mouse moves by whole pixels)."""
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
        """Opens another layout, as a link does."""
        before = revision(self.tab)
        self.tab.evaluate("text => { location.hash = '#layout=' + text; }", Painting(ids).to_text())
        settled(self.tab, before + 1)
        self.height, self.width = ids.shape
        assert np.array_equal(self.ids(), ids)


@pytest.fixture
def hand(visit: Open, painter_address: str, seen: Seen) -> Hand:
    return Hand(visit(painter_address), seen)


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
    """bool (H, W): the region connected to (x, y), by Pillow's flood fill."""
    picture = Image.fromarray((ids == ids[y, x]).astype(np.uint8)).copy()
    ImageDraw.floodfill(picture, (x, y), 2)
    return np.asarray(picture) == 2


def in_polygon(points: Sequence[Point], height: int, width: int) -> np.ndarray:
    """bool (H, W): the centres inside, by their winding numbers modulo 2."""
    x, y = centres(height, width)
    angles = np.zeros((height, width))
    for (ax, ay), (bx, by) in itertools.pairwise([*points, points[0]]):
        turn = np.arctan2(by - y, bx - x) - np.arctan2(ay - y, ax - x)
        angles += (turn + np.pi) % (2 * np.pi) - np.pi
    return np.round(angles / (2 * np.pi)).astype(int) % 2 == 1


# -- fingers ---------------------------------------------------------------------------------------


class Fingers:
    """Fingers on the screen of a tab."""

    def __init__(self, tab: Page):
        self.session = tab.context.new_cdp_session(tab)

    def __call__(self, kind: str, *points: tuple[float, float]) -> None:
        """touchStart, touchMove or touchEnd, and where all fingers are then."""
        places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


@pytest.fixture
def phone(visit: Open, painter_address: str, seen: Seen) -> Hand:
    return Hand(visit(painter_address, 390, 844, device_scale_factor=3, has_touch=True, is_mobile=True), seen)
