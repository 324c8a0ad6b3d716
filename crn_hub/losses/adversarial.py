"""The adversarial loss beside another one, of the systems "pix2pix" and "gan-segmentation"."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.losses.loss import Loss, Opponent, Seen
from crn_hub.networks.one_hot import one_hot
from crn_hub.networks.patch_discriminator import PatchDiscriminator


class AdversarialLoss(Loss):
    """How well the discriminator tells images from photographs, plus another loss (Isola et al., CVPR 2017, section
    3.1).

    The generator minimises -log D, which does not saturate; the discriminator's own loss is halved to slow it down
    relative to the generator (both as in section 3.3 there). Of several images per layout it looks at the first.

    Args:
        discriminator: the adversary, which is trained on `discriminator_loss`.
        num_classes: n.
        beside: the other loss.
        weight: of the other loss.
    """

    def __init__(self, discriminator: PatchDiscriminator, num_classes: int, beside: Loss, weight: float):
        super().__init__()
        self.discriminator, self.num_classes, self.beside, self.weight = discriminator, num_classes, beside, weight
        self.terms = ("adversarial", *beside.terms)
        self.needs_calibration = beside.needs_calibration
        self.opponent = Opponent("discriminator", discriminator, self.discriminator_loss)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.discriminator.requires_grad_(False)  # this gradient is the generator's alone
        logits = self.discriminator(one_hot(ids, self.num_classes), images[:, 0])
        self.discriminator.requires_grad_(True)
        adversarial = _cross_entropy(logits, 1.0)
        beside, terms = self.beside(images, photographs, ids)
        weighted = {name: self.weight * term for name, term in terms.items()}
        return adversarial + self.weight * beside, {"adversarial": adversarial.detach(), **weighted}

    def discriminator_loss(self, discriminator: nn.Module, images: Tensor, photographs: Tensor, ids: Tensor) -> Tensor:
        """The discriminator's own loss: how badly it tells photographs from images.

        Args:
            discriminator: this loss's, or what training has wrapped around it.
            images, photographs, ids: as for `forward`.
        """
        layouts = one_hot(ids, self.num_classes)
        # One call for both halves: with several processes, a wrapped network must be called once per backward pass.
        logits = discriminator(torch.cat([layouts, layouts]), torch.cat([photographs, images[:, 0].detach()]))
        real, fake = logits.chunk(2)
        return (_cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)) / 2

    # -- passed on to the other loss ------------------------------------------------------------------

    @property
    def weights(self) -> dict[str, float]:
        return self.beside.weights

    def load_weights(self, weights: Mapping[str, float]) -> None:
        self.beside.load_weights(weights)

    def reset_weights(self) -> None:
        self.beside.reset_weights()

    def calibrate(self, batches: Iterable[Seen]) -> None:
        self.beside.calibrate(batches)

    @property
    def facts(self) -> dict[str, Any]:
        return self.beside.facts


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
