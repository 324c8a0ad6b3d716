"""The U-Net of pix2pix (Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial networks",
CVPR 2017, arXiv 1611.07004, appendix 6.1), generator of the systems "pix2pix" and "encoder-decoder".

For width w and d levels, where c_i = w * min(2**i, 8) are the channels of level i:

| layer     | in -> out          | height      | before it      | after it               |
|-----------|--------------------|-------------|----------------|------------------------|
| down 0    | layout -> c_0      | H / 2       |                |                        |
| down i    | c_(i-1) -> c_i     | H / 2^(i+1) | leaky ReLU 0.2 | normalisation          |
| down d-1  | c_(d-2) -> c_(d-1) | H / 2^d     | leaky ReLU 0.2 |                        |
| up d-1    | c_(d-1) -> c_(d-2) | H / 2^(d-1) | ReLU           | normalisation, dropout |
| up i      | 2 c_i -> c_(i-1)   | H / 2^i     | ReLU           | normalisation          |
| to_images | 2 c_0 -> 3k        | H           | ReLU           | tanh                   |

Every layer is a 4x4 convolution of stride 2. Those on the way up are transposed, and read the features of their level
from the way down, followed by those of the layer before. Dropout is in the first three layers up.

There are as many levels as times that both sides can be halved. So the innermost map has an odd side (for 256 x 256 it
is a single pixel); it is not normalised. Normalisation is over each map of each sample, with a scale and a shift per
channel: the same as the paper's batch normalisation with a batch of one and the statistics of the test batch (section
3.4 there).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.classes import ClassSet
from crn_hub.networks.bounds import finite_number
from crn_hub.networks.convolution import Convolution
from crn_hub.networks.fixed_size import FixedSizeNetwork
from crn_hub.networks.starting import start_small

DROPOUT_LAYERS = 3


class Down(nn.Module):
    """{leaky ReLU, 4x4 convolution of stride 2, normalisation}; no leaky ReLU if `first`, and only if `normalised`."""

    def __init__(self, inputs: int, outputs: int, first: bool, normalised: bool):
        super().__init__()
        self.first = first
        self.conv = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if normalised else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / 2, W / 2)."""
        return self.norm(self.conv(x if self.first else F.leaky_relu(x, 0.2)))


class Up(nn.Module):
    """{ReLU, transposed 4x4 convolution of stride 2, normalisation, dropout}."""

    def __init__(self, inputs: int, outputs: int, dropout: float):
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
        self.norm = nn.InstanceNorm2d(outputs, affine=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, 2H, 2W)."""
        return self.dropout(self.norm(self.conv(F.relu(x))))


class UNet(FixedSizeNetwork):
    """Encoder and decoder with skip connections between layers of one size.

    Args:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        size: (height, width) of the images in pixels; both must be multiples of 4. The more often both can be halved,
            the more levels there are, and the larger the field of view.
        width: channels of the first level; the published network has 64.
        num_images: k, how many different photographs the network gives at once.
        dropout: share of the features left out in training in the first three layers of the decoder. Never in
            synthesis, which is deterministic here.

    Raises:
        ValueError: if a number is invalid, or the network would exceed `networks.bounds`; before memory is taken.
    """

    ARCHITECTURE = "unet"
    TITLE = "U-Net"
    PAPER = ("Isola et al., 2017", "https://arxiv.org/abs/1611.07004")
    FIELDS = ("size", "width", "num_images", "dropout")
    DEFAULT_WIDTH = 64

    to_images: nn.ConvTranspose2d

    def __init__(
        self,
        classes: ClassSet,
        size: Sequence[int] = (256, 512),
        width: int = DEFAULT_WIDTH,
        num_images: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__(classes, size, width, num_images)
        self.dropout = finite_number("dropout", dropout, 0, 0.9)
        height, across = self.size
        self.levels = min((side & -side).bit_length() - 1 for side in (height, across))  # halvings of whole numbers
        if self.levels < 2:
            raise ValueError(f"size {height} x {across}: both sides must be multiples of 4.")
        self._check_bounds()
        *layers, last = self.convolutions
        down, up = layers[: self.levels], layers[self.levels :]
        self.down = nn.ModuleList(
            Down(layer.inputs, layer.outputs, first=i == 0, normalised=0 < i < self.levels - 1)
            for i, layer in enumerate(down)
        )
        self.up = nn.ModuleList(
            Up(layer.inputs, layer.outputs, dropout if i < DROPOUT_LAYERS else 0.0) for i, layer in enumerate(up)
        )
        self.to_images = nn.ConvTranspose2d(last.inputs, last.outputs, 4, 2, 1)
        self.apply(start_small)
        self._start_alike()

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, -1..1.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network.
        """
        maps = [self._one_hot(ids)]
        for layer in self.down:
            maps.append(self._run(layer, maps[-1]))
        x = maps.pop()
        for layer, beside in zip(self.up, maps[:0:-1], strict=True):
            x = torch.cat([beside, self._run(layer, x)], dim=1)
        return self._to_images(F.relu(x)).tanh()

    @property
    def convolutions(self) -> list[Convolution]:
        channels = [self.width * min(2**level, 8) for level in range(self.levels)]
        sizes = [(self.size[0] >> level + 1, self.size[1] >> level + 1) for level in range(self.levels)]
        inputs = [len(self.classes) + 1, *channels]
        down = [Convolution(inputs[i], channels[i], 4, sizes[i], 2) for i in range(self.levels)]
        outputs, beside = [3 * self.num_images, *channels], [*channels[:-1], 0]
        up = [
            Convolution(channels[i] + beside[i], outputs[i], 4, sizes[i], 2, transposed=True)
            for i in reversed(range(self.levels))
        ]
        return [*down, *up]

    @property
    def _output_parameters(self) -> list[Tensor]:
        weight, bias = self.to_images.parameters()
        return [weight.transpose(0, 1), bias]  # a transposed convolution has its inputs first

    @property
    def layout_kernels(self) -> list[str]:
        return ["down.0.conv.weight"]

    @property
    def layers(self) -> tuple[str, str]:
        down = self.convolutions[: self.levels]
        return (
            f"{self.levels} levels, channels at width x height",
            ", ".join(f"{layer.outputs} at {layer.size[1]} x {layer.size[0]}" for layer in down),
        )
