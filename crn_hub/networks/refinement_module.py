"""A module of the cascade (Chen and Koltun, ICCV 2017, section 3.2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.networks.enlarged_convolution import add_enlarged_convolution

NOISE_AT_FIRST = 0.05  # the size of the weights of noise, of either sign


class RefinementModule(nn.Module):
    """Two times {3x3 convolution, layer normalisation, leaky ReLU}, at one resolution (section 3.2, figure 2).

    Layer normalisation is over (C, H, W) of each sample with a scale and a shift per channel: group normalisation
    with one group. It follows the convolutions directly, so these carry no bias.

    With `noise`, a plane of noise is added to all channels after each normalisation, times a learned weight for each
    channel: a source of texture inside regions, where the layout is constant. That is not in the paper.
    """

    def __init__(self, in_channels: int, out_channels: int, noise: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(1, out_channels, eps=1e-12)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(1, out_channels, eps=1e-12)
        if noise:
            self.noise1, self.noise2 = (nn.Parameter(_noise_weights(out_channels)) for _ in range(2))

    def forward(
        self,
        layout: Tensor,
        before: Tensor | None = None,
        noise: Sequence[Tensor] = (),
        channels: Tensor | None = None,
    ) -> Tensor:
        """Layout (B, L, H, W) and features (B, C, H / 2, W / 2) of the module before -> features (B, C', H, W).

        The first module has only the layout. Its channels are the colours of its regions, if the network takes them
        (3), and a channel for each class and one for unlabelled; or those of all these that `channels`, (L,), names,
        if the others would be 0 everywhere. The noise is two planes (B, 1, H, W), or none.
        """
        x = self.norm1(self._first_convolution(before, layout, channels))
        if noise:
            x.addcmul_(self.noise1[:, None, None], noise[0])
        x = self.norm2(self.conv2(F.leaky_relu_(x, 0.2)))
        if noise:
            x.addcmul_(self.noise2[:, None, None], noise[1])
        return F.leaky_relu_(x, 0.2)

    def _first_convolution(self, before: Tensor | None, layout: Tensor, channels: Tensor | None) -> Tensor:
        """Of layout and features; these come from the module before and grow to the layout's size."""
        num_features = 0 if before is None else before.shape[1]
        of_features, of_layout = self.conv1.weight.tensor_split([num_features], dim=1)
        if channels is not None:
            of_layout = of_layout[:, channels]
        if before is None:
            return F.conv2d(layout, of_layout, padding=1)
        layout = layout.to(before.dtype)
        # Convolved apart and added, the two need not be put side by side in memory, and training computes no gradient
        # for the layout: less time on a CPU (benchmarks/peers.py), but more operations, each of which a GPU begins.
        if leaves_out(layout):
            sums = F.conv2d(layout, of_layout, padding=1)
            add_enlarged_convolution(sums, before, of_features)
            return sums
        before = F.interpolate(before, layout.shape[-2:], mode="bilinear", align_corners=True)
        if layout.device.type == "cpu":
            return F.conv2d(before, of_features, padding=1).add_(F.conv2d(layout, of_layout, padding=1))
        return self.conv1(torch.cat([before, layout], dim=1))


def leaves_out(inputs: Tensor) -> bool:
    """Whether arithmetic is left out: on a CPU, without gradients.

    Not in a trace, which is for any layout, nor in what PyTorch compiles: it would compile each layout's own tables.
    """
    is_traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
    return inputs.device.type == "cpu" and not torch.is_grad_enabled() and not is_traced


def _noise_weights(channels: int) -> Tensor:
    weights = torch.empty(channels)
    if weights.is_meta:
        return weights  # a network is being loaded; to compute with these would import PyTorch's compiler: a second
    return NOISE_AT_FIRST * (2 * torch.randint(0, 2, (channels,)) - 1)
