"""Paints the layouts, besides those of photographs, on which candidates for the model in the box are tried.

    python benchmarks/model_in_the_box/paint.py

They imitate people: strokes of a thick brush with an unsteady hand, flat shapes, single classes, an empty layout, and
streets in the classes and colours of Cityscapes, which are translated when they are read. Writes PNG files of 512 x 256
to `painted/`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.scenes import BICYCLIST, BUILDING, CAR, FENCE, PAVEMENT, PEDESTRIAN, POLE, ROAD, SIGN, SKY, TREE

FOLDER = Path(__file__).parent / "painted"
SIZE = (512, 256)
CITYSCAPES = ClassSet.cityscapes()

Draw = ImageDraw.ImageDraw
Points = Sequence[tuple[float, float]]


class Hand:
    """Paints slightly unsteady strokes on a layout, the same in every run."""

    def __init__(self, draw: Draw):
        self.draw, self.rng = draw, np.random.default_rng(7)

    def stroke(self, points: Points, class_id: int, brush: int) -> None:
        """A line through the points with a round brush of `brush` pixels."""
        for (x0, y0), (x1, y1) in pairwise(points):
            for t in np.linspace(0, 1, max(2, int(max(abs(x1 - x0), abs(y1 - y0)) / 3))):
                x, y = np.array((x0 + t * (x1 - x0), y0 + t * (y1 - y0))) + self.rng.normal(0, 1.2, 2)
                self.draw.ellipse((x - brush / 2, y - brush / 2, x + brush / 2, y + brush / 2), class_id)

    def fill(self, points: Points, class_id: int) -> None:
        """An area that is filled after its outline has been drawn with a brush."""
        self.draw.polygon(points, class_id)
        self.stroke([*points, points[0]], class_id, 10)


def blobs(draw: Draw) -> None:
    """Sky, road, houses and trees in a few strokes of a thick brush."""
    hand = Hand(draw)
    draw.rectangle((0, 0, *SIZE), SKY)
    hand.fill([(0, 256), (0, 205), (235, 118), (290, 118), (512, 210), (512, 256)], ROAD)
    hand.fill([(0, 30), (120, 62), (190, 84), (228, 122), (0, 205)], BUILDING)
    hand.fill([(512, 20), (400, 70), (300, 118), (512, 208)], BUILDING)
    hand.stroke([(240, 108), (262, 92), (286, 108)], TREE, 34)
    hand.stroke([(186, 176), (226, 176)], CAR, 36)
    hand.stroke([(344, 150), (344, 188)], PEDESTRIAN, 14)


def childs_drawing(draw: Draw) -> None:
    """A house with a roof, a tree like a lollipop, people like posts, all on a line."""
    hand = Hand(draw)
    draw.rectangle((0, 0, 512, 176), SKY)
    draw.rectangle((0, 170, 512, 256), ROAD)
    hand.fill([(110, 172), (110, 90), (165, 40), (222, 90), (222, 172)], BUILDING)
    hand.stroke([(330, 172), (330, 110)], TREE, 16)
    hand.stroke([(312, 80), (348, 84), (330, 62), (326, 96)], TREE, 44)
    for x, height in ((260, 50), (285, 40)):
        hand.stroke([(x, 196), (x, 196 - height)], PEDESTRIAN, 10)
        draw.ellipse((x - 9, 180 - height, x + 9, 198 - height), PEDESTRIAN)
    hand.fill([(380, 208), (380, 184), (405, 180), (415, 160), (455, 160), (465, 182), (488, 184), (488, 208)], CAR)
    for x in (402, 466):
        draw.ellipse((x - 13, 196, x + 13, 222), CAR)


def big_car(draw: Draw) -> None:
    """One car that fills the picture, larger than any in a photograph."""
    hand = Hand(draw)
    draw.rectangle((0, 0, 512, 120), BUILDING)
    draw.rectangle((0, 120, 512, 256), ROAD)
    hand.fill([(60, 220), (70, 130), (150, 110), (200, 50), (350, 50), (400, 110), (450, 130), (455, 220)], CAR)


def scribbles(draw: Draw) -> None:
    """Strokes of many classes on an otherwise empty layout."""
    hand = Hand(draw)
    for number, class_id in enumerate((SKY, BUILDING, TREE, CAR, ROAD, PAVEMENT, FENCE, SIGN, BICYCLIST, POLE)):
        y = 16 + 25 * number
        hand.stroke([(30, y), (170, y + 12), (320, y - 10), (480, y + 6)], class_id, 18)


def upside_down(draw: Draw) -> None:
    """The road above, the sky below."""
    draw.rectangle((0, 0, *SIZE), SKY)
    draw.polygon([(0, 0), (512, 0), (512, 60), (290, 140), (230, 140), (0, 70)], ROAD)
    draw.polygon([(0, 70), (230, 140), (0, 210)], TREE)
    draw.polygon([(512, 60), (290, 140), (512, 220)], BUILDING)


def checkers(draw: Draw) -> None:
    """Squares of all classes, side by side, unlike any street."""
    for number in range(32):
        x, y = 64 * (number % 8), 64 * (number // 8)
        draw.rectangle((x, y, x + 63, y + 63), (5 * number) % 11)


def one_class(class_id: int) -> Callable[[Draw], None]:
    """A layout of a single class."""
    return lambda draw: draw.rectangle((0, 0, *SIZE), class_id)


def cityscapes_street(draw: Draw) -> None:
    """A German street in Cityscapes' classes: parked cars, a lorry, a rider, poles, the own car's bonnet."""
    id_of = CITYSCAPES.find_name
    draw.rectangle((0, 0, *SIZE), id_of("sky"))
    draw.polygon([(0, 0), (180, 70), (240, 104), (0, 190)], id_of("building"))
    draw.polygon([(512, 0), (350, 66), (280, 104), (512, 190)], id_of("building"))
    draw.polygon([(0, 200), (240, 110), (280, 110), (512, 200), (512, 256), (0, 256)], id_of("road"))
    draw.polygon([(0, 180), (240, 106), (246, 112), (0, 222)], id_of("sidewalk"))
    draw.polygon([(512, 180), (280, 106), (274, 112), (512, 222)], id_of("sidewalk"))
    for x, y, r in ((150, 70, 38), (190, 84, 24), (370, 66, 36)):
        draw.ellipse((x - r, y - r, x + r, y + r), id_of("vegetation"))
    for x, y, w in ((60, 200, 96), (150, 160, 56), (420, 190, 84), (340, 150, 44)):
        draw.rounded_rectangle((x - w / 2, y - w * 0.45, x + w / 2, y), w / 8, id_of("car"))
    draw.rectangle((232, 78, 262, 118), id_of("truck"))
    draw.ellipse((300, 98, 308, 108), id_of("rider"))
    draw.rectangle((299, 106, 309, 122), id_of("rider"))
    draw.rectangle((297, 118, 311, 132), id_of("bicycle"))
    for x, y, height in ((110, 190, 130), (390, 180, 130)):
        draw.rectangle((x - 2, y - height, x + 2, y), id_of("pole"))
        draw.rectangle((x - 9, y - height, x + 9, y - height + 20), id_of("traffic sign"))
    draw.ellipse((100, 236, 412, 300), UNLABELLED)


def cityscapes_avenue(draw: Draw) -> None:
    """A wide avenue in Cityscapes' classes: grass, a wall, traffic lights, people crossing, a bus."""
    id_of = CITYSCAPES.find_name
    draw.rectangle((0, 0, *SIZE), id_of("sky"))
    draw.rectangle((0, 60, 512, 120), id_of("vegetation"))
    draw.rectangle((330, 40, 512, 124), id_of("building"))
    draw.rectangle((0, 118, 512, 256), id_of("road"))
    draw.polygon([(0, 118), (200, 118), (0, 170)], id_of("terrain"))
    draw.polygon([(0, 104), (210, 112), (210, 120), (0, 124)], id_of("wall"))
    draw.polygon([(512, 150), (340, 122), (300, 122), (512, 200)], id_of("sidewalk"))
    draw.rounded_rectangle((210, 76, 290, 140), 6, id_of("bus"))
    for x in (60, 90, 330, 352, 380):
        draw.ellipse((x - 6, 126, x + 6, 138), id_of("person"))
        draw.rectangle((x - 8, 137, x + 8, 178), id_of("person"))
    for x in (180, 440):
        draw.rectangle((x - 2, 50, x + 2, 170), id_of("pole"))
        draw.rectangle((x - 7, 46, x + 7, 76), id_of("traffic light"))
    draw.rounded_rectangle((110, 150, 190, 190), 10, id_of("car"))


LAYOUTS: dict[str, Callable[[Draw], None]] = {
    "blobs": blobs,
    "childs-drawing": childs_drawing,
    "big-car": big_car,
    "scribbles": scribbles,
    "upside-down": upside_down,
    "checkers": checkers,
    "only-road": one_class(ROAD),
    "only-tree": one_class(TREE),
    "only-building": one_class(BUILDING),
    "nothing": one_class(UNLABELLED),
    "cityscapes-street": cityscapes_street,
    "cityscapes-avenue": cityscapes_avenue,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, paint in LAYOUTS.items():
        image = Image.new("L", SIZE, UNLABELLED)
        pen = ImageDraw.Draw(image)
        paint(pen)
        classes = CITYSCAPES if name.startswith("cityscapes") else ClassSet.camvid()
        classes.to_image(np.asarray(image)).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
