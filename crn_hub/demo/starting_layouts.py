"""Layouts to start from: the examples, and streets made at random, in the classes and the size of a network.

Both have the classes of `crn_hub.scenes`. Windows and doors are walls for a network that doesn't tell them from
buildings; a network that lacks any other of these classes gets none.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from crn_hub.classes import UNLABELLED, ClassSet, read_layout
from crn_hub.networks import HubModel
from crn_hub.scenes import SCENE_CLASSES, street_scene
from crn_hub.synthesis import resize_ids

EXAMPLES_FOLDER = Path(__file__).parent / "examples"

# Six of `street_scene` and three drawn by hand, by scripts/draw_layouts.py. The page opens on the first, which in most
# styles of the model in the box looks more like a photograph than the others do.
EXAMPLES = (
    "high street", "avenue", "park road", "two cyclists", "lorry ahead", "parked cars",
    "crossroads", "bridge ahead", "crayon street",
)  # fmt: skip


# What people look for in a street, by the names that the classes of scenes have, and in this order.
FIRST = ("sky", "building", "window", "door", "road", "pavement", "tree", "car")


def palette_order(classes: ClassSet) -> list[int]:
    """The ids of all classes in the order in which the page shows them: where windows and doors are classes of their
    own, far behind, what people look for in a street comes first."""
    first = [classes.find_name(name) for name in FIRST] if classes.part_of else []
    found = [] if UNLABELLED in first else first
    return [*found, *(index for index in range(len(classes)) if index not in found)]


def has_streets(network: HubModel) -> bool:
    """Whether the network has all classes of the streets, or what they are part of."""
    return bool((_scenes_to(network)[: len(_scene_classes())] != UNLABELLED).all())


def examples(network: HubModel) -> list[np.ndarray]:
    """The ids of every one of `EXAMPLES`, uint8 (H, W) of the network's size; none if the network has no streets."""
    if not has_streets(network):
        return []
    files = [EXAMPLES_FOLDER / f"{name.replace(' ', '-')}.png" for name in EXAMPLES]
    return [_brought(read_layout(file, _scene_classes()).ids, network) for file in files]


def thumbnails(network: HubModel) -> list[tuple[Image.Image, str]]:
    """Every example in colours, with its name."""
    layouts = examples(network)
    return [(network.classes.to_image(ids), name) for ids, name in zip(layouts, EXAMPLES[: len(layouts)], strict=True)]


def opening(network: HubModel) -> tuple[np.ndarray, str]:
    """The layout that a page opens on, uint8 (H, W) of the network's size, and what it is called."""
    if layouts := examples(network):
        return layouts[0], EXAMPLES[0]
    return np.full(network.size, UNLABELLED, np.uint8), "an empty layout"


def street(network: HubModel, seed: int) -> np.ndarray:
    """The ids of a street, uint8 (H, W) of the network's size."""
    ids, _ = street_scene(seed)
    return _brought(ids, network)


def _scene_classes() -> ClassSet:
    return ClassSet.load(SCENE_CLASSES)


def _scenes_to(network: HubModel) -> np.ndarray:
    """uint8 (256,): the scenes' ids as ids of the network's classes."""
    return _scene_classes().translation_to(network.classes)


def _brought(ids: np.ndarray, network: HubModel) -> np.ndarray:
    """A scene's ids in the classes and the size of the network."""
    return resize_ids(_scenes_to(network)[ids], network.size)
