"""Ids as the input of a network: one channel for each class."""

import torch
from torch import Tensor

from crn_hub.classes import UNLABELLED


def one_hot(
    ids: Tensor,
    num_classes: int,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Ids (B, H, W), 0..n-1 or 255 -> (B, n + 1, H, W) with a 1 in one channel of each pixel, unlabelled last."""
    return _marked(_channel(ids, num_classes), num_classes + 1, dtype, memory_format)


def one_hot_of_present(
    ids: Tensor, num_classes: int, dtype: torch.dtype, memory_format: torch.memory_format
) -> tuple[Tensor, Tensor]:
    """As `one_hot`, but only the channels with a 1 in them, (B, P, H, W), and which they are, (P,), in order."""
    channel = _channel(ids, num_classes)
    is_present = torch.bincount(channel.flatten(), minlength=num_classes + 1) > 0
    number = is_present.cumsum(0) - 1
    present = is_present.nonzero()[:, 0]
    return _marked(number[channel], len(present), dtype, memory_format), present


def _channel(ids: Tensor, num_classes: int) -> Tensor:
    """Ids (B, H, W) -> the channel of each, int64, that of the unlabelled is `num_classes`."""
    return ids.long().masked_fill(ids == UNLABELLED, num_classes)


def _marked(channel: Tensor, channels: int, dtype: torch.dtype, memory_format: torch.memory_format) -> Tensor:
    """(B, H, W) -> (B, C, H, W) with a 1 in the channel of each pixel."""
    shape = len(channel), channels, *channel.shape[-2:]
    layout = torch.empty(shape, dtype=dtype, device=channel.device, memory_format=memory_format).zero_()
    return layout.scatter_(1, channel[:, None], 1.0)


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
