"""The loss by a segmentation network, of the system "gan-segmentation"."""

import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.classes import UNLABELLED
from crn_hub.losses.loss import Loss
from crn_hub.pictures import to_255
from crn_hub.segmentation import Segmenter
from crn_hub.text import clause


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
        scores, _ = self.segmenter(to_255(images[:, 0].float()))  # (B, n + 1, H, W)
        counted = self.findable[ids.long()]
        wanted = ids.long().masked_fill(~counted, UNLABELLED)
        total = F.cross_entropy(scores.float(), wanted, ignore_index=UNLABELLED, reduction="sum")
        loss = total / counted.sum().clamp(min=1)
        return loss, {"segmentation": loss.detach()}
