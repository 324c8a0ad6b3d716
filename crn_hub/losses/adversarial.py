"""The adversarial loss, of the systems "pix2pix" and "gan-segmentation"."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.losses.loss import Loss
from crn_hub.networks.one_hot import one_hot
from crn_hub.networks.patch_discriminator import PatchDiscriminator


class AdversarialLoss(Loss):
    """What an adversary leaves to be desired, and another loss beside it (Isola et al., CVPR 2017, section 3.1).

    The generator's objective is the form that does not saturate, -log D; the discriminator's is halved, as there
    (section 3.3), to slow it down relative to the generator.

    Args:
        discriminator: the adversary. Its own step is not this loss but `of_discriminator`.
        num_classes: n.
        beside: the other loss.
        weight: of the other loss.
    """

    def __init__(self, discriminator: PatchDiscriminator, num_classes: int, beside: Loss, weight: float):
        super().__init__()
        self.discriminator, self.num_classes, self.beside, self.weight = discriminator, num_classes, beside, weight
        self.terms = ("adversarial", *beside.terms)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.discriminator.requires_grad_(False)  # this gradient is the generator's alone
        logits = self.discriminator(one_hot(ids, self.num_classes), images[:, 0])
        self.discriminator.requires_grad_(True)
        adversarial = _cross_entropy(logits, 1.0)
        beside, terms = self.beside(images, photographs, ids)
        weighted = {name: self.weight * term for name, term in terms.items()}
        return adversarial + self.weight * beside, {"adversarial": adversarial.detach(), **weighted}

    def of_discriminator(
        self, judge: Callable[[Tensor, Tensor], Tensor], images: Tensor, photographs: Tensor, ids: Tensor
    ) -> Tensor:
        """The discriminator's own loss: how badly it tells photographs from images.

        Args:
            judge: the discriminator, or what a run has made of it.
            images, photographs, ids: as for `forward`.
        """
        layouts = one_hot(ids, self.num_classes)
        # One call for both: processes that train together count the calls.
        logits = judge(torch.cat([layouts, layouts]), torch.cat([photographs, images[:, 0].detach()]))
        recorded, made = logits.chunk(2)
        return (_cross_entropy(recorded, 1.0) + _cross_entropy(made, 0.0)) / 2


def _cross_entropy(logits: Tensor, wanted: float) -> Tensor:
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))
