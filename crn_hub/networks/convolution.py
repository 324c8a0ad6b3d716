"""A convolution as numbers: its weights, its arithmetic, its features; known before the layer is built."""

from typing import NamedTuple


class Convolution(NamedTuple):
    """One layer, as the bounds and the arithmetic count it.

    Attributes:
        inputs, outputs: channels.
        kernel: its side in pixels.
        size: (height, width) of the smaller of the maps that it reads and makes. Each weight is used once at each
            pixel of that map.
        stride: how many times as high and wide the larger map is: the one that a convolution reads, or the one that a
            transposed convolution makes.
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
        """Floating-point operations for one sample, 2 per multiply-add."""
        return 2 * self.num_weights * self.size[0] * self.size[1]

    @property
    def num_weights(self) -> int:
        """How many numbers its kernels are; biases are left out."""
        return self.kernel**2 * self.inputs * self.outputs

    @property
    def features(self) -> int:
        """How many numbers the larger of the maps that it reads and makes has."""
        at_large, at_small = (self.outputs, self.inputs) if self.transposed else (self.inputs, self.outputs)
        return max(at_large * self.stride**2, at_small) * self.size[0] * self.size[1]
