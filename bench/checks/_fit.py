"""Normalised laws of continuous points, fitted to draws: what `identity` sets beside a model.

Nothing of the model goes into them but draws, and each has mass one by construction.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from bench.checks._base import spread

FAR = 12.0  #: standard deviations; a fit takes draws further out to be there
RIDGE = 1e-4  #: added to the variances, in units of each coordinate's
PARTS = {8: 12, 10**9: 4}  #: components of a mixture, by the largest dimension for which they are
STEPS = 30  #: of expectation maximisation
LEVELS = (0.002, 0.01, 0.03, 0.08, 0.16, 0.25, 0.35, 0.5, 0.65, 0.75, 0.84, 0.92, 0.97, 0.99, 0.998)


class Law(Protocol):
    """A normalised law that can be drawn from."""

    name: str

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density or log-mass of x [n, D], nats, float64 [n]."""
        ...

    def sample(self, n: int) -> Tensor:
        """n draws from torch's global generator, [n, D]."""
        ...


@dataclass
class Normals:
    """sum_k weights[k] parts[k], of D-dimensional normals."""

    weights: Tensor
    parts: list[MultivariateNormal]

    def log_prob(self, y: Tensor) -> Tensor:
        """Log-density of y [n, D], [n]."""
        terms = [part.log_prob(y) for part in self.parts]
        return torch.logsumexp(torch.stack(terms, 1) + self.weights.log(), 1)

    def sample(self, n: int) -> Tensor:
        """n draws [n, D], sorted by part."""
        part = torch.multinomial(self.weights, n, replacement=True)
        counts = torch.bincount(part, minlength=len(self.parts)).tolist()
        rows = []
        for k, law in zip(counts, self.parts, strict=True):
            noise = torch.randn(k, law.loc.numel(), dtype=law.loc.dtype)
            rows.append(law.loc + noise @ law.scale_tril.T)  # law.sample is many times slower
        return torch.cat(rows)


@dataclass
class Mapped:
    """`law` behind one increasing, piecewise linear map per coordinate.

    Args:
        law: of y, [n, D].
        x: abscissae of the maps' knots, increasing, [D, K].
        y: ordinates, the same for all coordinates, increasing, [K]. The end pieces go on for ever.
    """

    name: str
    law: Normals
    x: Tensor
    y: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [n, D], float64 [n]."""
        y, slope = _pieces(self.x, self.y.expand_as(self.x), x.double().T)
        return self.law.log_prob(y.T) + slope.log().sum(0)

    def sample(self, n: int) -> Tensor:
        """n draws, float64 [n, D]."""
        return _pieces(self.y.expand_as(self.x), self.x, self.law.sample(n).T)[0].T


def _pieces(at: Tensor, to: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes of the maps through the knots (at, to) [D, K] at points [D, n]."""
    i = (torch.searchsorted(at.contiguous(), points.contiguous()) - 1).clamp(0, at.shape[1] - 2)
    left, base = at.gather(1, i), to.gather(1, i)
    slope = (to.gather(1, i + 1) - base) / (at.gather(1, i + 1) - left)
    return base + slope * (points - left), slope


def laws(x: Tensor) -> list[Law]:
    """A normal, a normal in normal scores (a Gaussian copula) and a mixture of normals.

    Fitted to x [n, D]; draws beyond 12 standard deviations are moved there.
    """
    x, (median, scale) = tamed(x), spread(x)
    straight = torch.stack([median - scale, median + scale], 1), torch.tensor([-1.0, 1.0]).double()
    bent = _quantiles(x), torch.special.ndtri(torch.tensor(LEVELS, dtype=torch.float64))
    units, scores = (_pieces(at, to.expand_as(at), x.T)[0].T for at, to in (straight, bent))
    return [
        Mapped("a normal", _normal(units), *straight),
        Mapped("a normal in normal scores", _normal(scores), *bent),
        Mapped("a mixture of normals", _mixture(units), *straight),
    ]


def tamed(x: Tensor) -> Tensor:
    """x [n, D] with every coordinate within 12 standard deviations of its median, float64."""
    median, scale = spread(x)
    return x.double().cpu().clamp(median - FAR * scale, median + FAR * scale)


def _quantiles(x: Tensor) -> Tensor:
    """Quantiles of x [n, D] at LEVELS, apart even where draws repeat, [D, K]."""
    at = torch.quantile(x, torch.tensor(LEVELS, dtype=torch.float64), dim=0).T
    return at + 1e-3 * spread(x)[1][:, None] * torch.arange(len(LEVELS))


def _normal(x: Tensor) -> Normals:
    """Mean, and the covariance that Ledoit and Wolf shrink (doi 10.1016/S0047-259X(03)00096-4)."""
    from sklearn.covariance import ledoit_wolf

    covariance = torch.as_tensor(ledoit_wolf(x.numpy())[0])
    return _normals(torch.ones(1), x.mean(0)[None], covariance[None])


def _mixture(x: Tensor) -> Normals:
    """Normals of full covariance by expectation maximisation."""
    from sklearn.mixture import GaussianMixture

    parts = next(count for dim, count in PARTS.items() if x.shape[1] <= dim)
    model = GaussianMixture(parts, reg_covar=RIDGE, max_iter=STEPS, random_state=0)
    with warnings.catch_warnings():  # that it has not converged matters little
        warnings.simplefilter("ignore")
        model.fit(x.numpy())
    return _normals(*map(torch.as_tensor, (model.weights_, model.means_, model.covariances_)))


def _normals(weights: Tensor, means: Tensor, covariances: Tensor) -> Normals:
    ridge = RIDGE * torch.eye(means.shape[1], dtype=torch.float64)
    parts = [MultivariateNormal(m, c + ridge) for m, c in zip(means, covariances, strict=True)]
    return Normals(weights.double(), parts)
