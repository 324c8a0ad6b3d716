"""The systems to compare: which network is trained by which loss (section 5, "Baselines"; and SPADE)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from crn_hub.classes import ClassSet
from crn_hub.networks import FullResolutionNetwork, SPADEGenerator, UNet
from crn_hub.networks.cascade import CRN
from crn_hub.networks.fixed_size import FixedSizeNetwork
from crn_hub.networks.hub_model import HubModel

SystemName = Literal["crn", "image-space", "gan-segmentation", "pix2pix", "encoder-decoder", "full-resolution", "spade"]


@dataclass(frozen=True)
class System:
    """A network and how it is trained.

    Attributes:
        generator: the class of the network.
        loss: what the images are compared by.
        description: for the model card.
        adversarial: whether there is a discriminator too.
        weight: of the loss beside the discriminator.
        learning_rate, adam_beta1: of all optimisers, where the command line doesn't say.
        settings: for the generator.
    """

    generator: type[CRN] | type[FixedSizeNetwork]
    loss: Literal["perceptual", "image", "segmentation"]
    description: str
    adversarial: bool = False
    weight: float = 1.0
    learning_rate: float = 3e-4
    adam_beta1: float = 0.9
    settings: Mapping[str, Any] = field(default_factory=dict)

    def knows(self, setting: str) -> bool:
        """Whether a setting of `stages.PRESETS`, which are the cascade's, is one of this system too."""
        if setting in ("widths", "train_modules"):
            return self.generator is CRN
        if setting in ("num_images", "perceptual_net", "calibration_epoch"):
            return self.loss == "perceptual"
        return not (self.adversarial and setting == "learning_rate")

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
            start: the network whose weights it will take over, for what else they settle.

        Raises:
            ValueError: if these make no network.
        """
        if self.generator is CRN:
            halvings = len(widths) - 1
            return CRN(classes, widths, (size[0] >> halvings, size[1] >> halvings), num_images)
        generator: Any = self.generator
        settings = dict(self.settings)
        if isinstance(start, FullResolutionNetwork):
            settings["dilations"] = start.dilations
        return generator(classes, size, *widths, num_images, **settings)


# Learning rate and beta1 of adversarial training are those of pix2pix, as are its dropout and the weight of L1. For the
# segmentation loss no weight is given; it counts as much as the adversary, as classification does in AC-GAN (Odena et
# al., ICML 2017).
SYSTEMS: dict[str, System] = {
    "crn": System(CRN, "perceptual", "the cascade with the perceptual loss"),
    "image-space": System(CRN, "image", "the cascade with an image-space loss, L1 in RGB"),
    "gan-segmentation": System(
        CRN,
        "segmentation",
        "GAN and semantic segmentation: the cascade with a conditional 70 x 70 PatchGAN as adversary and the "
        "cross-entropy of a fixed segmentation network",
        adversarial=True,
        learning_rate=2e-4,
        adam_beta1=0.5,
    ),
    "pix2pix": System(
        UNet,
        "image",
        "pix2pix (Isola et al., CVPR 2017): a U-Net with a conditional 70 x 70 PatchGAN as adversary and 100 times L1 "
        "in RGB",
        adversarial=True,
        weight=100.0,
        learning_rate=2e-4,
        adam_beta1=0.5,
        settings={"dropout": 0.5},
    ),
    "encoder-decoder": System(UNet, "perceptual", "encoder-decoder: a U-Net with the perceptual loss"),
    "full-resolution": System(
        FullResolutionNetwork, "perceptual", "full-resolution network: dilated convolutions with the perceptual loss"
    ),
    "spade": System(
        SPADEGenerator, "perceptual", "SPADE, later than that paper: its generator with the perceptual loss"
    ),
}
assert set(SYSTEMS) == set(get_args(SystemName))
