"""Densities with exact sampling, exact log-density and known entropy, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bench.contract import Density

LOG_2PI = math.log(2 * math.pi)


class GaussianMixture:
    """Mixture of K isotropic Gaussians in D dimensions.

    Args:
        weights: K positive numbers; they are normalised.
        means: K points of D coordinates.
        sds: K standard deviations.
        entropy: differential entropy, nats (a mixture has none in closed form).
    """

    def __init__(
        self,
        weights: Sequence[float],
        means: Sequence[Sequence[float]],
        sds: Sequence[float],
        entropy: float,
    ) -> None:
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.weights = self.weights / self.weights.sum()
        self.means = torch.tensor(means, dtype=torch.float64)
        self.sds = torch.tensor(sds, dtype=torch.float64)
        self.entropy = entropy

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, D]."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[k] + self.sds[k, None] * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, D] in nats, [N]."""
        square = ((x[:, None, :] - self.means) / self.sds[:, None]).square().sum(-1)
        log_norm = self.weights.log() - self.means.shape[1] * (self.sds.log() + LOG_2PI / 2)
        return torch.logsumexp(log_norm - square / 2, -1)


class GaussianMixture1d(GaussianMixture):
    """A `GaussianMixture` on the line, with its distribution function and quantiles."""

    def __init__(
        self, weights: Sequence[float], means: Sequence[float], sds: Sequence[float], entropy: float
    ) -> None:
        super().__init__(weights, [[m] for m in means], sds, entropy)

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x) for x [N, 1], [N]."""
        return torch.special.ndtr((x - self.means[:, 0]) / self.sds) @ self.weights

    def quantile(self, u: Tensor) -> Tensor:
        """The x [N, 1] with cdf(x) = u, for u [N] in (0, 1), by bisection to the last bits."""
        each = self.means[:, 0] + self.sds * torch.special.ndtri(u)[:, None]
        low, high = each.amin(1, keepdim=True), each.amax(1, keepdim=True)
        for _ in range(60):
            middle = (low + high) / 2
            below = self.cdf(middle)[:, None] < u[:, None]
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2


@dataclass
class GaussianChain:
    """x_1 ~ N(0, 1), x_i ~ N(mean(x_{i-1}), sd(x_{i-1})^2), in `dim` dimensions.

    `mean` and `sd` act elementwise on [N, ...]; `entropy` is the whole chain's, nats.
    """

    dim: int
    mean: Callable[[Tensor], Tensor]
    sd: Callable[[Tensor], Tensor]
    entropy: float

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent chains, [n, dim]."""
        noise = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        states = [noise[:, 0]]
        for i in range(1, self.dim):
            states.append(self.mean(states[-1]) + self.sd(states[-1]) * noise[:, i])
        return torch.stack(states, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, dim] in nats, [N]."""
        before, sd = x[:, :-1], self.sd(x[:, :-1])
        z = (x[:, 1:] - self.mean(before)) / sd
        square = x[:, 0].square() + z.square().sum(-1)
        return -square / 2 - sd.log().sum(-1) - self.dim * LOG_2PI / 2


class Stretched:
    """The law of x * scale + shift, per coordinate, where x follows `density`.

    Scales that differ show a forgotten Jacobian of the standardisation: on unit scales its
    log-determinant is zero and the fault is invisible.
    """

    def __init__(self, density: Density, scale: Tensor, shift: Tensor) -> None:
        self.density, self.scale, self.shift = density, scale.double(), shift.double()
        self.log_volume = float(self.scale.log().sum())
        self.entropy = density.entropy + self.log_volume

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, D]."""
        return self.density.sample(n, generator) * self.scale + self.shift

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, D] in nats, [N]."""
        return self.density.log_prob((x - self.shift) / self.scale) - self.log_volume
