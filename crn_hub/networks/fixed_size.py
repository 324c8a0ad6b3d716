"""What the other generators have in common: one size, one width, and convolutions, some of which read the layout."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch

from crn_hub.classes import ClassSet
from crn_hub.networks.bounds import MAX_FEATURES, MAX_PARAMETERS, MAX_PIXELS, whole_numbers
from crn_hub.networks.hub_model import HubModel


class Convolution(NamedTuple):
    """One layer, as the bounds and the arithmetic count it.

    Attributes:
        inputs, outputs: channels.
        kernel: its side in pixels.
        size: (height, width) of the map at whose pixels each weight is used once: the smaller one, with a stride.
        stride: how many times as high and wide the larger map is, the one that a convolution reads and a transposed
            one makes.
        transposed: which of the two it is.
    """

    inputs: int
    outputs: int
    kernel: int
    size: tuple[int, int]
    stride: int = 1
    transposed: bool = False

    @property
    def flop(self) -> int:
        return 2 * self.num_weights * self.size[0] * self.size[1]

    @property
    def num_weights(self) -> int:
        return self.kernel**2 * self.inputs * self.outputs

    @property
    def features(self) -> int:
        """Numbers of the larger of the maps that it reads and makes."""
        at_large, at_small = (self.outputs, self.inputs) if self.transposed else (self.inputs, self.outputs)
        return max(at_large * self.stride**2, at_small) * self.size[0] * self.size[1]


class FixedSizeNetwork(HubModel):
    """A generator for images of one size.

    Args:
        classes: what the ids of a layout mean.
        size: (height, width) of the images in pixels.
        width: channels of the first layer, from which the others' follow.
        num_images: k, how many different photographs the network gives at once.

    Raises:
        ValueError: for numbers that make no network, or one beyond `networks.bounds`; before memory is taken.
    """

    DEFAULT_WIDTH: ClassVar[int]

    def __init__(self, classes: ClassSet, size: Sequence[int], width: int, num_images: int):
        super().__init__(classes, num_images)
        self._size = whole_numbers("size", size, 4, 2**15)
        if len(self._size) != 2:
            raise ValueError(f"size must be (height, width), not {list(self._size)}.")
        (self.width,) = whole_numbers("width", [width], 1, 1024)

    @property
    def size(self) -> tuple[int, int]:
        return self._size[0], self._size[1]

    @property
    @abstractmethod
    def convolutions(self) -> list[Convolution]:
        """The network's layers as its arguments make them, from the layout to the images."""

    @property
    @abstractmethod
    def layout_kernels(self) -> list[str]:
        """The weights (C, n + 1, h, w) that read the layout, by name."""

    @property
    def num_modules(self) -> int:
        return len(self.convolutions)

    @property
    def gflop(self) -> float:
        return sum(layer.flop for layer in self.convolutions) / 1e9

    def check_start(self, other: HubModel) -> None:
        super().check_start(other)
        here, there = self.config, other.config
        shape = [name for name in ("size", "width", "dilations") if name in self.FIELDS]
        if differing := [f"{name} {there[name]}, here {here[name]}" for name in shape if here[name] != there[name]]:
            raise ValueError(f"cannot start from a {self.TITLE} with {'; '.join(differing)}.")

    @torch.no_grad()
    def grow_from(self, other: "FixedSizeNetwork") -> int:
        """Takes over the weights of such a network of the same size and width; see `HubModel.grow_from`."""
        self.check_start(other)
        state = {name: tensor for name, tensor in other.state_dict().items() if not name.startswith("to_images.")}
        state |= {name: self._matching(self.get_parameter(name), state[name], 0, other) for name in self.layout_kernels}
        self.load_state_dict(state, strict=False)
        self._take_output_from(other)
        return self.num_modules

    def _check_bounds(self) -> None:
        height, width = self.size
        if height * width > MAX_PIXELS:
            raise ValueError(
                f"size {height} x {width} has {height * width:,} pixels; at most {MAX_PIXELS:,} are allowed."
            )
        features = max(layer.features for layer in self.convolutions)
        if features > MAX_FEATURES:
            raise ValueError(
                f"width {self.width} and {len(self.classes)} classes give up to {features:,} features in a layer "
                f"at size {height} x {width}; at most {MAX_FEATURES:,} are allowed."
            )
        parameters = sum(layer.num_weights for layer in self.convolutions)
        if parameters > MAX_PARAMETERS:
            raise ValueError(
                f"width {self.width} gives {parameters:,} parameters; at most {MAX_PARAMETERS:,} are allowed."
            )
