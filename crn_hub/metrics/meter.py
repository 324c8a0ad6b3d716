"""Measures one row: the images made from its layout, against its recorded photograph.

Everything is measured on what a user gets: 8 bits per channel, at the size of the evaluation.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from crn_hub.classes import ClassSet
from crn_hub.losses import class_errors, class_masks
from crn_hub.metrics.appearance import sums_of_signals
from crn_hub.metrics.library_networks import load_inception, load_lpips
from crn_hub.metrics.texture import texture_quantiles
from crn_hub.pictures import from_255
from crn_hub.segmentation import Segmenter
from crn_hub.segmentation.agreement import count_pixels
from crn_hub.vgg import LAYERS, FeatureNetwork

RowMeasurements = dict[str, np.ndarray]  # of one row and one source of pictures


class Reference(NamedTuple):
    """The recorded photograph of a row, prepared for comparison."""

    pixels: Tensor  # uint8 (1, 3, H, W)
    features: list[Tensor]  # (1, C, h, w) of each layer
    masks: list[Tensor]  # (1, n + 1, h, w) of each layer
    ids: np.ndarray  # uint8 (H, W)


class Meter:
    """Measures images with its networks. Call `calibrate` first, which sets the weights of the layers.

    Args:
        classes: of the layouts.
        features: the feature network of the perceptual distance.
        segmenter: finds the classes in a picture; without one conformity and textures are not measured.
        device: where the networks run.
    """

    def __init__(self, classes: ClassSet, features: FeatureNetwork, segmenter: Segmenter | None, device: torch.device):
        self.classes, self.device = classes, device
        self.features = features.to(memory_format=torch.channels_last).to(device)
        self.segmenter = segmenter.to(device) if segmenter is not None else None
        self.sees_textures = segmenter is not None and bool(
            segmenter.feature_maps(torch.zeros(1, 3, 64, 64, device=device))
        )
        self.inception, self.no_inception = load_inception()
        self.lpips, self.no_lpips = load_lpips()
        for network in (self.inception, self.lpips):
            if network is not None:
                network.to(device)
        self.layer_weights = torch.ones(len(LAYERS), device=device)

    @torch.inference_mode()
    def prepare(self, pixels: np.ndarray, ids: np.ndarray) -> Reference:
        """Prepares a recorded photograph, uint8 (H, W, 3), with its layout (H, W)."""
        images = self._tensor(pixels[None])
        features = self.features(images.float())
        masks = class_masks(torch.from_numpy(ids)[None].to(self.device), len(self.classes), features)
        return Reference(images, features, masks, ids)

    @torch.inference_mode()
    def calibrate(self, pairs: Iterable[tuple[Reference, Reference]]) -> None:
        """Sets the layer weights so that the average distance of a pair is 1, with equal parts of all layers.

        Raises:
            ValueError: if the photographs are all the same.
        """
        errors = torch.stack([self._errors(one.features, other).sum(dim=0) for one, other in pairs]).mean(dim=0)
        if not (errors > 0).all():
            raise ValueError("the photographs of the rows are all the same: distances cannot be calibrated with them.")
        self.layer_weights = 1 / (len(LAYERS) * errors)

    @torch.inference_mode()
    def measure(self, images: np.ndarray, chosen: int, reference: Reference, ids: np.ndarray) -> RowMeasurements:
        """
        Args:
            images: uint8 (K, H, W, 3).
            chosen: the index of the image to measure; the others only count for diversity.
            reference: the recorded photograph of the row.
            ids: what the images show, uint8 (H, W): the layout of the row, or of another if they are of another.

        Returns:
            By name: "perceptual" (n + 1,), the parts of the distance that each class has; "share" (n + 1,), the share
            of the pixels of each class; "psnr" in dB, "ssim", "lpips"; "diversity" and "lpips_diversity" for K > 1;
            "signals" (n + 1, ...) of `sums_of_signals`; "counts" (n, n + 1) of `count_pixels`; "texture" of
            `texture_quantiles`; "features_..." (C,) for distances between sets of pictures.
        """
        pixels = self._tensor(images)
        features = [self.features(image[None].float()) for image in pixels]
        image = pixels[chosen : chosen + 1]
        errors = self._errors(features[chosen], reference)
        record: dict[str, Any] = {
            "perceptual": (errors * self.layer_weights).sum(dim=-1),
            "share": reference.masks[0].mean(dim=(0, 2, 3)),
            "psnr": peak_signal_noise_ratio(image.float(), reference.pixels.float(), data_range=255.0),
            "ssim": structural_similarity_index_measure(image.float(), reference.pixels.float(), data_range=255.0),
            "features_perceptual": features[chosen][-1].mean(dim=(0, 2, 3)),
            "signals": sums_of_signals(images[chosen], ids, len(self.classes)),
        }
        pairs = [*combinations(range(len(images)), 2)]
        if pairs:
            apart = [self._distance(features[i], features[j]) for i, j in pairs]
            record["diversity"] = torch.stack(apart).mean()
        if self.lpips is not None:
            record["lpips"] = self._lpips(image, reference.pixels)
            if pairs:
                apart = [self._lpips(pixels[i : i + 1], pixels[j : j + 1]) for i, j in pairs]
                record["lpips_diversity"] = torch.stack(apart).mean()
        if self.inception is not None:
            record["features_inception"] = self.inception(image)[0]
        if self.segmenter is not None:
            found, seen = self.segmenter.label(image.float())
            record["counts"] = count_pixels(
                found[0].cpu().numpy(), self.segmenter.findable[reference.ids], len(self.classes)
            )
            record["features_segmenter"] = seen[0]
            if self.sees_textures:
                record["texture"] = texture_quantiles(self.segmenter, image, ids, self.classes)
        return {name: v if isinstance(v, np.ndarray) else v.float().cpu().numpy() for name, v in record.items()}

    def _errors(self, given: list[Tensor], reference: Reference) -> Tensor:
        """The error of each class in each layer (n + 1, layers), unweighted."""
        return class_errors([layer[:, None] for layer in given], reference.features, reference.masks)[0, 0]

    def _distance(self, one: list[Tensor], other: list[Tensor]) -> Tensor:
        """The perceptual distance of two pictures, from the features of each layer."""
        means = torch.stack([(a - b).abs().mean() for a, b in zip(one, other, strict=True)])
        return (means * self.layer_weights).sum()

    def _lpips(self, one: Tensor, other: Tensor) -> Tensor:
        return self.lpips(from_255(one), from_255(other))

    def _tensor(self, pixels: np.ndarray) -> Tensor:
        """uint8 (K, H, W, 3) -> (K, 3, H, W) on the device."""
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(self.device)
