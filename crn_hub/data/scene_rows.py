"""Procedural street scenes as rows, for runs without a data set."""

from collections.abc import Sequence
from typing import Any

from crn_hub.classes import ClassSet
from crn_hub.scenes import SCENE_CLASSES, street_scene

HELD_OUT = 8
FIRST_HELD_OUT = 1_000_000  # the seed of the first scene that is held out


class SceneRows(Sequence[dict[str, Any]]):
    """`length` street scenes of `size` = (height, width), with seeds from `first`, as rows with "image" and "label"."""

    def __init__(self, first: int, length: int, size: tuple[int, int]):
        self.first, self.length, self.size = first, length, size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.length:
            raise IndexError(index)
        ids, picture = street_scene(self.first + index, self.size)
        return {"image": picture, "label": ids}


def scene_rows(length: int, size: tuple[int, int]) -> tuple[SceneRows, SceneRows, ClassSet]:
    """Street scenes to train on, held-out ones, and their classes."""
    return SceneRows(0, length, size), SceneRows(FIRST_HELD_OUT, HELD_OUT, size), ClassSet.load(SCENE_CLASSES)
