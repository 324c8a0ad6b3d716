"""The full-resolution network: context aggregation by dilated convolutions (Yu and Koltun, "Multi-scale context
aggregation by dilated convolutions", ICLR 2016, arXiv 1511.07122), generator of the system "full-resolution".

| layer     | in -> out   | kernel | dilation       | field of view | after it                         |
|-----------|-------------|--------|----------------|---------------|----------------------------------|
| 1         | layout -> w | 3x3    | 1              | 3             | layer normalisation, leaky ReLU  |
| 2..7      | w -> w      | 3x3    | 2, 4, .. 64    | 7, 15, .. 255 | layer normalisation, leaky ReLU  |
| 8         | w -> w      | 3x3    | 1              | 257           | layer normalisation, leaky ReLU  |
| to_images | w -> 3k     | 1x1    |                | 257           |                                  |

Every map has the size of the image: detail is kept, and memory and arithmetic grow with the number of its pixels. The
dilations double as in the context module of that paper, but further, up to a field of view of 257; another list may be
given. Normalisation and nonlinearity are those of the cascade, so that only the architecture differs.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.classes import ClassSet
from crn_hub.networks.bounds import whole_numbers
from crn_hub.networks.convolution import Convolution
from crn_hub.networks.fixed_size import FixedSizeNetwork

DILATIONS = (1, 2, 4, 8, 16, 32, 64, 1)


class DilatedLayer(nn.Module):
    """{3x3 convolution with dilation, layer normalisation, leaky ReLU} at the same resolution."""

    def __init__(self, inputs: int, outputs: int, dilation: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.GroupNorm(1, outputs, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


class FullResolutionNetwork(FixedSizeNetwork):
    """Dilated convolutions, all at the size of the image.

    Args:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        size: (height, width) of the images in pixels.
        width: channels of every layer.
        num_images: k, how many different photographs the network gives at once.
        dilations: of the 3x3 convolutions, in pixels.

    Raises:
        ValueError: if a number is invalid, or the network would exceed `networks.bounds`; before memory is taken.
    """

    ARCHITECTURE = "full-resolution"
    TITLE = "full-resolution network"
    PAPER = ("Yu and Koltun, 2016", "https://arxiv.org/abs/1511.07122")
    FIELDS = ("size", "width", "num_images", "dilations")
    DEFAULT_WIDTH = 48
    SHAPE = ("size", "width", "dilations")

    to_images: nn.Conv2d

    def __init__(
        self,
        classes: ClassSet,
        size: Sequence[int] = (256, 512),
        width: int = DEFAULT_WIDTH,
        num_images: int = 1,
        dilations: Sequence[int] = DILATIONS,
    ):
        super().__init__(classes, size, width, num_images)
        self.dilations = whole_numbers("dilations", dilations, 1, 4096)
        if not 1 <= len(self.dilations) <= 64:
            raise ValueError(f"dilations must name 1 to 64 layers, not {len(self.dilations)}.")
        self._check_bounds()
        *layers, last = self.convolutions
        self.dilated = nn.ModuleList(
            DilatedLayer(layer.inputs, layer.outputs, dilation)
            for layer, dilation in zip(layers, self.dilations, strict=True)
        )
        self.to_images = nn.Conv2d(last.inputs, last.outputs, 1)
        self._start_alike()

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, linear, nominally -1..1.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network.
        """
        x = self._one_hot(ids)
        for layer in self.dilated:
            x = self._run(layer, x)
        return self._to_images(x)

    @property
    def convolutions(self) -> list[Convolution]:
        inputs = [len(self.classes) + 1, *[self.width] * (len(self.dilations) - 1)]
        return [
            *(Convolution(channels, self.width, 3, self.size) for channels in inputs),
            Convolution(self.width, 3 * self.num_images, 1, self.size),
        ]

    @property
    def layout_kernels(self) -> list[str]:
        return ["dilated.0.conv.weight"]

    @property
    def layers(self) -> tuple[str, str]:
        return (
            f"{len(self.dilations)} layers of {self.width} channels, dilations",
            ", ".join(map(str, self.dilations)),
        )
