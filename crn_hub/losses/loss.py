"""What every loss does here, and what a training run may ask of any of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

Seen = tuple[Tensor, Tensor, Tensor]  # what a loss looks at: images, photographs and ids, as for `Loss.forward`


class Opponent(NamedTuple):
    """A network that is trained against the one that makes the images.

    Attributes:
        name: what logs and messages call it.
        network: the network; training wraps it before it is called.
        loss: its own loss, from the wrapped network and from what `Loss.forward` takes.
    """

    name: str
    network: nn.Module
    loss: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


class Loss(nn.Module, ABC):
    """
    Attributes:
        terms: the names of the parts that add up to the loss.
        opponent: the network trained against this loss's; None for most losses.
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

    @property
    def weights(self) -> dict[str, float]:
        """The weights of its terms that logs, checkpoints and the training record keep; {} if it has none."""
        return {}

    def load_weights(self, weights: Mapping[str, float]) -> None:
        """Sets `weights` to what a checkpoint has kept, or another process has measured."""

    def reset_weights(self) -> None:
        """Sets `weights` to what they are before they are measured."""

    def calibrate(self, batches: Iterable[Seen]) -> None:
        """Measures `weights` on a few batches."""

    @property
    def facts(self) -> dict[str, Any]:
        """What must be the same when a run is resumed; plain JSON."""
        return {}
