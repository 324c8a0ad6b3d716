"""The systems to compare: which network is trained by which loss (section 5, "Baselines"; and SPADE)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch

from crn_hub.classes import ClassSet
from crn_hub.losses import PUBLISHED_WEIGHTS, AdversarialLoss, ImageLoss, Loss, PerceptualLoss, SegmentationLoss
from crn_hub.losses.texture import TEXTURE_LAYERS, TextureLoss
from crn_hub.networks import CRN, FullResolutionNetwork, HubModel, PatchDiscriminator, SPADEGenerator, UNet
from crn_hub.networks.fixed_size import FixedSizeNetwork
from crn_hub.segmentation import load_segmenter
from crn_hub.training.arguments import Arguments, SystemName
from crn_hub.vgg import LAYERS, load_features


@dataclass(frozen=True)
class LossRecipe:
    """How a loss is made from the command line.

    Attributes:
        kind: what messages call it.
        build: makes it from the arguments and the classes.
        check: raises a ValueError for arguments of its own that don't go together.
        arguments: names of the arguments that only this loss understands.
        required: one of them that must be given, and what for.
        several_images: whether it compares several images per layout.
        whole_images: whether it needs whole images, not windows of them.
    """

    kind: str
    build: Callable[[Arguments, ClassSet], Loss]
    check: Callable[[Arguments], None] = lambda args: None
    arguments: tuple[str, ...] = ()
    required: tuple[str, str] | None = None
    several_images: bool = False
    whole_images: bool = False


def _perceptual(args: Arguments, classes: ClassSet) -> PerceptualLoss:
    features = load_features(args.perceptual_net).to(memory_format=torch.channels_last)
    loss = PerceptualLoss(features, len(classes), args.loss_layers, args.best_image, args.loss_image_by_image)
    if args.loss_weights in PUBLISHED_WEIGHTS:
        loss.use_published_weights(args.loss_weights)
    return loss


def _check_perceptual(args: Arguments) -> None:
    if args.calibration_step is not None and args.calibration_epoch is not None:
        raise ValueError("--calibration_step and --calibration_epoch set the same thing; give only one of them.")
    if args.loss_weights in PUBLISHED_WEIGHTS and (args.calibration_step, args.calibration_epoch) != (None, None):
        raise ValueError(f"--loss_weights {args.loss_weights} are not measured: leave out when to calibrate.")
    if not args.loss_layers:
        raise ValueError(f"--loss_layers names no layer; use some of {', '.join(LAYERS)}.")


def _segmentation(args: Arguments, classes: ClassSet) -> Loss:
    assert args.segmenter is not None  # a required argument, which preparation has checked
    return SegmentationLoss(load_segmenter(args.segmenter, classes))


def _texture(args: Arguments, classes: ClassSet) -> Loss:
    return TextureLoss(_perceptual(args, classes), args.texture_weight, args.texture_layers, args.seed)


def _check_texture(args: Arguments) -> None:
    _check_perceptual(args)
    if not args.texture_layers:
        raise ValueError(f"--texture_layers names no layer; use some of {', '.join(TEXTURE_LAYERS)}.")


PERCEPTUAL = LossRecipe(
    "perceptual",
    _perceptual,
    _check_perceptual,
    arguments=(
        "perceptual_net", "loss_layers", "best_image", "loss_weights", "calibration_step", "calibration_epoch",
        "loss_image_by_image",
    ),
    several_images=True,
)  # fmt: skip
TEXTURE = LossRecipe(
    "texture",
    _texture,
    _check_texture,
    arguments=(*PERCEPTUAL.arguments, "texture_weight", "texture_layers"),
    several_images=True,
)  # fmt: skip
IMAGE_SPACE = LossRecipe("image-space", lambda *_: ImageLoss())
SEGMENTATION = LossRecipe(
    "segmentation",
    _segmentation,
    arguments=("segmenter",),
    required=(
        "segmenter",
        "looks at its images with a segmentation network: give one with --segmenter; crn train-segmenter makes one",
    ),
    whole_images=True,
)
RECIPES = (PERCEPTUAL, TEXTURE, IMAGE_SPACE, SEGMENTATION)


@dataclass(frozen=True)
class System:
    """A network and how it is trained.

    Attributes:
        generator: the class of the network.
        loss: how its images are compared with photographs.
        description: for the model card.
        adversarial: whether there is a discriminator too.
        weight: of the loss beside the discriminator.
        learning_rate, adam_beta1: of all optimisers, unless the command line says otherwise.
        settings: for the generator.
    """

    generator: type[CRN] | type[FixedSizeNetwork]
    loss: LossRecipe
    description: str
    adversarial: bool = False
    weight: float = 1.0
    learning_rate: float = 3e-4
    adam_beta1: float = 0.9
    settings: Mapping[str, Any] = field(default_factory=dict)

    def knows(self, setting: str) -> bool:
        """Whether a setting of the presets, which are made for the cascade, applies to this system too."""
        if setting in ("widths", "train_modules"):
            return self.generator is CRN
        if setting == "num_images":
            return self.loss.several_images
        if setting in PERCEPTUAL.arguments:
            return setting in self.loss.arguments
        return not (self.adversarial and setting == "learning_rate")

    @property
    def with_colors(self) -> bool:
        """Whether its network takes the colours of regions."""
        return bool(self.settings.get("region_colors"))

    @property
    def smallest_side(self) -> int:
        """Pixels that each side of what the loss looks at must have: VGG-16 halves it four times."""
        return PatchDiscriminator.SMALLEST if self.adversarial else 16

    def make_loss(self, args: Arguments, classes: ClassSet) -> Loss:
        """The loss, with its networks.

        Raises:
            FileNotFoundError, ConnectionError, ValueError: if a network that it needs cannot be loaded or used.
        """
        loss = self.loss.build(args, classes)
        if self.adversarial:
            loss = AdversarialLoss(PatchDiscriminator(len(classes) + 1), len(classes), loss, self.weight)
        return loss

    def network(
        self,
        classes: ClassSet,
        widths: Sequence[int],
        size: tuple[int, int],
        num_images: int,
        start: HubModel | None = None,
    ) -> HubModel:
        """A fresh network.

        Args:
            widths: of the cascade's modules, coarse to fine; for another network one number.
            size: (height, width) of the images in pixels.
            start: the network whose weights it will take over, and with them the settings that they depend on.

        Raises:
            ValueError: if there is no such network.
        """
        if self.generator is CRN:
            halvings = len(widths) - 1
            return CRN(classes, widths, (size[0] >> halvings, size[1] >> halvings), num_images, **self.settings)
        generator: Any = self.generator
        settings = dict(self.settings)
        if isinstance(start, FullResolutionNetwork):
            settings["dilations"] = start.dilations
        return generator(classes, size, *widths, num_images, **settings)


# Learning rate and beta1 of adversarial training are those of pix2pix, as are its dropout and the weight of L1. For the
# segmentation loss no weight is given; it counts as much as the adversary, as classification does in AC-GAN (Odena et
# al., ICML 2017).
SYSTEMS: dict[str, System] = {
    "crn": System(CRN, PERCEPTUAL, "the cascade with the perceptual loss"),
    "crn-textures": System(
        CRN,
        TEXTURE,
        "the cascade with the colours of regions and noise as inputs, the perceptual loss and a distance of textures",
        settings={"region_colors": True, "noise_planes": True},
    ),
    "image-space": System(CRN, IMAGE_SPACE, "the cascade with an image-space loss, L1 in RGB"),
    "gan-segmentation": System(
        CRN,
        SEGMENTATION,
        "GAN and semantic segmentation: the cascade with a conditional 70 x 70 PatchGAN as adversary and the "
        "cross-entropy of a fixed segmentation network",
        adversarial=True,
        learning_rate=2e-4,
        adam_beta1=0.5,
    ),
    "pix2pix": System(
        UNet,
        IMAGE_SPACE,
        "pix2pix (Isola et al., CVPR 2017): a U-Net with a conditional 70 x 70 PatchGAN as adversary and 100 times L1 "
        "in RGB",
        adversarial=True,
        weight=100.0,
        learning_rate=2e-4,
        adam_beta1=0.5,
        settings={"dropout": 0.5},
    ),
    "encoder-decoder": System(UNet, PERCEPTUAL, "encoder-decoder: a U-Net with the perceptual loss"),
    "full-resolution": System(
        FullResolutionNetwork, PERCEPTUAL, "full-resolution network: dilated convolutions with the perceptual loss"
    ),
    "spade": System(SPADEGenerator, PERCEPTUAL, "SPADE, later than that paper: its generator with the perceptual loss"),
}
assert set(SYSTEMS) == set(get_args(SystemName))


def complete(args: Arguments) -> Arguments:
    """The command line with the learning rate and beta1 of its system, where it doesn't give them."""
    system = SYSTEMS[args.system]
    return replace(
        args,
        learning_rate=args.learning_rate or system.learning_rate,
        adam_beta1=system.adam_beta1 if args.adam_beta1 is None else args.adam_beta1,
    )
