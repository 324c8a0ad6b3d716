"""What every loss does here."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """
    Attributes:
        terms: the names of the parts that add up to the loss.
    """

    terms: tuple[str, ...]

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
