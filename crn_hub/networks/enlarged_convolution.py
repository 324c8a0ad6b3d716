"""A 3x3 convolution of features that are enlarged first, with most of its arithmetic at their own size."""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# How much is computed at once. More is no faster, less makes blocks of rows read many rows twice.
PRODUCTS_AT_ONCE = 2**24  # numbers, 64 MiB in float32
PIXELS_AT_ONCE = 2**17  # of the large image; their tables below take 9 MiB
LEAST_ROWS = 16


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
    channels, (height, width), (small_height, small_width) = len(kernel), sums.shape[-2:], features.shape[-2:]
    taps = kernel.permute(2, 3, 0, 1).reshape(9 * channels, -1, 1, 1)
    products_of_row = max(1, 9 * channels * small_height * small_width // height)
    block = max(LEAST_ROWS, min(PRODUCTS_AT_ONCE // products_of_row, PIXELS_AT_ONCE // width))
    precision = "float64" if features.dtype == torch.float64 else "float32"
    for index in range(len(features)):
        for begin in range(0, height, block):
            end = min(begin + block, height)
            needed, of_rows, row_weights = _row_sums(small_height, small_width, height, begin, end, precision)
            of_columns, column_weights = _column_sums(small_width, width, end - begin, precision)
            small = features[index : index + 1, :, needed]
            products = F.conv2d(small, taps).permute(0, 2, 3, 1).reshape(-1, 3 * channels)
            rows = _weighted_sums(products, of_rows, row_weights).view(-1, channels)
            pixels = _weighted_sums(rows, of_columns, column_weights)
            sums[index, :, begin:end].add_(pixels.view(-1, width, channels).permute(2, 0, 1))


def _weighted_sums(table: Tensor, numbers: Tensor, weights: Tensor) -> Tensor:
    """(N, 6) numbers of rows of a table (M, C), and their weights -> (N, C)."""
    return F.embedding_bag(numbers, table, per_sample_weights=weights.to(table.dtype), mode="sum")


@lru_cache(maxsize=32)  # blocks: those of images with 2048 x 1024 pixels, or of several smaller networks
def _row_sums(small: int, width: int, large: int, begin: int, end: int, precision: str) -> tuple[slice, Tensor, Tensor]:
    """Which products are summed along a column of the small image for rows `begin` to `end` of the large one.

    Returns:
        The rows of the small image that are needed, and for each row of the large and column of the small one the
        numbers of six products, counted over (needed row, column, tap's row), int32, and their weights.
    """
    near, weights = (values[begin:end, None] for values in _neighbours(small, large, precision))
    first, last = int(near.min()), int(near.max())
    numbers = ((near - first) * width + np.arange(width)[:, None, None]) * 3 + np.arange(3)[:, None]
    return slice(first, last + 1), *_as_table(numbers, weights)


@lru_cache(maxsize=16)  # two for each module whose image has several blocks, else one
def _column_sums(small: int, large: int, height: int, precision: str) -> tuple[Tensor, Tensor]:
    """Which of the sums of `_row_sums` are summed along a row, for `height` rows.

    Returns:
        For each pixel the numbers of six sums, counted over (row, column of the small image, tap's column), int32, and
        their weights.
    """
    near, weights = (values[None] for values in _neighbours(small, large, precision))
    numbers = (np.arange(height)[:, None, None, None] * small + near) * 3 + np.arange(3)[:, None]
    return _as_table(numbers, weights)


def _as_table(numbers: np.ndarray, weights: np.ndarray) -> tuple[Tensor, Tensor]:
    """Numbers (..., 3, 2), and weights that are the same for several of them -> (N, 6) both."""
    weights = np.broadcast_to(weights, numbers.shape).copy()
    return torch.from_numpy(numbers.astype(np.int32)).view(-1, 6), torch.from_numpy(weights).view(-1, 6)


def _neighbours(small: int, large: int, precision: str) -> tuple[np.ndarray, np.ndarray]:
    """What each tap needs along one side: (large, 3, 2) positions in the small image, and their weights.

    A tap beyond the edge has the weights 0, because the convolution pads with zeros. Positions are rounded as
    PyTorch's `interpolate` rounds them.
    """
    exact = np.dtype(precision).type
    position = np.arange(large, dtype=precision) * (exact(small - 1) / exact(max(1, large - 1)))
    lower = np.minimum(position.astype(int), small - 1)
    near = np.stack([lower, np.minimum(lower + 1, small - 1)], axis=1)
    share = position - lower.astype(precision)
    tap = np.arange(large)[:, None] + np.arange(-1, 2)  # the row or column of the large image that it reads
    is_inside = (tap >= 0) & (tap < large)
    tap = tap.clip(0, large - 1)
    return near[tap], np.stack([1 - share, share], axis=1)[tap] * is_inside[..., None].astype(precision)
