"""The conditional 70x70 PatchGAN discriminator of pix2pix (Isola et al., CVPR 2017, arXiv 1611.07004, section 3.2.2 and
appendix 6.1.2), the adversary of the systems "pix2pix" and "gan-segmentation".

| layer | in -> out          | stride | field of view | after it                        |
|-------|--------------------|--------|---------------|---------------------------------|
| 0     | layout + RGB -> w  | 2      | 4             | leaky ReLU 0.2                  |
| 1     | w -> 2w            | 2      | 10            | normalisation, leaky ReLU 0.2   |
| 2     | 2w -> 4w           | 2      | 22            | normalisation, leaky ReLU 0.2   |
| 3     | 4w -> 8w           | 1      | 46            | normalisation, leaky ReLU 0.2   |
| 4     | 8w -> 1            | 1      | 70            |                                 |

All kernels are 4x4 with a padding of 1. Normalisation is as in `networks.unet`.
"""

import torch
from torch import Tensor, nn

from crn_hub.networks.starting import start_small


class PatchDiscriminator(nn.Module):
    """Tells, for each patch of 70 x 70 pixels and its layout, whether it comes from a photograph or a network.

    Args:
        layout_channels: of the layout, n + 1 for n classes.
        width: channels of the first layer; the published network has 64.
    """

    SMALLEST = 32  # pixels of each side of its images; with fewer, too few would reach the last normalisation

    def __init__(self, layout_channels: int, width: int = 64):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(layout_channels + 3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            layers += [
                nn.Conv2d(factor * width, 2 * factor * width, 4, stride, 1, bias=False),
                nn.InstanceNorm2d(2 * factor * width, affine=True),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))
        self.apply(start_small)

    def forward(self, layouts: Tensor, images: Tensor) -> Tensor:
        """Layouts (B, n + 1, H, W), one-hot, and images (B, 3, H, W), -1..1 -> logits (B, 1, h, w).

        They are high for photographs. h = H / 8 - 2, w = W / 8 - 2, rounded down; H and W are `SMALLEST` or more.
        """
        return self.layers(torch.cat([layouts, images], dim=1))
