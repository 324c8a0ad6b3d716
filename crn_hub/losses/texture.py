"""The distance of textures beside the perceptual loss, of the system "crn-textures".

The perceptual loss compares features place by place, so a flat wall costs less than bricks in the wrong places. Here
the features of the output and of the photograph are compared as distributions within the region of each class, by the
sliced Wasserstein distance (Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture
synthesis", CVPR 2021; absolute differences in place of squares). Most projections see pairs of features a random offset
apart, so that lines and repetition count, and all see how high in the picture they are, so that near and far differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.losses.loss import Loss, Seen
from crn_hub.losses.perceptual import PerceptualLoss, WithGradient
from crn_hub.vgg import LAYERS, Layer

TEXTURE_LAYERS: tuple[Layer, ...] = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
SINGLES, PAIRS = 8, 24  # projections of features, and of pairs of features
FEWEST, MOST = 8, 4000  # places of a region in a layer that are compared; with fewer it has no texture
FARTHEST = 4  # a pair is at most a quarter of the picture's smaller side apart
RAMP = 0.1  # of a stage, over which the weight grows: a fresh output layer would make noise first


class TextureLoss(Loss):
    """The perceptual loss plus the distance of textures.

    What it draws at random depends on `seed` and the step that `begin_step` names.

    Args:
        perceptual: the perceptual loss, whose features are used. Of its k images that one counts for a class which is
            the best for it there.
        weight: of the distance of textures.
        layers: those that are compared.
        seed: of the random projections, offsets and places.
    """

    def __init__(self, perceptual: PerceptualLoss, weight: float, layers: Sequence[Layer], seed: int):
        super().__init__()
        self.perceptual, self.weight, self.layers, self.seed = perceptual, weight, tuple(dict.fromkeys(layers)), seed
        self.terms = (*perceptual.terms, "texture")
        self.needs_calibration = perceptual.needs_calibration
        self.step, self.ramp = 0, 1.0

    def begin_step(self, step: int, done: float) -> None:
        self.step, self.ramp = step, min(1.0, done / RAMP)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        perceptual = self.perceptual
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            wanted, masks = perceptual.wanted(photographs, ids)
            if perceptual.image_by_image and images.shape[1] > 1 and images.requires_grad:
                return self._image_by_image(images, wanted, masks)
            given = perceptual.features_of(images)
            errors = perceptual.errors(given, wanted, masks)
            loss, terms = perceptual.total(errors)
            texture = self._distance(given, wanted, masks, perceptual.best(errors))
        return loss + texture, {**terms, "texture": texture.detach()}

    def _image_by_image(
        self, images: Tensor, wanted: list[Tensor], masks: list[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The same, keeping what the gradient needs of one image at a time (see `PerceptualLoss`)."""
        perceptual = self.perceptual
        with torch.no_grad():
            each = images.split(1, dim=1)
            errors = torch.cat([perceptual.errors(perceptual.features_of(i), wanted, masks) for i in each], dim=1)
        loss, terms = perceptual.total(errors)
        shares, best = perceptual.shares(errors) / len(images), perceptual.best(errors)
        texture, gradients = torch.zeros_like(loss), []
        for number, (image, share) in enumerate(zip(images.detach().split(1, 1), shares.split(1, 1), strict=True)):
            with torch.enable_grad():
                image = image.requires_grad_()
                given = perceptual.features_of(image)
                of_image = self._distance(given, wanted, masks, torch.zeros_like(best), best == number)
                part = (share[..., None] * perceptual.errors(given, wanted, masks)).sum() + of_image
            gradients += torch.autograd.grad(part, image)
            texture += of_image.detach()
        total = WithGradient.apply(images, loss + texture, torch.cat(gradients, dim=1))
        return total, {**terms, "texture": texture}

    def _distance(
        self,
        given: list[Tensor],
        wanted: list[Tensor],
        masks: list[Tensor],
        best: Tensor,
        counted: Tensor | None = None,
    ) -> Tensor:
        """The distance of textures, weighted: the mean over layers and samples, in units of the photograph's features.

        Args:
            given, wanted, masks: of `PerceptualLoss`.
            best: (B, n + 1), which image counts for each class.
            counted: bool (B, n + 1), the classes that count; all by default.
        """
        found = []
        for layer in map(LAYERS.index, self.layers):
            rng = np.random.default_rng((self.seed, self.step, layer))
            for sample, images_of_classes in enumerate(best.tolist()):
                of_classes = {kind: given[layer][sample, image] for kind, image in enumerate(images_of_classes)}
                if counted is not None:
                    of_classes = {kind: image for kind, image in of_classes.items() if counted[sample, kind]}
                found.append(_texture_distance(of_classes, wanted[layer][sample], masks[layer][sample] > 0.5, rng))
        return self.weight * self.ramp * torch.stack(found).mean()

    # -- passed on to the perceptual loss -------------------------------------------------------------

    @property
    def weights(self) -> dict[str, float]:
        return self.perceptual.weights

    def load_weights(self, weights: Mapping[str, float]) -> None:
        self.perceptual.load_weights(weights)

    def reset_weights(self) -> None:
        self.perceptual.reset_weights()

    def calibrate(self, batches: Iterable[Seen]) -> None:
        self.perceptual.calibrate(batches)

    @property
    def facts(self) -> dict[str, Any]:
        return self.perceptual.facts


