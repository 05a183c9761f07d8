"""Points with integer coordinates: their levels, their counts, and draws from tables of masses."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contract import DataSpec

CELLS = 2**20  #: coordinates that are counted at once


def level_count(data: DataSpec) -> int:
    """Number of values of a coordinate: `data.levels`, 2 for binary data."""
    return data.levels or 2


def counts(x: Tensor, levels: int) -> Tensor:
    """How often each level occurs in each coordinate of x [N, D]: float64 [D, levels]."""
    dim = x.shape[1]
    cell = levels * torch.arange(dim, device=x.device)
    total = torch.zeros(dim * levels, dtype=torch.int64, device=x.device)
    for rows in x.split(max(CELLS // dim, 1)):
        total += torch.bincount((rows.long() + cell).flatten(), minlength=dim * levels)
    return total.view(dim, levels).double()


def log_marginals(x: Tensor, levels: int, alpha: float = 1.0) -> Tensor:
    """log (count + alpha) / (N + alpha levels) per coordinate of x [N, D]: float64 [D, levels]."""
    smoothed = counts(x, levels) + alpha
    return smoothed.log() - smoothed.sum(1, keepdim=True).log()


def draw(log_mass: Tensor) -> Tensor:
    """One level for each row of a table of log-masses [..., K]: int64 [...]. Global generator."""
    shape, device = log_mass.shape[:-1], log_mass.device
    return invert(log_mass, torch.rand(shape, dtype=torch.float64, device=device))


def invert(log_mass: Tensor, u: Tensor) -> Tensor:
    """The level at which the distribution function of log_mass [..., K] passes u [...] in [0, 1).

    Rows need not be normalised.
    """
    cdf = log_mass.double().exp().cumsum(-1)
    level = (u.unsqueeze(-1) * cdf[..., -1:] >= cdf).sum(-1)
    return level.clamp(max=cdf.shape[-1] - 1)


def scaled(x: Tensor, levels: int) -> Tensor:
    """Levels 0..levels-1 as numbers from -1 to 1, in the default floating type."""
    return x * (2.0 / (levels - 1)) - 1.0
