"""The interface of the losses: what a training run may ask of any of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

Seen = tuple[Tensor, Tensor, Tensor]  # the arguments of `Loss.forward`: images, photographs and ids


class Opponent(NamedTuple):
    """A network that is trained against the one that makes the images.

    Attributes:
        name: what logs and messages call it.
        network: the network, which training wraps before it is called.
        loss: its own loss; takes the wrapped network and the arguments of `Loss.forward`.
    """

    name: str
    network: nn.Module
    loss: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


class Loss(nn.Module, ABC):
    """A loss of the network that makes images.

    Attributes:
        terms: the names of the parts that add up to the loss.
        opponent: the network that is trained against that one; None for most losses.
        needs_calibration: whether the weights of its terms are to be measured in training, by `calibrate`.
    """

    terms: tuple[str, ...]
    opponent: Opponent | None = None
    needs_calibration = False

    @abstractmethod
    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """
        Args:
            images: (B, K, 3, H, W), the network's output, nominally -1..1, unclipped.
            photographs: (B, 3, H, W), -1..1.
            ids: (B, H, W), integer, 0..n-1 or 255.

        Returns:
            The loss, and for each of `terms` its share of it (detached).
        """

    def begin_step(self, step: int, done: float) -> None:
        """Says which step comes next, for losses that draw at random or change in training.

        Args:
            step: optimiser steps done, counted through all stages.
            done: the share of the stage that is done, 0..1.
        """

    @property
    def weights(self) -> dict[str, float]:
        """The weights of its terms, for logs, checkpoints and the training record; {} if it has none."""
        return {}

    def load_weights(self, weights: Mapping[str, float]) -> None:
        """Sets `weights` to those of a checkpoint or another process."""

    def reset_weights(self) -> None:
        """Sets `weights` to what they are before calibration."""

    def calibrate(self, batches: Iterable[Seen]) -> None:
        """Measures `weights` on a few batches."""

    @property
    def facts(self) -> dict[str, Any]:
        """What must be the same when a run is resumed; plain JSON."""
        return {}
