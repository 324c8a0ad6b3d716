"""A convolution described by numbers, from which its cost is known before the layer is built."""

from typing import NamedTuple


class Convolution(NamedTuple):
    """One layer, as the bounds and the arithmetic count it.

    Attributes:
        inputs, outputs: channels.
        kernel: its side in pixels.
        size: (height, width) of the smaller of its input and its output map. Each weight is used once at each pixel of
            that map.
        stride: how many times as high and wide the larger map is: a convolution's input, or a transposed convolution's
            output.
        transposed: whether it is a transposed convolution.
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
        """The number of weights in its kernels; biases are left out."""
        return self.kernel**2 * self.inputs * self.outputs

    @property
    def features(self) -> int:
        """The number of features in the larger of its input and its output."""
        at_large, at_small = (self.outputs, self.inputs) if self.transposed else (self.inputs, self.outputs)
        return max(at_large * self.stride**2, at_small) * self.size[0] * self.size[1]
