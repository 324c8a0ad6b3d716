"""The losses of the systems: each compares images with photographs and ids, and returns the loss and its terms."""

from crn_hub.losses.adversarial import AdversarialLoss
from crn_hub.losses.image import ImageLoss
from crn_hub.losses.loss import Loss, Opponent, Seen
from crn_hub.losses.perceptual import (
    PUBLISHED_WEIGHTS,
    BestImage,
    PerceptualLoss,
    class_errors,
    class_masks,
)
from crn_hub.losses.segmentation import SegmentationLoss

__all__ = [
    "PUBLISHED_WEIGHTS",
    "AdversarialLoss",
    "BestImage",
    "ImageLoss",
    "Loss",
    "Opponent",
    "PerceptualLoss",
    "Seen",
    "SegmentationLoss",
    "class_errors",
    "class_masks",
]
