"""Distances between two sets of pictures, from features of each picture: Fréchet distance and kernel distance.

With the pooled features of Inception-v3 these are FID (Heusel et al., NeurIPS 2017) and KID (Binkowski et al., ICLR
2018). With any other network they are not, so they have other names.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd


class _Identity(nn.Module):
    """In place of a feature network if the features have been computed already."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: np.ndarray, given: np.ndarray) -> float:
    """The distance of two sets of features (N, C) and (M, C) as Gaussians; at least 0, in squared units of features."""
    metric = FrechetInceptionDistance(feature=_Identity(real.shape[1]))
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(given).double(), real=False)
    return max(float(metric.compute()), 0.0)


def kernel_distance(real: np.ndarray, given: np.ndarray) -> float:
    """The squared maximum mean discrepancy of two sets of features (N, C), with the cubic kernel (x·y / C + 1)³.

    The estimate is unbiased, so it may be below 0. It is that of all rows at once; KID is the mean over random subsets.
    """
    return float(poly_mmd(torch.from_numpy(real).double(), torch.from_numpy(given).double()))


class Resampling:
    """Both distances for many resamples of the rows, from inner products that are computed only once.

    Args:
        real, given: features (N, C) of the same rows.
    """

    def __init__(self, real: np.ndarray, given: np.ndarray):
        x, y = torch.from_numpy(real).double(), torch.from_numpy(given).double()
        self.products = x @ x.T, x @ y.T, y @ y.T
        self.kernels = [(products / x.shape[1] + 1) ** 3 for products in self.products]

    def frechet(self, rows: np.ndarray) -> float:
        """The Fréchet distance of these rows.

        For centred features X and Y of N rows each, the trace of the square root of the product of their covariances is
        the sum of the singular values of X Yᵀ / (N - 1), a matrix of only N x N.
        """
        n, centred, means = len(rows), [], []
        for products in self.products:
            block = products[rows][:, rows]
            means.append(block.mean())
            centred.append(block - block.mean(dim=0) - block.mean(dim=1, keepdim=True) + block.mean())
        of_means = means[0] - 2 * means[1] + means[2]
        spread = centred[0].trace() + centred[2].trace() - 2 * torch.linalg.svdvals(centred[1]).sum()
        return float(of_means + spread / (n - 1))

    def kernel(self, rows: np.ndarray) -> float:
        """The kernel distance of these rows; each pair counts as often as both of its rows were drawn."""
        n = len(rows)
        drawn = torch.from_numpy(np.bincount(rows, minlength=len(self.kernels[0]))).double()
        within = sum(
            drawn @ kernel @ drawn - drawn @ kernel.diagonal() for kernel in (self.kernels[0], self.kernels[2])
        )
        return float(within / (n * (n - 1)) - 2 * (drawn @ self.kernels[1] @ drawn) / n**2)
