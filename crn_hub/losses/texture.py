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
            texture = self.distance(given, wanted, masks, perceptual.best(errors))
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
                of_image = self.distance(given, wanted, masks, torch.zeros_like(best), best == number)
                part = (share[..., None] * perceptual.errors(given, wanted, masks)).sum() + of_image
            gradients += torch.autograd.grad(part, image)
            texture += of_image.detach()
        total = WithGradient.apply(images, loss + texture, torch.cat(gradients, dim=1))
        return total, {**terms, "texture": texture}

    def distance(
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
            found.append(_texture_distance(given[layer], wanted[layer], masks[layer], best, counted, rng))
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
        masks: (B, n + 1, h, w), the share of each class in each place; a place is of the class with more than half.
        best: (B, n + 1), which image counts for each class.
        counted: bool (B, n + 1), the classes that count; None for all.
        rng: draws projections and places; the same whichever classes count.
    """
    inside = masks > 0.5
    counts = inside.sum(dim=(2, 3)).cpu().numpy()
    directions = rng.standard_normal((PROJECTIONS, photographs.shape[1]), np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    places = _Places.draw(counts, None if counted is None else counted.cpu().numpy(), rng)
    if not len(places.sizes):
        return photographs.new_zeros(())
    # A GPU takes longer to begin these small operations than to do them: what the CPU can prepare goes over at once.
    chosen, slots, samples, groups = _to(masks, places.indices)
    place = inside.flatten(2).flatten(0, 1).nonzero()[chosen, 1]  # row * width + column
    image = samples * images.shape[1] + best.flatten()[groups]
    projections = _to(masks, directions).T
    apart = places.distances(
        _features_at(images.flatten(0, 1), image, place) @ projections,
        _features_at(photographs, samples, place) @ projections,
        slots,
    )
    units = photographs.abs().mean(dim=(1, 2, 3)).clamp(min=1e-6)  # of the distance, (B,)
    return (apart * (_to(masks, places.weights) / units[:, None])).sum()


def _features_at(features: Tensor, samples: Tensor, places: Tensor) -> Tensor:
    """(N, C, h, w), and M numbers of samples and of places in them -> (M, C)."""
    rows = features.permute(0, 2, 3, 1).flatten(0, 2)  # a view, if the features are channels_last
    return F.embedding(samples * (features.shape[-2] * features.shape[-1]) + places, rows)


@dataclass(frozen=True)
class _Places:
    """The places of a layer that are compared, M in all, by group: a class of a sample, G groups.

    Attributes:
        indices: int64 (4, M), for each place its number among all that are of any class, where it goes in a table
            (G, most), its sample, and the number of its group in the batch, sample * (n + 1) + class.
        sizes: how many places each group has, (G,).
        weights: float32 (B, G), how much a group's sum over places and projections counts in the mean over samples; 0
            for groups of another sample.
    """

    indices: np.ndarray
    sizes: np.ndarray
    weights: np.ndarray

    @classmethod
    def draw(cls, counts: np.ndarray, counted: np.ndarray | None, rng: np.random.Generator) -> "_Places":
        """Of each group with at least `FEWEST` places at most `MOST`, by chance.

        Args:
            counts: (B, n + 1), how many places each group has.
            counted: bool (B, n + 1), the groups that count; None for all.
            rng: draws the same whichever groups count.
        """
        of_group = counts.flatten()
        starts = np.cumsum(of_group) - of_group
        drawn = {group: rng.integers(of_group[group], size=MOST) for group in np.flatnonzero(of_group > MOST)}
        wanted = (counts >= FEWEST) & (True if counted is None else counted)
        groups = np.flatnonzero(wanted)
        sizes = np.minimum(of_group[groups], MOST)
        most = sizes.max(initial=0)
        within = [drawn[group] if group in drawn else np.arange(of_group[group]) for group in groups]
        of_groups = [
            np.stack((starts[group] + chosen, most * row + np.arange(len(chosen)), *np.full((2, len(chosen)), group)))
            for row, (group, chosen) in enumerate(zip(groups, within, strict=True))
        ]
        indices = np.concatenate([np.empty((4, 0), np.int64), *of_groups], axis=1)
        samples = groups // counts.shape[1]
        indices[2] //= counts.shape[1]
        weights = np.zeros((len(counts), len(groups)), np.float32)
        shares = of_group[groups] / np.maximum(counts.sum(axis=1), 1)[samples]
        weights[samples, np.arange(len(groups))] = shares / sizes / PROJECTIONS / len(counts)
        return cls(indices, sizes, weights)

    def distances(self, one: Tensor, other: Tensor, slots: Tensor) -> Tensor:
        """(M, P) twice, M places on P projections -> (G,): how far the values of each group are apart, in order.

        That is the sum over projections and over pairs of the k-th smallest values of one and the other.
        """
        if one.device.type == "cpu":
            apart = (self._in_order(one) - self._in_order(other)).abs().sum(dim=0)
            return torch.stack([group.sum() for group in apart.split(self.sizes.tolist())])
        return (self._table(one, slots) - self._table(other, slots)).abs().sum(dim=(0, 2))

    def _in_order(self, values: Tensor) -> Tensor:
        """(M, P) -> (P, M), the values of each group in order. NumPy sorts several times as fast as PyTorch here."""
        rows = values.T.contiguous()
        starts = np.cumsum(self.sizes)[:-1]
        groups = np.split(rows.detach().numpy(), starts, axis=1)
        order = [start + np.argsort(group, axis=1) for start, group in zip([0, *starts], groups, strict=True)]
        return rows.gather(1, torch.from_numpy(np.concatenate(order, axis=1)))

    def _table(self, values: Tensor, slots: Tensor) -> Tensor:
        """(M, P) -> (P, G, most), the values of each group in order, at the end of each row one and the same number.

        One call sorts all groups.
        """
        most = int(self.sizes.max())
        table = values.new_full((values.shape[1], len(self.sizes) * most), torch.finfo(values.dtype).max)
        table[:, slots] = values.T
        return table.unflatten(1, (len(self.sizes), most)).sort(dim=2).values


def _to(like: Tensor, values: np.ndarray) -> Tensor:
    """On the device of another tensor."""
    return torch.from_numpy(values).to(like.device)
