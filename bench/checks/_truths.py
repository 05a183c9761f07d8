"""A known truth as the models of a data set meet it."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from bench.checks._base import flat, log_prob
from bench.contract import Density
from bench.spaces import Space
from bench.subject import Subject

WIDE = 2.0  #: standard deviations
ASTRAY = 1e-3  #: of 1 + |y|; a point that does not come back so closely left the space's range


class Dequantized:
    """The law of x + u, u uniform on [0, 1)^D, for x of a known law over levels."""

    def __init__(self, truth: Density, levels: int) -> None:
        self.truth, self.levels, self.entropy = truth, levels, truth.entropy

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, float64 [n, *shape]."""
        x = self.truth.sample(n, generator).double()
        return x + torch.rand(x.shape, generator=generator, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of the level below, minus infinity off the levels. [N]"""
        inside = flat((x >= 0) & (x < self.levels)).all(1)
        level = x.nan_to_num().floor().clamp(0, self.levels - 1).long()
        return self.truth.log_prob(level).double().where(inside, -math.inf)


class Defensive:
    """p* / 2 + N(mean, (2 sd)^2) / 2, coordinate by coordinate, of draws x [n, D] of p*."""

    def __init__(self, truth: Density, x: Tensor) -> None:
        self.truth, self.shape = truth, x.shape[1:]
        normal = torch.distributions.Normal(flat(x).mean(0), WIDE * flat(x).std(0))
        self.normal = torch.distributions.Independent(normal, 1)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """n draws of the normal part alone."""
        base = self.normal.base_dist
        noise = torch.randn(n, len(base.loc), generator=generator, dtype=torch.float64)
        return (base.loc + base.scale * noise).reshape(n, *self.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the mixture, [n]."""
        near = self.truth.log_prob(x).double() + math.log(0.5)
        wide = self.normal.log_prob(flat(x).double()) + math.log(0.5)
        return torch.logaddexp(near, wide)


def log_ratio(
    subject: Subject, density: Density | Defensive, y: Tensor, samples: int | None = None
) -> Tensor:
    """log q - log p at model-space points y [n, ...], float64 [n].

    Infinite where p is zero: off the levels of dequantized data, and where the space maps nothing.
    """
    space = subject.space
    x = _unrounded(space, y) if space.noise else space.inverse(y)
    back, ledger = space.forward(x, None)
    log_p = density.log_prob(x).double()
    ratio = log_prob(subject, y, samples) + ledger - log_p
    if not space.noise:
        return ratio
    y = y.cpu()
    moved = flat((back - y).abs() / (1 + y.abs())).amax(1)
    off = (moved > ASTRAY) | (log_p == -math.inf)
    return torch.where(off & flat(y).isfinite().all(1), math.inf, ratio)


def _unrounded(space: Space, y: Tensor) -> Tensor:
    """`space.inverse` before levels are made of it, float64."""
    x = flat(y).double().cpu()
    for step in reversed(space.steps):
        x = step.inverse(x)
    return x.reshape(-1, *space.shape)
