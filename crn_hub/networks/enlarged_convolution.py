"""A 3x3 convolution of features that are enlarged first, with most of its arithmetic at their own size."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

PRODUCTS_AT_ONCE = 2**24  # numbers, 64 MiB in float32; keeping more of them at once is no faster


def add_enlarged_convolution(sums: Tensor, features: Tensor, kernel: Tensor) -> None:
    """Adds to `sums` the convolution of features that are enlarged to its size.

    The same as `sums += conv2d(interpolate(features, size, mode="bilinear", align_corners=True), kernel, padding=1)`,
    up to rounding. Enlarging mixes pixels and a tap of the kernel mixes channels, so they can change places: the nine
    taps are a 1x1 convolution of the small features, and for each pixel the products of these that it needs are summed
    up, weighted, first along the columns of the image, then along its rows. With a quarter of the pixels the features
    need a quarter of the arithmetic, and the sums need little. For inference on a CPU.

    Args:
        sums: (B, C', H, W), to which is added.
        features: (B, C, h, w), with the channels of a pixel together in memory.
        kernel: (C', C, 3, 3).
    """
    channels, (height, width) = len(kernel), sums.shape[-2:]
    taps = kernel.permute(2, 3, 0, 1).reshape(9 * channels, -1, 1, 1)
    block = max(2, height * PRODUCTS_AT_ONCE // (9 * channels * features[0, 0].numel()))  # rows at once
    for total, one in zip(sums, features.split(1), strict=True):
        for begin in range(0, height, block):
            end = min(begin + block, height)
            read, of_rows, row_weights = _row_sums(*one.shape[-2:], height, begin, end)
            of_columns, column_weights = _column_sums(one.shape[-1], width, end - begin)
            products = F.conv2d(one[:, :, read], taps).permute(0, 2, 3, 1).reshape(-1, 3 * channels)
            rows = _weighted_sums(products, of_rows, row_weights).view(-1, channels)
            pixels = _weighted_sums(rows, of_columns, column_weights)
            total[:, begin:end].add_(pixels.view(-1, width, channels).permute(2, 0, 1))


def _weighted_sums(table: Tensor, numbers: Tensor, weights: Tensor) -> Tensor:
    """(N, 6) numbers of rows of a table (M, C), and their weights -> (N, C)."""
    return F.embedding_bag(numbers, table, per_sample_weights=weights.to(table.dtype), mode="sum")


@lru_cache(maxsize=128)  # blocks: a few for each module of a network
def _row_sums(small: int, width: int, large: int, begin: int, end: int) -> tuple[slice, Tensor, Tensor]:
    """Which products are summed along a column of the small image for rows `begin` to `end` of the large one.

    Returns:
        The rows of the small image that are read, and for each row of the large and column of the small one the
        numbers of six products, counted over (row read, column, tap's row), int32, and their weights, float32.
    """
    near, weights = (values[begin:end, None] for values in _neighbours(small, large))
    first, last = int(near.min()), int(near.max())
    column, tap = torch.arange(width, dtype=torch.int32)[:, None, None], torch.arange(3, dtype=torch.int32)[:, None]
    numbers = ((near - first) * width + column) * 3 + tap
    return slice(first, last + 1), numbers.view(-1, 6), weights.expand_as(numbers).reshape(-1, 6)


@lru_cache(maxsize=128)
def _column_sums(small: int, large: int, height: int) -> tuple[Tensor, Tensor]:
    """Which of the sums of `_row_sums` are summed along a row, for `height` rows.

    Returns:
        For each pixel the numbers of six sums, counted over (row, column of the small image, tap's column), int32, and
        their weights, float32.
    """
    near, weights = (values[None] for values in _neighbours(small, large))
    row, tap = torch.arange(height, dtype=torch.int32)[:, None, None, None], torch.arange(3, dtype=torch.int32)[:, None]
    numbers = (row * small + near) * 3 + tap
    return numbers.view(-1, 6), weights.expand_as(numbers).reshape(-1, 6)


def _neighbours(small: int, large: int) -> tuple[Tensor, Tensor]:
    """What each tap reads along one side: (large, 3, 2) positions of the small image, int32, and their weights.

    A tap beyond the edge has the weights 0, because the convolution pads with zeros.
    """
    position = torch.arange(large) * torch.tensor((small - 1) / max(1, large - 1), dtype=torch.float32)
    lower = position.int().clamp(max=small - 1)
    near = torch.stack([lower, (lower + 1).clamp(max=small - 1)], dim=1)
    weights = torch.stack([1 - (position - lower), position - lower], dim=1)
    read = torch.arange(large)[:, None] + torch.arange(-1, 2)
    is_inside = (read >= 0) & (read < large)
    read = read.clamp(0, large - 1)
    return near[read], weights[read] * is_inside[..., None]
