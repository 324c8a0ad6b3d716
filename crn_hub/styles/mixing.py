"""Whose colours the regions of a layout take, where they are not all those of one style."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from crn_hub.styles.style import Style

Color = tuple[int, int, int]


@dataclass(frozen=True)
class StyleMix:
    """For each pixel of a layout a style, or a colour chosen by hand.

    Attributes:
        styles: those that `choice` counts.
        choice: uint8 (H, W), the number of each pixel's style.
        by_hand: uint8 (H, W), for each pixel 0, or n for the n-th of `colors`, counted from 1; None: 0 everywhere.
        colors: RGB in 0..255.

    Raises:
        ValueError: if shapes or types differ, or a number is that of no style or colour.
    """

    styles: Sequence[Style]
    choice: np.ndarray
    by_hand: np.ndarray | None = None
    colors: Sequence[Color] = ()

    def __post_init__(self) -> None:
        planes = [("choice", self.choice, len(self.styles) - 1)]
        if self.by_hand is not None:
            planes.append(("by_hand", self.by_hand, len(self.colors)))
        for name, plane, most in planes:
            if plane.dtype != np.uint8 or plane.shape != self.choice.shape or plane.ndim != 2 or not plane.size:
                raise ValueError(f"{name} must be uint8 (H, W), not {plane.dtype} {plane.shape}.")
            if plane.max() > most:
                raise ValueError(f"{name} has {plane.max()}; there are only 0..{most}.")

    def completed(self, others: Sequence[Style], kinds: Sequence[int]) -> "StyleMix":
        """With what its styles lack, as `Style.completed`."""
        return replace(self, styles=tuple(style.completed(others, kinds) for style in self.styles))

    def paint(self, ids: np.ndarray, seed: int) -> np.ndarray:
        """float32 (3, H, W), RGB in -1..1: a colour for each pixel of a layout, as `Style.paint`.

        Args:
            ids: uint8 (H, W), perhaps of another size, to which choices are brought by nearest neighbour.
            seed: 0 or more.
        """
        choice = _brought(self.choice, ids.shape)
        chosen = np.unique(choice).tolist()
        painted = self.styles[chosen[0]].paint(ids, seed)
        for number in chosen[1:]:
            painted = np.where(choice == number, self.styles[number].paint(ids, seed), painted)
        if self.by_hand is not None and self.by_hand.any():
            by_hand = _brought(self.by_hand, ids.shape)
            colors = np.array([(0, 0, 0), *self.colors], np.float32).T / 127.5 - 1  # (3, n + 1)
            painted = np.where(by_hand > 0, colors[:, by_hand], painted)
        return painted


def _brought(plane: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A plane at another size, (height, width), by nearest neighbour."""
    if plane.shape == shape:
        return plane
    return np.asarray(Image.fromarray(plane).resize((shape[1], shape[0]), Image.Resampling.NEAREST))