def _texture_distance(
    images: Mapping[int, Tensor], photograph: Tensor, masks: Tensor, rng: np.random.Generator
) -> Tensor:
    """The distance over the classes of one sample in one layer, each weighted by its places; a scalar.

    Args:
        images: for each class that counts the features of its image (C, h, w).
        photograph: those of the photograph (C, h, w).
        masks: bool (n + 1, h, w), where each class is.
        rng: draws projections, the offset of pairs, and places.
    """
    channels, height, width = photograph.shape
    size = photograph.abs().mean().clamp(min=1e-6)
    apart = int(rng.integers(1, max(1, min(height, width) // FARTHEST) + 1))
    down, across = (apart, 0) if rng.random() < 0.5 else (0, apart)
    both = F.pad(masks[:, down:, across:], (0, across, 0, down)) & masks  # where a pair begins and ends in one class
    total, count = photograph.new_zeros(()), masks.sum().clamp(min=1)
    for projections, inside, offsets in ((SINGLES, masks, [(0, 0)]), (PAIRS, both, [(0, 0), (down, across)])):
        seeds = rng.integers(2**63, size=1 + len(masks)).tolist()  # one for each class, whichever others count
        generator = torch.Generator().manual_seed(seeds[-1])
        directions = torch.randn(projections, channels * len(offsets), generator=generator)
        directions = F.normalize(directions, dim=1).to(photograph)
        tags = torch.randn(projections, generator=generator).to(photograph) * size
        places = inside.flatten(1).sum(dim=1).tolist()
        for kind, image in images.items():
            if places[kind] < FEWEST:
                continue
            rows, columns = _some(inside[kind], seeds[kind])
            tag = (2 * rows / height - 1)[:, None] * tags
            one, other = (
                (torch.cat([seen[:, rows + y, columns + x] for y, x in offsets]).T @ directions.T + tag).sort(dim=0)
                for seen in (image, photograph)
            )
            share = places[kind] / count * projections / (SINGLES + PAIRS)
            total = total + share * (one.values - other.values).abs().mean()
    return total / size


def _some(inside: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of at most `MOST` places of a mask (h, w), drawn by chance."""
    rows, columns = inside.nonzero(as_tuple=True)
    if len(rows) > MOST:
        chosen = torch.randint(len(rows), (MOST,), generator=torch.Generator().manual_seed(seed)).to(rows.device)
        rows, columns = rows[chosen], columns[chosen]
    return rows, columns
