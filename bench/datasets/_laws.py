"""Standard laws of a real number: density, distribution function, quantiles and entropy, exact.

Functions act elementwise on float64 tensors of any shape. Both tails have a distribution function
of their own, `cdf` and `survival`, so that quantiles far to the right keep their digits.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from scipy import special
from torch import Generator, Tensor

EULER = float(np.euler_gamma)


class Law(Protocol):
    """A law on the line."""

    @property
    def entropy(self) -> float:
        """Differential entropy, nats."""
        ...

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats; -inf outside the support."""
        ...

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        ...

    def survival(self, x: Tensor) -> Tensor:
        """P(X > x)."""
        ...

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u, for u in (0, 1)."""
        ...

    def upper_quantile(self, u: Tensor) -> Tensor:
        """The x with survival(x) = u, for u in (0, 1)."""
        ...


class Symmetric:
    """The upper tail of a law that is symmetric about 0."""

    def survival(self: Law, x: Tensor) -> Tensor:
        """P(X > x)."""
        return self.cdf(-x)

    def upper_quantile(self: Law, u: Tensor) -> Tensor:
        """The x with survival(x) = u."""
        return -self.quantile(u)


class Laplace(Symmetric):
    """exp(-|x|) / 2."""

    entropy = 1 + math.log(2)

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats."""
        return -x.abs() - math.log(2)

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        tail = (-x.abs()).exp() / 2
        return torch.where(x < 0, tail, 1 - tail)

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u."""
        return torch.where(u < 0.5, (2 * u).log(), -(2 - 2 * u).log())


class Logistic(Symmetric):
    """exp(-x) / (1 + exp(-x))^2."""

    entropy = 2.0

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats."""
        return -x.abs() - 2 * (-x.abs()).exp().log1p()

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        return x.sigmoid()

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u."""
        return u.log() - (-u).log1p()


class Gumbel:
    """exp(-x - exp(-x)), the law of the largest of many."""

    entropy = 1 + EULER

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats."""
        return -x - (-x).exp()

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        return (-(-x).exp()).exp()

    def survival(self, x: Tensor) -> Tensor:
        """P(X > x)."""
        return -torch.expm1(-(-x).exp())

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u."""
        return -(-u.log()).log()

    def upper_quantile(self, u: Tensor) -> Tensor:
        """The x with survival(x) = u."""
        return -(-(-u).log1p()).log()


class Exponential:
    """exp(-x) for x > 0."""

    entropy = 1.0

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats."""
        return (-x).masked_fill(x < 0, -math.inf)

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        return -torch.expm1(-x.clamp(min=0))

    def survival(self, x: Tensor) -> Tensor:
        """P(X > x)."""
        return (-x.clamp(min=0)).exp()

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u."""
        return -(-u).log1p()

    def upper_quantile(self, u: Tensor) -> Tensor:
        """The x with survival(x) = u."""
        return -u.log()


class StudentT(Symmetric):
    """Student's t of `freedom` degrees of freedom."""

    def __init__(self, freedom: float) -> None:
        self.freedom = freedom
        half, more = freedom / 2, (freedom + 1) / 2
        self.log_norm = float(special.betaln(half, 0.5)) + math.log(freedom) / 2
        self.entropy = self.log_norm + more * float(special.digamma(more) - special.digamma(half))

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats."""
        return -(self.freedom + 1) / 2 * (x.square() / self.freedom).log1p() - self.log_norm

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        return torch.from_numpy(np.asarray(special.stdtr(self.freedom, x.numpy())))

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u."""
        return torch.from_numpy(np.asarray(special.stdtrit(self.freedom, u.numpy())))


class Beta:
    """x^(a - 1) (1 - x)^(b - 1) / B(a, b) on (0, 1)."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b
        self.log_norm = float(special.betaln(a, b))
        psi_a, psi_b, psi = (float(special.digamma(v)) for v in (a, b, a + b))
        self.entropy = self.log_norm - (a - 1) * psi_a - (b - 1) * psi_b + (a + b - 2) * psi

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density, nats."""
        inside = x.clamp(0, 1)
        powers = torch.special.xlogy(self.a - 1, inside) + torch.special.xlog1py(
            self.b - 1, -inside
        )
        return (powers - self.log_norm).masked_fill((x < 0) | (x > 1), -math.inf)

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x)."""
        return torch.from_numpy(np.asarray(special.betainc(self.a, self.b, x.clamp(0, 1).numpy())))

    def survival(self, x: Tensor) -> Tensor:
        """P(X > x)."""
        return torch.from_numpy(np.asarray(special.betaincc(self.a, self.b, x.clamp(0, 1).numpy())))

    def quantile(self, u: Tensor) -> Tensor:
        """The x with cdf(x) = u."""
        return torch.from_numpy(np.asarray(special.betaincinv(self.a, self.b, u.numpy())))

    def upper_quantile(self, u: Tensor) -> Tensor:
        """The x with survival(x) = u."""
        return torch.from_numpy(np.asarray(special.betainccinv(self.a, self.b, u.numpy())))


class OnTheLine:
    """A law as a density of points [N, 1], drawn by its quantiles."""

    def __init__(self, law: Law) -> None:
        self.law, self.entropy = law, law.entropy

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 1]."""
        u = torch.rand(n, 1, generator=generator, dtype=torch.float64)
        return self.law.quantile(u.clamp(min=2**-54))  # 0 is one of 2^53 values of rand

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 1] in nats, [N]."""
        return self.law.log_density(x[:, 0])

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x) for x [N, 1], [N]."""
        return self.law.cdf(x[:, 0])

    def quantile(self, u: Tensor) -> Tensor:
        """The x [N, 1] with cdf(x) = u, for u [N] in (0, 1)."""
        return self.law.quantile(u[:, None])
