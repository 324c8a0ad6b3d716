"""The cascaded refinement network (Chen and Koltun, ICCV 2017, section 3).

Details that the paper leaves open follow the authors' published TensorFlow code, because its checkpoints are
what people have: order of concatenation, aligned corners, area averaging, order of the output channels.
"""

import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar, cast, overload

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.hub.card import ModelDescription, StyleDescription
from crn_hub.networks.bounds import check_features, check_parameters, check_pixels, whole_number, whole_numbers
from crn_hub.networks.convolution import Convolution
from crn_hub.networks.hub_model import HubModel
from crn_hub.networks.one_hot import check_ids, one_hot_of_present
from crn_hub.networks.refinement_module import RefinementModule, leaves_out
from crn_hub.pictures import Photograph, read_photograph
from crn_hub.region_colors import region_colors as colors_of_regions
from crn_hub.styles import Style, StyleMix, check_styles, styles_from_config

Cascade = TypeVar("Cascade", bound="CRN")

# About 15 GFLOP for one 256 x 512 image with CamVid's classes: arithmetic grows with the number of pixels, parameters
# don't, so capacity sits in the coarse modules.
DEMO_WIDTHS = (304, 304, 256, 176, 88, 40, 16)

NEW_INPUT = 0.1  # the share of fresh weights with which a grown network begins to read colours


@lru_cache(maxsize=24)  # all planes of a seed for the largest networks: a painter's seed stays the same
def _noise_plane(seed: int, index: int, size: tuple[int, int]) -> np.ndarray:
    """The plane of noise at a normalisation, counted from the coarsest; not to be written to."""
    return np.random.default_rng((seed, index)).standard_normal(size, np.float32)


