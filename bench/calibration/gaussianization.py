"""Iterative Gaussianization: kernel estimates of the marginals, then a rotation, in turn.

Laparra, Camps-Valls and Malo, Iterative Gaussianization: from ICA to random rotations (2011).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.models._normal import LOG_2PI

KERNELS = 16  #: per marginal, at its quantiles
TABLE = 1000  #: points of the inverse's start
NEWTON = 5
ROOT_HALF = math.sqrt(0.5)  #: torch's ndtr has no digits beyond -8, its erfc has
EXTREME = 37.0  #: standard deviations, to which a normal's tail has a float64


class Marginals(nn.Module):
    """z = Phi^-1(F(x)) per coordinate, with F the mean of K normal distribution functions.

    Args:
        x: points that the kernels stand for, [N, D].
    """

    centres: Tensor
    width: Tensor
    table_x: Tensor
    table_z: Tensor

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        levels = (torch.arange(KERNELS, dtype=torch.float64) + 0.5) / KERNELS
        self.register_buffer("centres", torch.quantile(x, levels, dim=0).T.contiguous())
        self.register_buffer("width", 0.4 * x.std(0)[:, None])
        reach = 9 * self.width.squeeze(-1)
        ends = self.centres[:, 0] - reach, self.centres[:, -1] + reach
        share = torch.linspace(0, 1, TABLE, dtype=torch.float64)[:, None]
        self.register_buffer("table_x", ends[0] + share * (ends[1] - ends[0]))
        self.register_buffer("table_z", self(self.table_x)[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] and log dz/dx [B, D]; the nearer tail gives z its digits."""
        t = (x.unsqueeze(-1) - self.centres) / self.width
        below, above = (
            torch.erfc(-t * ROOT_HALF).mean(-1) / 2,
            torch.erfc(t * ROOT_HALF).mean(-1) / 2,
        )
        z = torch.special.ndtri(torch.minimum(below, above)).clamp(min=-EXTREME)
        z = torch.where(below < above, z, -z)
        log_density = torch.logsumexp(-0.5 * t.square() - self.width.log(), -1) - math.log(KERNELS)
        return z, log_density + 0.5 * z.square()

    def inverse(self, z: Tensor) -> Tensor:
        """x [B, D] of z [B, D]: Newton's method from a table, between bounds that enclose x."""
        reach = self.width.squeeze(-1) * (EXTREME + 1)
        low = (self.centres[:, 0] - reach).expand_as(z)
        high = (self.centres[:, -1] + reach).expand_as(z)
        i = torch.searchsorted(self.table_z.T.contiguous(), z.T.contiguous()).T
        x = self.table_x.gather(0, i.clamp(max=TABLE - 1))
        for _ in range(NEWTON):
            value, log_slope = self(x)
            low, high = torch.where(value < z, x, low), torch.where(value < z, high, x)
            step = x + (z - value) * (-log_slope).exp()
            x = torch.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        return x


class Gaussianization(nn.Module):
    """Layers of marginals and rotations to the principal axes, fitted one after the other.

    Args:
        x: training points [N, D].
        layers: pairs of marginals and rotation.
    """

    rotations: Tensor
    marginals: Any

    def __init__(self, x: Tensor, layers: int) -> None:
        super().__init__()
        y, marginals, rotations = x.double(), [], []
        for _ in range(layers):
            marginals.append(Marginals(y))
            y = marginals[-1](y)[0]
            _, axes = torch.linalg.eigh(torch.cov(y.T))
            rotations.append(axes)
            y = y @ axes
        self.marginals = nn.ModuleList([*marginals, Marginals(y)])
        self.register_buffer("rotations", torch.stack(rotations))

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Noise [B, D] and log |det dz/dx| [B]."""
        z, total = x.to(self.rotations.dtype), torch.zeros(len(x), dtype=self.rotations.dtype)
        for i, marginal in enumerate(self.marginals):
            z, log_slope = marginal(z)
            total = total + log_slope.sum(1)
            z = z @ self.rotations[i] if i < len(self.rotations) else z
        return z, total

    def inverse(self, z: Tensor) -> Tensor:
        """Data [B, D] of noise [B, D]."""
        x = z.to(self.rotations.dtype)
        for i in reversed(range(len(self.marginals))):
            x = x @ self.rotations[i].T if i < len(self.rotations) else x
            x = self.marginals[i].inverse(x)
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, float64 [B]."""
        z, logabsdet = self.transform(x)
        return logabsdet - 0.5 * (z.square().sum(1) + z.shape[1] * LOG_2PI)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]."""
        dim = self.rotations.shape[-1]
        return self.inverse(torch.randn(n, dim, dtype=self.rotations.dtype)).float()


def gaussianization_model(data: DataSpec) -> Gaussianization:
    """Three rotations in the plane, one beyond."""
    return Gaussianization(data.train, layers=3 if data.dim <= 2 else 1)
