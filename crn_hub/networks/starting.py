"""How a network starts: with small weights, with k images alike, or from a network whose classes may differ."""

import numpy as np
import torch
from torch import Tensor, nn

from crn_hub.classes import UNLABELLED, ClassSet

# How much the k images differ at the start, as a share of what independent weights would give. If they had nothing in
# common, one would be the best everywhere at first, and the others stay noise (benchmarks/model_in_the_box).
IMAGE_SPREAD = 0.1


def start_small(module: nn.Module) -> None:
    """Draws the weights of a convolution from a normal distribution with deviation 0.02, as pix2pix does (6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)


@torch.no_grad()
def start_alike(output_weights: list[Tensor]) -> None:
    """Makes the k images almost the same (see `IMAGE_SPREAD`).

    Args:
        output_weights: the parameters of the output layer, each (3, K, ...); changed in place.
    """
    for images in output_weights:
        if images.is_meta:  # a network is being loaded; to compute with it would import SymPy
            continue
        images.lerp_(images[:, :1].clone().expand_as(images), 1 - IMAGE_SPREAD)


@torch.no_grad()
def take_over_images(output_weights: list[Tensor], theirs: list[Tensor]) -> None:
    """Takes over an output layer that makes the same number of images, or one, near which each image here starts.

    Args:
        output_weights: the parameters of the output layer, each (3, K, ...); changed in place.
        theirs: those of the other network.
    """
    for images, their_images in zip(output_weights, theirs, strict=True):
        if their_images.shape == images.shape:
            images.copy_(their_images)
        elif their_images.shape[1] == 1:
            images.add_(their_images - images[:, :1])  # the images differ from one another as before


def take_over_classes(
    kernel: Tensor, theirs: Tensor, before: int, classes: ClassSet, their_classes: ClassSet
) -> Tensor:
    """The kernel of a layer that reads a layout, with the weights of another network for each class that it has too.

    A class that it lacks starts with the weights of the class that it is part of.

    Args:
        kernel, theirs: (C, before + n + 1, h, w), here and there.
        before: how many channels come before those of the layout.
        classes, their_classes: of the layout, here and there.
    """
    source = classes.translation_to(their_classes)[: len(classes)]  # the id there of each class here
    here = torch.from_numpy(np.flatnonzero(source != UNLABELLED))
    there = torch.from_numpy(source[source != UNLABELLED].astype(np.int64))
    kernel = kernel.clone()
    kernel[:, :before] = theirs[:, :before]
    kernel[:, before + here] = theirs[:, before + there]
    kernel[:, -1] = theirs[:, -1]
    return kernel
