"""The cascaded refinement network (Chen and Koltun, ICCV 2017, section 3).

Details that the paper leaves open follow the authors' published TensorFlow code, because its checkpoints are
what people have: order of concatenation, aligned corners, area averaging, order of the output channels.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.classes import ClassSet
from crn_hub.networks.bounds import check_features, check_parameters, check_pixels, whole_numbers
from crn_hub.networks.convolution import Convolution
from crn_hub.networks.hub_model import HubModel

# About 15 GFLOP for one 256 x 512 image with CamVid's classes: arithmetic grows with the number of pixels, parameters
# don't, so capacity sits in the coarse modules.
DEMO_WIDTHS = (320, 320, 256, 176, 88, 40, 16)


class RefinementModule(nn.Module):
    """Two times {3x3 convolution, layer normalisation, leaky ReLU}, at one resolution (section 3.2, figure 2).

    Layer normalisation is over (C, H, W) of each sample with a scale and a shift per channel: group normalisation
    with one group. It follows the convolutions directly, so these carry no bias.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(1, out_channels, eps=1e-12)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(1, out_channels, eps=1e-12)

    def forward(self, layout: Tensor, before: Tensor | None = None) -> Tensor:
        """Layout (B, n + 1, H, W) and features (B, C, H / 2, W / 2) of the module before -> features (B, C', H, W).

        The first module has only the layout.
        """
        x = layout
        if before is not None:
            before = F.interpolate(before, layout.shape[-2:], mode="bilinear", align_corners=True)
            x = torch.cat([before, layout.to(before.dtype)], dim=1)
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        return F.leaky_relu(self.norm2(self.conv2(x)), 0.2)


