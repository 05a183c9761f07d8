"""Known densities on the plane, one coordinate Gaussian given the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bench import dataset
from bench.datasets._densities import LOG_2PI, GaussianChain, Stretched


def bent(mean: Callable[[Tensor], Tensor], variance: float) -> GaussianChain:
    """x_1 ~ N(0, 1), x_2 ~ N(mean(x_1), variance); h = ln(2 pi e) + ln(variance) / 2."""
    sd = math.sqrt(variance)
    return GaussianChain(
        dim=2,
        mean=mean,
        sd=lambda x: torch.full_like(x, sd),
        entropy=LOG_2PI + 1 + math.log(sd),
    )


def bent_by(bend: float) -> Stretched:
    """x_1 ~ N(0, 100), x_2 ~ N(-bend (x_1^2 - 100), 1): of one entropy, whatever the bend."""
    chain = bent(lambda s: -100 * bend * (s.square() - 1), variance=1.0)
    return Stretched(chain, torch.tensor([10.0, 1.0]), torch.zeros(2, dtype=torch.float64))


@dataset(
    "crescent",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the toy data of neural spline flows, arXiv 1906.04032, axes exchanged",
    licence="generated",
    citation="arXiv 1906.04032",
)
def crescent() -> GaussianChain:
    """x_2 ~ N(x_1^2 / 2 - 1, e^-2)."""
    return bent(lambda x: x.square() / 2 - 1, math.exp(-2))


@dataset(
    "crescent-cubed",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the toy data of neural spline flows, arXiv 1906.04032, axes exchanged",
    licence="generated",
    citation="arXiv 1906.04032",
)
def crescent_cubed() -> GaussianChain:
    """x_2 ~ N(x_1^3 / 5, 1)."""
    return bent(lambda x: x**3 / 5, 1.0)


@dataset(
    "sine-wave",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the toy data of neural spline flows, arXiv 1906.04032",
    licence="generated",
    citation="arXiv 1906.04032",
)
def sine_wave() -> GaussianChain:
    """x_2 ~ N(sin 5 x_1, e^-2)."""
    return bent(lambda x: (5 * x).sin(), math.exp(-2))


@dataset(
    "absolute-value",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the toy data of neural spline flows, arXiv 1906.04032",
    licence="generated",
    citation="arXiv 1906.04032",
)
def absolute_value() -> GaussianChain:
    """x_2 ~ N(|x_1| - 1, e^-3): a kink."""
    return bent(lambda x: x.abs() - 1, math.exp(-3))


@dataset(
    "sign",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the toy data of neural spline flows, arXiv 1906.04032",
    licence="generated",
    citation="arXiv 1906.04032",
)
def sign() -> GaussianChain:
    """x_2 ~ N(sign x_1 + x_1, e^-3): a jump."""
    return bent(lambda x: x.sign() + x, math.exp(-3))


@dataset(
    "banana",
    kind="continuous",
    shape=[2],
    truth=True,
    source="Haario, Saksman & Tamminen (1999), Adaptive proposal distribution, bend .03",
    licence="generated",
    citation="Haario, Saksman, Tamminen 1999, Computational Statistics 14 (3)",
)
def banana() -> Stretched:
    """x_1 ~ N(0, 100), x_2 ~ N(3 - .03 x_1^2, 1)."""
    return bent_by(0.03)
