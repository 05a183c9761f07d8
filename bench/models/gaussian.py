"""The normal with a full covariance, by maximum likelihood."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import model
from bench.contract import DataSpec
from bench.models._normal import Normal

#: ridges as shares of the mean variance, tried in this order
RIDGES = (0.0, 1e-8, 1e-6, 1e-4)
#: largest ratio of the covariance's eigenvalues that float32 points can mean
CONDITION = 1e10


@model("gaussian", family="gaussian")
def build(data: DataSpec) -> Normal:
    """Mean and covariance (divisor N) of the train and validation points, in closed form.

    The maximum-likelihood covariance as it is, unless it is singular or its eigenvalues span more
    than CONDITION (constant or collinear coordinates, fewer points than coordinates): then plus
    the smallest of RIDGES times the mean variance, on the diagonal, that cures it.
    """
    x = data.train_valid.double()
    centred = x - x.mean(0)
    return Normal(x.mean(0), cholesky(centred.T @ centred / len(x)))


def cholesky(covariance: Tensor) -> Tensor:
    """Lower factor of a covariance [D, D] plus the smallest of RIDGES that it needs."""
    dim = len(covariance)
    mean_variance = covariance.diagonal().mean()
    unit = mean_variance if mean_variance > 0 else torch.ones_like(mean_variance)
    values = torch.linalg.eigvalsh(covariance)
    for ridge in RIDGES:
        low, high = values[0] + ridge * unit, values[-1] + ridge * unit
        if low > 0 and high / low <= CONDITION:
            break
    return torch.linalg.cholesky(covariance + ridge * unit * torch.eye(dim).to(covariance))
