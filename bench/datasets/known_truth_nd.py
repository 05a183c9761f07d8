"""Known densities in 64 dimensions, correlated, on scales that span two decades."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import dataset
from bench.datasets._densities import LOG_2PI, GaussianChain, Stretched

DIM = 64


def nonlinear_chain(dim: int, entropy: float) -> GaussianChain:
    """x_i ~ N(.8 sin 2 x_{i-1}, exp(.3 cos x_{i-1} - .5)^2): mean and spread depend on the past."""
    return GaussianChain(
        dim=dim,
        mean=lambda x: 0.8 * (2 * x).sin(),
        sd=lambda x: (0.3 * x.cos() - 0.5).exp(),
        entropy=entropy,
    )


def linear_chain(dim: int, rho: float) -> GaussianChain:
    """Stationary AR(1) of unit variance; h = D/2 ln(2 pi e) + (D - 1)/2 ln(1 - rho^2)."""
    sd = math.sqrt(1 - rho**2)
    return GaussianChain(
        dim=dim,
        mean=lambda x: rho * x,
        sd=lambda x: torch.full_like(x, sd),
        entropy=dim / 2 * (LOG_2PI + 1) + (dim - 1) * math.log(sd),
    )


def awkward(dim: int) -> tuple[Tensor, Tensor]:
    """Scales 10^-1.5 .. 10^.5, evenly spaced in the logarithm, and shifts -5 .. 5. Both [dim]."""
    scale = torch.logspace(-1.5, 0.5, dim, dtype=torch.float64)
    return scale, torch.linspace(-5, 5, dim, dtype=torch.float64)


@dataset(
    "nonlinear-ar",
    kind="continuous",
    shape=[64],
    truth=True,
    source="nonlinear_chain in known_truth_nd.py; docs/spaces.md",
    licence="generated",
)
def nonlinear_ar() -> Stretched:
    """The nonlinear chain, stretched; entropy of the chain itself 71.4254724109 nats."""
    return Stretched(nonlinear_chain(DIM, 71.4254724109), *awkward(DIM))
