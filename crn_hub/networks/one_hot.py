"""Ids as the input of a network: one channel for each class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.classes import UNLABELLED


def one_hot(
    ids: Tensor,
    num_classes: int,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Ids (B, H, W), 0..n-1 or 255 -> (B, n + 1, H, W) with a 1 in one channel of each pixel, unlabelled last."""
    channel = ids.long().masked_fill(ids == UNLABELLED, num_classes)[:, None]
    shape = len(ids), num_classes + 1, *ids.shape[-2:]
    layout = torch.empty(shape, dtype=dtype, device=ids.device, memory_format=memory_format).zero_()
    return layout.scatter_(1, channel, 1.0)


def one_hot_of_present(ids: Tensor, num_classes: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """As `one_hot`, but only the channels with a 1 in them, (B, P, H, W), and which they are, (P,), in order.

    The channels of a pixel lie together in memory.
    """
    ids = ids.int()
    found = torch.bincount(ids.flatten(), minlength=UNLABELLED + 1).nonzero()[:, 0]
    rows = torch.zeros(UNLABELLED + 1, len(found), dtype=dtype, device=ids.device)
    rows[found, torch.arange(len(found), device=ids.device)] = 1
    return F.embedding(ids, rows).movedim(-1, 1), found.clamp(max=num_classes)


def check_ids(ids: Tensor, size: tuple[int, int], num_classes: int) -> None:
    """
    Raises:
        ValueError: unless `ids` are (B, *size), integer, each 0..n-1 or 255.
    """
    if ids.ndim != 3 or tuple(ids.shape[1:]) != size:
        raise ValueError(f"ids must have the shape (batch, {size[0]}, {size[1]}), not {tuple(ids.shape)}.")
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ValueError(f"ids must be of an integer type, not {ids.dtype}.")
    ids = ids.long()
    outside = (ids < 0) | ((ids >= num_classes) & (ids != UNLABELLED))
    if outside.any():
        values = ids[outside].unique().tolist()
        raise ValueError(f"ids {values[:5]} are outside 0..{num_classes - 1} and not {UNLABELLED} (unlabelled).")
