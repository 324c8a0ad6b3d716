"""The losses of the systems that the paper compares with: in the image itself, by a segmentation network, adversarial.

They know one image per layout, K = 1; of several they look at the first.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.baselines import PatchDiscriminator
from crn_hub.classes import UNLABELLED
from crn_hub.hub_model import one_hot
from crn_hub.losses.loss import Loss
from crn_hub.segmentation import Segmenter
from crn_hub.text import clause


class ImageLoss(Loss):
    """The mean absolute difference to the photograph in RGB, on the -1..1 scale (L1)."""

    terms = ("l1",)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss = (images[:, 0].float() - photographs).abs().mean()
        return loss, {"l1": loss.detach()}


class SegmentationLoss(Loss):
    """The cross-entropy of a fixed segmentation network, which should find the layout in the image.

    It is the mean over the pixels that are labelled with a class that the network can find; 0 where none is.

    Args:
        segmenter: the network, frozen.

    Raises:
        ValueError: if no gradient comes back through what the network does with its pictures.
    """

    terms = ("segmentation",)
    findable: Tensor

    def __init__(self, segmenter: Segmenter):
        super().__init__()
        try:
            learns = segmenter(torch.zeros(1, 3, 64, 64, requires_grad=True))[0].requires_grad
            trouble = "its preprocessing lets no gradient through"
        except (RuntimeError, TypeError, ValueError) as error:  # of preprocessing that makes PIL images of tensors
            learns, trouble = False, f"no gradient comes back through it ({clause(error)})"
        if not learns:
            raise ValueError(
                f"{segmenter.name}: {trouble}, so nothing can be trained with it; networks of crn train-segmenter "
                "serve, and those of transformers that preprocess with torchvision."
            )
        self.segmenter = segmenter
        known = torch.tensor(segmenter.known + [False] * (256 - len(segmenter.known)))
        self.register_buffer("findable", known, persistent=False)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        scores, _ = self.segmenter((images[:, 0].float() + 1) * 127.5)  # (B, n + 1, H, W)
        counted = self.findable[ids.long()]
        wanted = ids.long().masked_fill(~counted, UNLABELLED)
        total = F.cross_entropy(scores.float(), wanted, ignore_index=UNLABELLED, reduction="sum")
        loss = total / counted.sum().clamp(min=1)
        return loss, {"segmentation": loss.detach()}


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
