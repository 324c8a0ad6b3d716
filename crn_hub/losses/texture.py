"""The distance of textures beside the perceptual loss, of the system "crn-textures".

The perceptual loss compares features place by place, so a flat wall costs less than bricks in the wrong places. Here
the features of the output and of the photograph are compared as distributions within the region of each class, by the
sliced Wasserstein distance (Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture
synthesis", CVPR 2021; absolute differences in place of squares). Pairs of features a random offset apart, and a tag
that tells how high in the picture a feature is, were tried and brought nothing (benchmarks/parts).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.losses.loss import Loss, Seen
from crn_hub.losses.perceptual import PerceptualLoss, WithGradient
from crn_hub.vgg import LAYERS, Layer

TEXTURE_LAYERS: tuple[Layer, ...] = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
PROJECTIONS = 32  # random directions on which the features of a layer are compared
FEWEST, MOST = 8, 4000  # places of a region in a layer that are compared; with fewer it has no texture
RAMP = 0.1  # of a stage, over which the weight grows: a fresh output layer would make noise first


class TextureLoss(Loss):
    """The perceptual loss plus the distance of textures.

    What it draws at random depends on `seed` and the step that `begin_step` names.

    Args:
        perceptual: the perceptual loss, whose features are used. Of its k images that one counts for a class which is
            the best for it there.
        weight: of the distance of textures.
        layers: those that are compared.
        seed: of the random projections and places.
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
            found.append(_texture_distance(given[layer], wanted[layer], masks[layer] > 0.5, best, counted, rng))
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
    images: Tensor,
    photographs: Tensor,
    masks: Tensor,
    best: Tensor,
    counted: Tensor | None,
    rng: np.random.Generator,
) -> Tensor:
    """The distance in one layer: the mean over samples of that over classes, each weighted by its places; a scalar.

    Args:
        images: their features (B, K, C, h, w).
        photographs: the features of the photographs (B, C, h, w).
        masks: bool (B, n + 1, h, w), where each class is.
        best: (B, n + 1), which image counts for each class.
        counted: bool (B, n + 1), the classes that count; None for all.
        rng: draws projections and places; the same whichever classes count.
    """
    sizes = photographs.abs().mean(dim=(1, 2, 3)).clamp(min=1e-6)  # the unit of the distance, (B,)
    areas = masks.sum(dim=(1, 2, 3)).clamp(min=1)
    directions = _to(photographs, rng.standard_normal((PROJECTIONS, photographs.shape[1]), np.float32))
    directions = F.normalize(directions, dim=1)
    places = _Places.draw(masks, counted, rng)
    if not len(places.sizes):
        return photographs.new_zeros(())
    sample = places.group // masks.shape[1]
    image = best.flatten()[places.group]
    one, other = (
        places.sorted(directions @ features.T)
        for features in (
            images.flatten(3)[sample, image, :, places.place],
            photographs.flatten(2)[sample, :, places.place],
        )
    )
    shares = (masks.sum(dim=(2, 3)) / areas[:, None] / sizes[:, None]).flatten()[places.groups]
    distances = (one - other).abs().sum(dim=(0, 2)) / _to(photographs, places.sizes) / PROJECTIONS
    return (shares * distances).sum() / len(photographs)


@dataclass(frozen=True)
class _Places:
    """The places of a layer that are compared, M in all, by group: a class of a sample, G groups.

    Attributes:
        group: for each place the number of its group in the batch, sample * (n + 1) + class, (M,).
        place: row * width + column, (M,).
        slot: where it goes in a table (G, most), flat, (M,).
        groups: the numbers of the G groups.
        sizes: how many places each of them has, (G,), on the CPU.
    """

    group: Tensor
    place: Tensor
    slot: Tensor
    groups: Tensor
    sizes: np.ndarray

    @classmethod
    def draw(cls, inside: Tensor, counted: Tensor | None, rng: np.random.Generator) -> "_Places":
        """Of each group with at least `FEWEST` places in the masks (B, n + 1, h, w) at most `MOST`, by chance."""
        counts = inside.sum(dim=(2, 3)).flatten().cpu().numpy()
        starts = np.cumsum(counts) - counts
        drawn = {group: rng.integers(counts[group], size=MOST) for group in np.flatnonzero(counts > MOST)}
        wanted = counts >= FEWEST if counted is None else (counts >= FEWEST) & counted.flatten().cpu().numpy()
        groups = np.flatnonzero(wanted)
        sizes = np.minimum(counts[groups], MOST)
        within = [drawn[g] if g in drawn else np.arange(counts[g]) for g in groups]
        chosen = np.concatenate([starts[g] + of_group for g, of_group in zip(groups, within, strict=True)] or [[]])
        slots = [most * row + np.arange(size) for most in [sizes.max(initial=0)] for row, size in enumerate(sizes)]
        flat = inside.flatten().nonzero()[_to(inside, chosen.astype(np.int64)), 0]
        area = inside.shape[2] * inside.shape[3]
        slot = np.concatenate(slots or [[]]).astype(np.int64)
        return cls(flat // area, flat % area, _to(inside, slot), _to(inside, groups), sizes)

    def sorted(self, values: Tensor) -> Tensor:
        """(P, M) -> (P, G, most), the values of each group in order, at the end of each row one and the same number.

        One call sorts all groups, because a GPU takes longer to begin a small sort than to do it.
        """
        most = int(self.sizes.max())
        table = values.new_full((len(values), len(self.sizes) * most), torch.finfo(values.dtype).max)
        table[:, self.slot] = values
        return table.unflatten(1, (len(self.sizes), most)).sort(dim=2).values


def _to(like: Tensor, values: np.ndarray) -> Tensor:
    """On the device of another tensor."""
    return torch.from_numpy(values).to(like.device)