class CRN(HubModel):
    """Cascaded refinement network: a semantic layout in, `num_images` photographs of it out.

    Args:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        widths: channels of each refinement module, coarse to fine. The paper's 256p network has
            (1024,) * 5 + (512, 512), followed by (128,) for 512p and (128, 32) for 1024p.
        base_size: (height, width) of the first module in pixels; each further module doubles it, so the output
            has base_size * 2 ** (len(widths) - 1).
        num_images: k, how many different photographs the network gives at once (section 3.3).
        region_colors: whether the network also takes the colours of the layout's regions. Not in the paper.
        noise_planes: whether its modules also take noise, see `RefinementModule`. Not in the paper.

    Attributes:
        styles: with `region_colors`, which colours the regions of a layout may have; () if none are known.
        default_colors: with `region_colors`, (n + 1, 3), RGB in -1..1: the colour of each class, unlabelled last, for
            layouts that come without colours; those of the first style, if there are any.

    Raises:
        ValueError: if widths, sizes or numbers are invalid, or the network would exceed `networks.bounds`; before
            memory is taken.
    """

    ARCHITECTURE = "crn"
    TITLE = "cascaded refinement network"
    PAPER = ("Chen and Koltun, 2017", "https://arxiv.org/abs/1707.09405")
    FIELDS = ("widths", "base_size", "num_images")
    SWITCHES = ("region_colors", "noise_planes")
    IS_UNNAMED = True  # cascades were published before config.json named architectures

    to_images: nn.Conv2d
    default_colors: Tensor

    def __init__(
        self,
        classes: ClassSet,
        widths: Sequence[int] = DEMO_WIDTHS,
        base_size: Sequence[int] = (4, 8),
        num_images: int = 1,
        region_colors: bool = False,
        noise_planes: bool = False,
    ):
        super().__init__(classes, num_images)
        self.region_colors, self.noise_planes = region_colors, noise_planes
        self.widths = whole_numbers("widths", widths, 1, 8192)
        self.base_size = whole_numbers("base_size", base_size, 1, 4096)
        if not 1 <= len(self.widths) <= 12:
            raise ValueError(f"widths must name 1 to 12 modules, not {len(self.widths)}.")
        if len(self.base_size) != 2:
            raise ValueError(f"base_size must be (height, width), not {list(base_size)}.")
        self._check_bounds()
        self.stages = nn.ModuleList(
            RefinementModule(before + self._layout_channels, width, noise_planes)
            for before, width in zip(self._widths_before, self.widths, strict=True)
        )
        if region_colors:
            self.register_buffer("default_colors", torch.zeros(len(classes) + 1, 3))
        self.to_images = nn.Conv2d(self.widths[-1], 3 * self.num_images, 1)
        self._start_alike()

    def forward(self, ids: Tensor, colors: Tensor | None = None, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, linear, nominally -1..1.

        Args:
            ids: the layouts.
            colors: with `region_colors`, what colour each pixel's region has, RGB in -1..1, (B, 3, H, W); by default
                that of its class in `default_colors`.
            noise: with `noise_planes`, what `self.noise` returns for B layouts; by default that of the seed 0.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network, or it takes no colours or noise.
        """
        layout, channels = self._layout_of(ids, colors)
        planes = self._planes(len(ids), noise)
        # As in the authors' published code, the one-hot layout is halved repeatedly by averaging, so coarse layouts
        # are soft.
        layouts = [layout]  # then each half the size
        for _ in self.widths[1:]:
            layouts.append(F.avg_pool2d(layouts[-1], 2))

        features: Tensor | None = None
        for index, (stage, layout) in enumerate(zip(self.stages, reversed(layouts), strict=True)):
            features = self._run(stage, layout, features, planes[2 * index : 2 * index + 2], channels)
        return self._to_images(cast(Tensor, features))

    def noise(self, seed: int | Sequence[int] = 0, batch: int = 1) -> list[Tensor]:
        """The noise for a batch of layouts: for each normalisation, coarse to fine, a plane (B, 1, h, w) on the CPU.

        Normal values, which depend on the seed and the number of the plane alone: not on the batch or the device.

        Args:
            seed: 0 or more; of all layouts, or one for each.
            batch: B, how many layouts there are, if they share a seed.

        Raises:
            ValueError: if a seed isn't such a number, or there is none.
        """
        if not self.noise_planes:
            return []
        seeds = [_seed(one) for one in (seed if isinstance(seed, Sequence) else [seed] * batch)]
        if not seeds:
            raise ValueError("noise is for one layout or more, not for none.")
        planes = []
        for index, size in enumerate(size for size in self._sizes for _ in range(2)):
            planes.append(torch.from_numpy(np.stack([_noise_plane(one, index, size) for one in seeds]))[:, None])
        return planes

    # -- styles --------------------------------------------------------------------------------------

    @torch.no_grad()
    def set_styles(self, styles: Iterable[Style]) -> None:
        """Gives a network with `region_colors` its styles, the default first.

        What one of them lacks comes from those that the model had. Their ids must be of this model's classes.

        Raises:
            ValueError: if these cannot be the styles of this model, which then keeps those that it has.
        """
        if not self.region_colors:
            raise ValueError("this network takes no colours of regions, so it has no styles.")
        given = [*styles]
        try:
            check_styles(given)
        except ValueError as error:
            raise ValueError(f"{error}.") from error
        completed = tuple(self.style(style) for style in given)
        means = np.stack([completed[0].mean(kind) for kind in self.kinds])
        self.default_colors.copy_(torch.from_numpy(means / 127.5 - 1))
        self.styles = completed

    @overload
    def style(self, wanted: str | int | Style | None) -> Style: ...

    @overload
    def style(self, wanted: StyleMix) -> StyleMix: ...

    def style(self, wanted: str | int | Style | StyleMix | None) -> Style | StyleMix:
        """A style with all classes: that of a name or number, one's own, or by default the first.

        Raises:
            ValueError: if the model has no such style.
        """
        if isinstance(wanted, Style | StyleMix):
            return wanted.completed([*self.styles, self._style_of_classes], self.kinds)
        names = [style.name for style in self.styles]
        if isinstance(wanted, str) and wanted in names:
            return self.styles[names.index(wanted)]
        index = 0 if wanted is None else whole_number(wanted)
        if index is not None and 0 <= index < len(names):
            return self.styles[index]
        known = f"it has {'; '.join(names)}; or 0..{len(names) - 1}" if names else "it has none"
        raise ValueError(f"this model has no style {reprlib.repr(wanted)}: {known}.")

    @property
    def kinds(self) -> list[int]:
        """The ids of all classes, as rows of `default_colors`."""
        return [*range(len(self.classes)), UNLABELLED]

    @property
    def _style_of_classes(self) -> Style:
        """One colour for each class, for what a style of one's own lacks."""
        colors = ((self.default_colors.float() + 1) * 127.5).round().clamp(0, 255).int().tolist()
        return Style("", {kind: ((tuple(color), 1.0),) for kind, color in zip(self.kinds, colors, strict=True)})

    def _inputs(
        self, style: str | int | Style | StyleMix | None, colors: Sequence[Photograph] | None, seed: int
    ) -> Callable[[np.ndarray], Sequence[Any]]:
        if not self.region_colors and not self.noise_planes:
            return super()._inputs(style, colors, seed)
        seed = _seed(seed)
        if not self.region_colors:
            super()._inputs(style, colors, 0)
            return lambda ids: (None, self.noise(seed, len(ids)))
        if seed and not self.noise_planes and (colors is not None or not (self.styles or style)):
            raise ValueError("without noise, a seed only changes the colours that a style gives: leave it out.")
        if style is not None and colors is not None:
            raise ValueError("style and colors both say which colours the regions have; give one of them.")
        if colors is not None:
            pictures = [_fitted(read_photograph(picture), self.size) for picture in colors]
            return lambda ids: (_stacked(map(colors_of_regions, pictures, ids)), self.noise(seed, len(ids)) or None)
        if style is None and not self.styles:
            return lambda ids: (None, self.noise(seed, len(ids)) or None)  # in the colours of the classes
        chosen = self.style(style)
        return lambda ids: (
            _stacked(chosen.paint(layout, seed) for layout in ids),
            self.noise(seed, len(ids)) or None,
        )

    @property
    def config(self) -> dict[str, Any]:
        styles = [style.to_config(self.classes) for style in self.styles]
        return {**super().config, **({"styles": styles} if styles else {})}

    @classmethod
    def from_config(cls: type[Cascade], config: Mapping[str, Any]) -> Cascade:
        model = super().from_config({name: value for name, value in config.items() if name != "styles"})
        if "styles" in config:
            if not model.region_colors:
                raise ValueError("styles are for networks with region_colors")
            model.styles = styles_from_config(config["styles"], model.classes)
        return model

    @property
    def description(self) -> ModelDescription:
        styles = tuple(
            StyleDescription(
                style.name,
                tuple(_as_color(style.mean(kind)) for kind in self.kinds),
                sum(style.photographs.values()),
            )
            for style in self.styles
        )
        plain = super().description
        inputs = (
            *(["3 for the colours of regions"] if self.region_colors else []),
            *plain.inputs,
            *(["a plane of noise at each normalisation"] if self.noise_planes else []),
        )
        return replace(plain, styles=styles, inputs=inputs)

    # -- inputs --------------------------------------------------------------------------------------

    def _layout_of(self, ids: Tensor, colors: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Ids -> what all modules read of a layout, (B, L, H, W), and which channels these are, as `RefinementModule`
        takes both.

        Where arithmetic is left out, classes that don't occur have no channel. A GPU would have to wait for their
        number.
        """
        if leaves_out(ids) and len(ids):
            check_ids(ids, self.size, len(self.classes))
            one_hot, present = one_hot_of_present(ids, len(self.classes), self.to_images.weight.dtype)
        else:
            one_hot, present = self._one_hot(ids), None
        guide = self._guide(one_hot, present, colors)
        if guide is None:
            return one_hot, present
        channels = None if present is None else torch.cat([torch.arange(3, device=present.device), 3 + present])
        return torch.cat([guide, one_hot], dim=1), channels

    def _guide(self, one_hot: Tensor, present: Tensor | None, colors: Tensor | None) -> Tensor | None:
        """The colours of the regions, (B, 3, H, W) in the type of the weights; None if the network takes none."""
        if not self.region_colors:
            if colors is not None:
                raise ValueError("this network takes no colours of regions.")
            return None
        memory_format = self._memory_format(one_hot.device)
        if colors is None:
            of_classes = self.default_colors.to(one_hot.dtype)
            colors = torch.einsum("bnhw,nc->bchw", one_hot, of_classes if present is None else of_classes[present])
            return colors.contiguous(memory_format=memory_format)
        wanted = (len(one_hot), 3, *self.size)
        if not isinstance(colors, Tensor):
            raise ValueError(f"colors must be a tensor, floating point {wanted}, not {type(colors).__name__}.")
        if tuple(colors.shape) != wanted or not colors.is_floating_point():
            raise ValueError(f"colors must be floating point {wanted}, not {colors.dtype} {tuple(colors.shape)}.")
        return colors.to(one_hot).contiguous(memory_format=memory_format)

    def _planes(self, batch: int, noise: Sequence[Tensor] | None) -> list[Tensor]:
        """The planes of noise, in the type and on the device of the weights; [] if the network takes none."""
        if not self.noise_planes:
            if noise:
                raise ValueError("this network takes no noise.")
            return []
        noise = self.noise(0, batch) if noise is None else noise
        wanted = [(batch, 1, *size) for size in self._sizes for _ in range(2)]
        is_tensors = isinstance(noise, Sequence) and all(isinstance(plane, Tensor) for plane in noise)
        if not is_tensors or [tuple(plane.shape) for plane in noise] != wanted:
            raise ValueError(f"noise must be {len(wanted)} planes for {batch} layouts, as `noise` returns them.")
        return [plane.to(self.to_images.weight) for plane in noise]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the layouts that go in and the images that come out, in pixels."""
        return self._sizes[-1]

    @property
    def _sizes(self) -> list[tuple[int, int]]:
        """(height, width) at which each module works."""
        return [(self.base_size[0] * 2**i, self.base_size[1] * 2**i) for i in range(len(self.widths))]

    @property
    def _layout_channels(self) -> int:
        """How many channels each module gets of the layout: colours, if it has them, classes, and unlabelled last."""
        return 3 * self.region_colors + len(self.classes) + 1

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
        starts near that. Base sizes may differ, too: no weight depends on the size of the images.

        Returns:
            How many modules were taken over.

        Raises:
            ValueError: if the widths of the common modules differ.
        """
        self.check_start(other)
        common = len(other.widths)
        for before, stage, start in zip(self._widths_before, self.stages[:common], other.stages, strict=False):
            own, theirs = stage.state_dict(), start.state_dict()
            kernel = self._grown_kernel(own["conv1.weight"], theirs["conv1.weight"], before, other)
            common_keys = own.keys() & theirs.keys()
            stage.load_state_dict({**own, **{key: theirs[key] for key in common_keys}, "conv1.weight": kernel})
        if common == len(self.widths):
            self._take_output_from(other)
        if self.region_colors and other.region_colors:
            for index, there in enumerate(self.classes.translation_to(other.classes)[: len(self.classes)]):
                if there != UNLABELLED:
                    self.default_colors[index] = other.default_colors[int(there)]
            self.default_colors[-1] = other.default_colors[-1]
        return common

    def _grown_kernel(self, kernel: Tensor, theirs: Tensor, before: int, other: "CRN") -> Tensor:
        """The kernel of a module's first layer, with the weights of `other` for what that reads too."""
        own, others = (slice(before, before + 3 * network.region_colors) for network in (self, other))

        def without(weights: Tensor, colors: slice) -> Tensor:
            return torch.cat([weights[:, : colors.start], weights[:, colors.stop :]], dim=1)

        matched = self._matching(without(kernel, own), without(theirs, others), before, other)
        of_colors = theirs[:, others] if other.region_colors else NEW_INPUT * kernel[:, own]
        return torch.cat([matched[:, :before], of_colors[:, : own.stop - before], matched[:, before:]], dim=1)

    # -- size and cost -------------------------------------------------------------------------------

    @property
    def convolutions(self) -> list[Convolution]:
        layout_channels, found = self._layout_channels, []
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
        layout_channels = self._layout_channels
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
        normalisations, bias = (6 if self.noise_planes else 4) * sum(self.widths), 3 * self.num_images
        check_parameters(
            f"widths {list(self.widths)} give",
            sum(layer.num_weights for layer in self.convolutions) + normalisations + bias,
        )


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (H, W, 3) -> the same of `size`, (height, width)."""
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _seed(seed: Any) -> int:
    """
    Raises:
        ValueError: unless it is a whole number, 0 or more.
    """
    number = whole_number(seed)
    if number is None or number < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, not {reprlib.repr(seed)}.")
    return number


def _stacked(guides: Iterable[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack([*guides]))


def _as_color(rgb: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = rgb.round().astype(int).tolist()
    return red, green, blue
