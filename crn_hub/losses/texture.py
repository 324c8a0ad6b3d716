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
from crn_hub.losses.perceptual import PerceptualLoss
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
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            wanted, masks = self.perceptual.wanted(photographs, ids)
            given = self.perceptual.features_of(images)
            errors = self.perceptual.errors(given, wanted, masks)
            loss, terms = self.perceptual.total(errors)
            best = errors.detach().sum(dim=-1).argmin(dim=1)  # (B, n + 1)
            texture = self.weight * self.ramp * self._distance(given, wanted, masks, best)
        return loss + texture, {**terms, "texture": texture.detach()}

    def _distance(self, given: list[Tensor], wanted: list[Tensor], masks: list[Tensor], best: Tensor) -> Tensor:
        """The mean over layers and samples of the distances of textures, in units of the photograph's features."""
        found = []
        for layer in map(LAYERS.index, self.layers):
            rng = np.random.default_rng((self.seed, self.step, layer))
            for sample in range(len(best)):
                real, image = wanted[layer][sample], given[layer][sample]
                found.append(_texture_distance(image, real, masks[layer][sample] > 0.5, best[sample], rng))
        return torch.stack(found).mean()

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
    images: Tensor, photograph: Tensor, masks: Tensor, best: Tensor, rng: np.random.Generator
) -> Tensor:
    """The distance over the classes of one sample in one layer, each weighted by its places; a scalar.

    Args:
        images: features of the k images (K, C, h, w).
        photograph: those of the photograph (C, h, w).
        masks: bool (n + 1, h, w), where each class is.
        best: (n + 1,), which image counts for each class.
        rng: draws projections, the offset of pairs, and places.
    """
    height, width = photograph.shape[1:]
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    size = photograph.abs().mean().clamp(min=1e-6)
    apart = int(rng.integers(1, max(1, min(height, width) // FARTHEST) + 1))
    down, across = (apart, 0) if rng.random() < 0.5 else (0, apart)
    both = F.pad(masks[:, down:, across:], (0, across, 0, down)) & masks  # where a pair begins and ends in one class
    seen = [
        (SINGLES, masks, lambda features: features),
        (PAIRS, both, lambda features: torch.cat([features, features.roll((-down, -across), (-2, -1))], dim=-3)),
    ]
    total, count = photograph.new_zeros(()), masks.sum().clamp(min=1)
    for projections, inside, look in seen:
        real, given = look(photograph), look(images)
        directions = torch.randn(projections, len(real), generator=generator)
        directions = F.normalize(directions, dim=1).to(photograph)
        tags = torch.randn(projections, generator=generator).to(photograph) * size
        for kind in inside.flatten(1).sum(dim=1).ge(FEWEST).nonzero().flatten().tolist():
            rows, columns = _some(inside[kind], generator)
            tag = (2 * rows / height - 1)[:, None] * tags
            one, other = (
                (features[:, rows, columns].T @ directions.T + tag).sort(dim=0).values
                for features in (given[int(best[kind])], real)
            )
            share = inside[kind].sum() / count * projections / (SINGLES + PAIRS)
            total = total + share * (one - other).abs().mean()
    return total / size


def _some(inside: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows and columns of at most `MOST` places of a mask (h, w), drawn by chance."""
    rows, columns = inside.nonzero(as_tuple=True)
    if len(rows) > MOST:
        chosen = torch.randint(len(rows), (MOST,), generator=generator).to(rows.device)
        rows, columns = rows[chosen], columns[chosen]
    return rows, columns
