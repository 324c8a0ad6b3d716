"""The loss of a segmentation network, of the system "gan-segmentation"."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.classes import UNLABELLED
from crn_hub.fingerprint import fingerprint
from crn_hub.losses.loss import Loss
from crn_hub.pictures import to_255
from crn_hub.segmentation import Segmenter
from crn_hub.text import clause


class SegmentationLoss(Loss):
    """The cross-entropy of a fixed segmentation network, which should find the layout in the image.

    It is the mean over all pixels labelled with a class that the network knows, or with a part of one; 0 if there are
    none. Of several images per layout it looks at the first.

    Args:
        segmenter: the network, frozen.

    Raises:
        ValueError: if no gradient comes back through the network's preprocessing.
    """

    terms = ("segmentation",)
    findable: Tensor

    def __init__(self, segmenter: Segmenter):
        super().__init__()
        try:
            is_differentiable = segmenter(torch.zeros(1, 3, 64, 64, requires_grad=True))[0].requires_grad
            problem = "its preprocessing lets no gradient through"
        except (RuntimeError, TypeError, ValueError) as error:  # from preprocessing that makes PIL images of tensors
            is_differentiable, problem = False, f"no gradient comes back through it ({clause(error)})"
        if not is_differentiable:
            raise ValueError(
                f"{segmenter.name}: {problem}, so nothing can be trained with it; use a network of crn "
                "train-segmenter, or one of transformers that preprocesses with torchvision."
            )
        self.segmenter = segmenter
        self.register_buffer("findable", torch.from_numpy(segmenter.findable).long(), persistent=False)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        scores, _ = self.segmenter(to_255(images[:, 0].float()))  # (B, n + 1, H, W)
        target = self.findable[ids.long()]
        counted = target != UNLABELLED
        total = F.cross_entropy(scores.float(), target, ignore_index=UNLABELLED, reduction="sum")
        loss = total / counted.sum().clamp(min=1)
        return loss, {"segmentation": loss.detach()}

    @property
    def facts(self) -> dict[str, Any]:
        return {"segmenter": fingerprint(self.segmenter, self.segmenter.settings)}
