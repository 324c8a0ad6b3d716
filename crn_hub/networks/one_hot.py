"""Ids as the input of a network: one channel for each class."""

import torch
from torch import Tensor

from crn_hub.classes import UNLABELLED


def one_hot(ids: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Ids (B, H, W), 0..n-1 or 255 -> (B, n + 1, H, W) with a 1 in one channel of each pixel, unlabelled last."""
    channel = ids.long().masked_fill(ids == UNLABELLED, num_classes)[:, None]
    layout = torch.zeros(len(ids), num_classes + 1, *ids.shape[-2:], dtype=dtype, device=ids.device)
    return layout.scatter_(1, channel, 1.0)