class CRN(HubModel):
    """Cascaded refinement network: a semantic layout in, `num_images` photographs of it out.

    Args:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        widths: channels of each refinement module, coarse to fine. The paper's 256p network has
            (1024,) * 5 + (512, 512), followed by (128,) for 512p and (128, 32) for 1024p.
        base_size: (height, width) of the first module in pixels; each further module doubles it, so the output
            has base_size * 2 ** (len(widths) - 1).
        num_images: k, how many different photographs the network gives at once (section 3.3).

    Raises:
        ValueError: if widths, sizes or numbers are invalid, or the network would exceed `networks.bounds`; before
            memory is taken.
    """

    ARCHITECTURE = "crn"
    TITLE = "cascaded refinement network"
    PAPER = ("Chen and Koltun, 2017", "https://arxiv.org/abs/1707.09405")
    FIELDS = ("widths", "base_size", "num_images")
    IS_UNNAMED = True  # cascades were published before config.json named architectures

    to_images: nn.Conv2d

    def __init__(
        self,
        classes: ClassSet,
        widths: Sequence[int] = DEMO_WIDTHS,
        base_size: Sequence[int] = (4, 8),
        num_images: int = 1,
    ):
        super().__init__(classes, num_images)
        self.widths = whole_numbers("widths", widths, 1, 8192)
        self.base_size = whole_numbers("base_size", base_size, 1, 4096)
        if not 1 <= len(self.widths) <= 12:
            raise ValueError(f"widths must name 1 to 12 modules, not {len(self.widths)}.")
        if len(self.base_size) != 2:
            raise ValueError(f"base_size must be (height, width), not {list(base_size)}.")
        self._check_bounds()
        layout_channels = len(classes) + 1
        self.stages = nn.ModuleList(
            RefinementModule(before + layout_channels, width)
            for before, width in zip(self._widths_before, self.widths, strict=True)
        )
        self.to_images = nn.Conv2d(self.widths[-1], 3 * self.num_images, 1)
        self._start_alike()

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, linear, nominally -1..1.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network.
        """
        # As in the authors' published code, the one-hot layout is halved repeatedly by averaging, so coarse layouts
        # are soft.
        layouts = [self._one_hot(ids)]  # (B, n + 1, H, W), then each half the size
        for _ in self.widths[1:]:
            layouts.append(F.avg_pool2d(layouts[-1], 2))

        features: Tensor | None = None
        for stage, layout in zip(self.stages, reversed(layouts), strict=True):
            features = self._run(stage, layout, features)
        return self._to_images(cast(Tensor, features))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the layouts that go in and the images that come out, in pixels."""
        return self._sizes[-1]

    @property
    def _sizes(self) -> list[tuple[int, int]]:
        """(height, width) at which each module works."""
        return [(self.base_size[0] * 2**i, self.base_size[1] * 2**i) for i in range(len(self.widths))]

    @property
    def _widths_before(self) -> tuple[int, ...]:
        """How many channels each module gets from the one before."""
        return 0, *self.widths[:-1]

    # -- growing, section 4 --------------------------------------------------------------------------

    def train_only_last(self, modules: int) -> None:
        """Freezes all but the last `modules` refinement modules and the output layer (the paper's 1024p: 2).

        Raises:
            ValueError: if there are not so many modules.
        """
        if not 1 <= modules <= len(self.widths):
            raise ValueError(f"the last {modules} modules cannot be trained: this network has {len(self.widths)}.")
        self.stages[: len(self.widths) - modules].requires_grad_(False)

    def check_start(self, other: HubModel) -> None:
        super().check_start(other)
        start = cast(CRN, other)
        if start.base_size != self.base_size:
            raise ValueError(f"cannot start from base size {start.base_size}; this network has {self.base_size}.")
        if start.widths != self.widths[: len(start.widths)]:
            raise ValueError(
                f"cannot grow widths {list(start.widths)} into {list(self.widths)}: not a beginning of it."
            )

    @torch.no_grad()
    def grow_from(self, other: "CRN") -> int:
        """Takes over the weights of a cascade that is equal or shorter (section 4: 256p to 512p to 1024p).

        The class sets may differ: weights that read a class are taken over if `other` has that class, by name or
        alias, or one that it is part of. Weights of new modules and those that read other classes stay fresh, and so
        does the output layer unless both networks have the same modules; if `other` makes one image, each of the k here
        starts near that.

        Returns:
            How many modules were taken over.

        Raises:
            ValueError: if base size or the widths of the common modules differ.
        """
        self.check_start(other)
        common = len(other.widths)
        for before, stage, start in zip(self._widths_before, self.stages[:common], other.stages, strict=False):
            state = start.state_dict()
            kernel = self._matching(stage.get_parameter("conv1.weight"), state["conv1.weight"], before, other)
            stage.load_state_dict({**state, "conv1.weight": kernel})
        if common == len(self.widths):
            self._take_output_from(other)
        return common

    # -- size and cost -------------------------------------------------------------------------------

    @property
    def convolutions(self) -> list[Convolution]:
        layout_channels, found = len(self.classes) + 1, []
        for before, width, size in zip(self._widths_before, self.widths, self._sizes, strict=True):
            found += [Convolution(before + layout_channels, width, 3, size), Convolution(width, width, 3, size)]
        return [*found, Convolution(self.widths[-1], 3 * self.num_images, 1, self.size)]

    @property
    def num_modules(self) -> int:
        return len(self.widths)

    @property
    def layers(self) -> tuple[str, str]:
        return (
            f"{len(self.widths)} modules, channels at width x height",
            ", ".join(f"{c} at {w} x {h}" for c, (h, w) in zip(self.widths, self._sizes, strict=True)),
        )

    def _check_bounds(self) -> None:
        height, width = self.size
        check_pixels(
            f"base_size {list(self.base_size)} and {len(self.widths)} modules give images of {height} x {width} =",
            self.size,
        )
        layout_channels = len(self.classes) + 1
        maps = []  # what gives features, how many channels, at which size
        for index, (before, channels, size) in enumerate(
            zip(self._widths_before, self.widths, self._sizes, strict=True)
        ):
            maps.append((f"widths[{index}] = {channels} gives", channels, size))
            both = f"{before} channels of the module before and {layout_channels} of the layout give"
            maps.append((both, before + layout_channels, size))
        maps.append((f"num_images = {self.num_images} gives", 3 * self.num_images, self.size))
        for what_gives, channels, (height, width) in maps:
            check_features(what_gives, channels * height * width, f"at {height} x {width} pixels")
        normalisations, bias = 4 * sum(self.widths), 3 * self.num_images
        check_parameters(
            f"widths {list(self.widths)} give",
            sum(layer.num_weights for layer in self.convolutions) + normalisations + bias,
        )
