"""Classes that count as one with the class that they are part of, because not all networks compared know them."""

from collections.abc import Sequence

import numpy as np

from crn_hub.classes import UNLABELLED, ClassSet


class Joining:
    """Which classes count as one: if any part of a class is unknown, all its parts count as the whole.

    Args:
        classes: of the layouts.
        known: (n,), whether all networks know a class. One that is neither known nor part of a known one stays itself.

    Attributes:
        place: int (n,), the class as which each class counts.
        parts: the names of the classes that count as another one.
        counted: the classes that count as themselves, with all that they include: name -> id.
        region: int (n + 1,), which of `regions` each class is, no class last; that of a part is of no use.
    """

    def __init__(self, classes: ClassSet, known: Sequence[bool] | np.ndarray):
        n = len(classes)
        nearest = classes.nearest_wholes(known)[:n]
        joined = {int(to) for index, to in enumerate(nearest) if to not in (index, UNLABELLED)}
        self.place = np.arange(n)
        for index in range(n):
            for whole in _wholes(classes, index):
                if whole in joined:
                    self.place[index] = whole
        self.parts = [classes.names[index] for index in range(n) if self.place[index] != index]
        self.counted = {}
        for index, name in enumerate(classes.names):
            if self.place[index] == index:
                included = [classes.names[i] for i in np.flatnonzero(self.place == index) if i != index]
                self.counted[" + ".join([name, *included])] = index
        self.region = np.arange(n + 1)
        for position, whole in enumerate(with_parts(classes), start=n + 1):
            if whole in joined:
                self.region[whole] = position

    def add_up(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Adds along `axis` what counts as one class, and leaves 0 where a class counts as another.

        Args:
            values: with n or n + 1 entries along `axis`, one for each class, and perhaps one for no class.
        """
        values = np.moveaxis(values, axis, 0)
        sums = np.zeros_like(values)
        np.add.at(sums, [*self.place, *range(len(self.place), len(values))], values)
        return np.moveaxis(sums, 0, axis)


def regions(classes: ClassSet) -> list[list[int]]:
    """The ids of each region that is measured by itself: each class, no class (n), each class that has parts with them.

    What cannot be added up later is measured in each of them, whichever classes are joined in the end.
    """
    return [[index] for index in range(len(classes) + 1)] + [*with_parts(classes).values()]


def with_parts(classes: ClassSet) -> dict[int, list[int]]:
    """For each class that has parts: its id -> its own id and those of its parts, and of their parts."""
    everything = range(len(classes))
    parts = {whole: [index for index in everything if whole in _wholes(classes, index)] for whole in everything}
    return {whole: [whole, *of_it] for whole, of_it in parts.items() if of_it}


def _wholes(classes: ClassSet, index: int) -> list[int]:
    """What a class is part of, from the nearest whole to the farthest."""
    found, name = [], classes.names[index]
    while name in classes.part_of:
        name = classes.part_of[name]
        found.append(classes.names.index(name))
    return found
