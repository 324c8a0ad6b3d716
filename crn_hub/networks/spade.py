"""The generator of SPADE (Park, Liu, Wang and Zhu, "Semantic image synthesis with spatially-adaptive normalization",
CVPR 2019, arXiv 1903.07291, appendix A), which came after the cascade; the system "spade".

For width w; every block reads the layout at its own size:

| layer        | in -> out                  | height     | before it      | after it |
|--------------|----------------------------|------------|----------------|----------|
| first        | layout -> 16w              | H / 32     |                |          |
| block 0      | 16w -> 16w                 | H / 32     |                |          |
| blocks 1, 2  | 16w -> 16w                 | H / 16     | doubled, once  |          |
| blocks 3..6  | 16w -> 8w -> 4w -> 2w -> w | H / 8 .. H | doubled        |          |
| to_images    | w -> 3k                    | H          | leaky ReLU 0.2 | tanh     |

`first` and `to_images` are 3x3 convolutions. A block computes twice {SPADE, leaky ReLU 0.2, 3x3 convolution} and adds
its input, or, where the channels differ, SPADE and a 1x1 convolution of its input. SPADE is a normalisation without
parameters, multiplied by 1 + gamma, plus beta; the layout goes through a 3x3 convolution with 2w channels and ReLU, and
gamma and beta are 3x3 convolutions of that.

Normalisation is over each map of each sample, as in `networks.unet`. Spectral normalisation, which serves
adversarial training, is left out.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.classes import ClassSet
from crn_hub.networks.convolution import Convolution
from crn_hub.networks.fixed_size import FixedSizeNetwork

FACTORS = (16, 16, 16, 16, 8, 4, 2, 1)  # of the width: before the first block, and after each


class SpatiallyAdaptiveNorm(nn.Module):
    """Normalisation whose scale and shift at each pixel are computed from the layout (section 3)."""

    def __init__(self, channels: int, layout_channels: int, hidden: int):
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.shared = nn.Conv2d(layout_channels, hidden, 3, padding=1)
        self.scale_and_shift = nn.Conv2d(hidden, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        """(B, channels, H, W) and layout (B, n + 1, H, W) -> (B, channels, H, W)."""
        scale, shift = self.scale_and_shift(F.relu(self.shared(layout))).chunk(2, dim=1)
        return self.norm(x) * (1 + scale) + shift


class SPADEBlock(nn.Module):
    """Residual block with two SPADE layers, and a third in front of the shortcut where the channels differ."""

    def __init__(self, inputs: int, outputs: int, layout_channels: int, hidden: int):
        super().__init__()
        middle = min(inputs, outputs)
        self.norm0 = SpatiallyAdaptiveNorm(inputs, layout_channels, hidden)
        self.conv0 = nn.Conv2d(inputs, middle, 3, padding=1)
        self.norm1 = SpatiallyAdaptiveNorm(middle, layout_channels, hidden)
        self.conv1 = nn.Conv2d(middle, outputs, 3, padding=1)
        if inputs != outputs:
            self.norm_shortcut = SpatiallyAdaptiveNorm(inputs, layout_channels, hidden)
            self.conv_shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        """(B, inputs, H, W) and layout (B, n + 1, H, W) -> (B, outputs, H, W)."""
        shortcut = self.conv_shortcut(self.norm_shortcut(x, layout)) if hasattr(self, "conv_shortcut") else x
        x = self.conv0(F.leaky_relu(self.norm0(x, layout), 0.2))
        return shortcut + self.conv1(F.leaky_relu(self.norm1(x, layout), 0.2))


class SPADEGenerator(FixedSizeNetwork):
    """Residual blocks that read the layout in every normalisation, from a small map up to the image.

    Args:
        classes: what the ids of a layout mean; the layout has one channel per class and one for unlabelled.
        size: (height, width) of the images in pixels; multiples of 32, from 64 on.
        width: channels of the last block; the published network has 64.
        num_images: k, how many different photographs the network gives at once.

    Raises:
        ValueError: if a number is invalid, or the network would exceed `networks.bounds`; before memory is taken.
    """

    ARCHITECTURE = "spade"
    TITLE = "SPADE generator"
    PAPER = ("Park et al., 2019", "https://arxiv.org/abs/1903.07291")
    FIELDS = ("size", "width", "num_images")
    DEFAULT_WIDTH = 64

    to_images: nn.Conv2d

    def __init__(
        self, classes: ClassSet, size: Sequence[int] = (256, 512), width: int = DEFAULT_WIDTH, num_images: int = 1
    ):
        super().__init__(classes, size, width, num_images)
        height, across = self.size
        if height % 32 or across % 32 or min(height, across) < 64:
            raise ValueError(f"size {height} x {across}: both sides must be multiples of 32, from 64 on.")
        self._check_bounds()
        layout_channels = len(classes) + 1
        self.first = nn.Conv2d(layout_channels, self._channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            SPADEBlock(inputs, outputs, layout_channels, 2 * width) for inputs, outputs in pairwise(self._channels)
        )
        self.to_images = nn.Conv2d(width, 3 * self.num_images, 3, padding=1)
        self._start_alike()

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, -1..1.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network.
        """
        layout = self._one_hot(ids)
        x = self.first(F.interpolate(layout, self._sizes[0]))
        for block, size in zip(self.blocks, self._sizes, strict=True):
            if x.shape[-2:] != size:
                x = F.interpolate(x, size)
            x = self._run(block, x, F.interpolate(layout, size))
        return self._to_images(F.leaky_relu(x, 0.2)).tanh()

    @property
    def _channels(self) -> list[int]:
        """Into the first block, and out of each."""
        return [factor * self.width for factor in FACTORS]

    @property
    def _sizes(self) -> list[tuple[int, int]]:
        """(height, width) at which each block works."""
        return [(self.size[0] >> halvings, self.size[1] >> halvings) for halvings in (5, 4, 4, 3, 2, 1, 0)]

    @property
    def convolutions(self) -> list[Convolution]:
        layout_channels, hidden, channels = len(self.classes) + 1, 2 * self.width, self._channels
        found = [Convolution(layout_channels, channels[0], 3, self._sizes[0])]
        for inputs, outputs, size in zip(channels, channels[1:], self._sizes, strict=False):
            middle = min(inputs, outputs)
            shortcut = [] if inputs == outputs else [inputs]
            for normalised in (inputs, middle, *shortcut):
                found.append(Convolution(layout_channels, hidden, 3, size))
                found.append(Convolution(hidden, 2 * normalised, 3, size))
            found += [Convolution(inputs, middle, 3, size), Convolution(middle, outputs, 3, size)]
            found += [Convolution(inputs, outputs, 1, size) for _ in shortcut]
        return [*found, Convolution(self.width, 3 * self.num_images, 3, self.size)]

    @property
    def layout_kernels(self) -> list[str]:
        return [name for name, _ in self.named_parameters() if name.endswith(("first.weight", "shared.weight"))]

    @property
    def layers(self) -> tuple[str, str]:
        return (
            f"{len(self.blocks)} blocks, channels at width x height",
            ", ".join(f"{c} at {w} x {h}" for c, (h, w) in zip(self._channels[1:], self._sizes, strict=True)),
        )
