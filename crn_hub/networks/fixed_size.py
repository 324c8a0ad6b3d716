"""What the generators other than the cascade share: images of one size, and one number that sets all widths."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch

from crn_hub.classes import ClassSet
from crn_hub.networks.bounds import check_features, check_parameters, check_pixels, whole_numbers
from crn_hub.networks.hub_model import HubModel


class FixedSizeNetwork(HubModel):
    """A generator for images of one size.

    Args:
        classes: what the ids of a layout mean.
        size: (height, width) of the images in pixels.
        width: a number of channels, from which those of all layers follow.
        num_images: k, how many different photographs the network gives at once.

    Raises:
        ValueError: if a number is invalid, or the network would exceed `networks.bounds`; before memory is taken.
    """

    DEFAULT_WIDTH: ClassVar[int]
    SHAPE: ClassVar[tuple[str, ...]] = ("size", "width")  # fields that a network to start from must share

    def __init__(self, classes: ClassSet, size: Sequence[int], width: int, num_images: int):
        super().__init__(classes, num_images)
        self._size = whole_numbers("size", size, 4, 2**15)
        if len(self._size) != 2:
            raise ValueError(f"size must be (height, width), not {list(self._size)}.")
        (self.width,) = whole_numbers("width", [width], 1, 1024)

    @property
    def size(self) -> tuple[int, int]:
        return self._size[0], self._size[1]

    def _check_bounds(self) -> None:
        """To be called by a subclass's constructor once it has set what `convolutions` needs."""
        size = f"{self.size[0]} x {self.size[1]}"
        check_pixels(f"size {size} has", self.size)
        check_features(
            f"width {self.width} and {len(self.classes)} classes give up to",
            max(layer.features for layer in self.convolutions),
            f"in a layer at size {size}",
        )
        check_parameters(f"width {self.width} gives", sum(layer.num_weights for layer in self.convolutions))

    @property
    @abstractmethod
    def layout_kernels(self) -> list[str]:
        """The names of the weights (C, n + 1, h, w) that read the layout."""

    @property
    def num_modules(self) -> int:
        return len(self.convolutions)

    def check_start(self, other: HubModel) -> None:
        super().check_start(other)
        here, there = self.config, other.config
        if differing := [
            f"{name} {there[name]}, here {here[name]}" for name in self.SHAPE if here[name] != there[name]
        ]:
            raise ValueError(f"cannot start from a {self.TITLE} with {'; '.join(differing)}.")

    @torch.no_grad()
    def grow_from(self, other: "FixedSizeNetwork") -> int:
        """Takes over the weights of a network of the same kind, size and width; see `HubModel.grow_from`."""
        self.check_start(other)
        state = {name: tensor for name, tensor in other.state_dict().items() if not name.startswith("to_images.")}
        state |= {name: self._matching(self.get_parameter(name), state[name], 0, other) for name in self.layout_kernels}
        self.load_state_dict(state, strict=False)
        self._take_output_from(other)
        return self.num_modules
