"""Known densities in any number of dimensions, with entropies in closed form or by quadrature."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from bench.datasets._densities import LOG_2PI, GaussianMixture
from bench.datasets._laws import Law


class Funnel:
    """x_1 = v ~ N(0, 9), and x_i ~ N(0, e^v) given v: Neal's funnel (2003, Slice sampling)."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.entropy = dim / 2 * (LOG_2PI + 1) + math.log(3)  # E[v] = 0

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, dim]."""
        noise = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        v = 3 * noise[:, :1]
        return torch.cat([v, (v / 2).exp() * noise[:, 1:]], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, dim] in nats, [N]."""
        v = x[:, 0]
        square = (v / 3).square() + (-v).exp() * x[:, 1:].square().sum(1)
        return -(square + self.dim * LOG_2PI + (self.dim - 1) * v) / 2 - math.log(3)


class GaussianCopula:
    """Coordinates of the given marginal laws, normal scores z of which are a stationary AR(1).

    x_i = F_i^-1(Phi(z_i)) with z_1 ~ N(0, 1), z_i ~ N(rho z_{i-1}, 1 - rho^2). The entropy is that
    of the marginals plus (D - 1)/2 ln(1 - rho^2), minus the mutual information of the scores.
    """

    def __init__(self, laws: Sequence[Law], rho: float) -> None:
        self.laws, self.rho, self.sd = laws, rho, math.sqrt(1 - rho**2)
        marginals = math.fsum(law.entropy for law in laws)
        self.entropy = marginals + (len(laws) - 1) * math.log(self.sd)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, D]."""
        noise = torch.randn(n, len(self.laws), generator=generator, dtype=torch.float64)
        z, columns = noise[:, 0], []
        for i, law in enumerate(self.laws):
            if i:
                z = self.rho * z + self.sd * noise[:, i]
            tail = torch.special.ndtr(-z.abs())  # at most 1/2: keeps its digits on either side
            columns.append(torch.where(z < 0, law.quantile(tail), law.upper_quantile(tail)))
        return torch.stack(columns, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, D] in nats, [N]."""
        columns = list(zip(self.laws, x.T, strict=True))
        log_p = torch.stack([law.log_density(v) for law, v in columns]).sum(0)
        z = torch.stack([_normal_score(law, v) for law, v in columns], 1)
        step = (z[:, 1:] - self.rho * z[:, :-1]) / self.sd
        copula = (z[:, 1:].square() - step.square()).sum(1) / 2
        return log_p + copula - (len(self.laws) - 1) * math.log(self.sd)


def _normal_score(law: Law, x: Tensor) -> Tensor:
    """Phi^-1(F(x)), from the smaller tail."""
    low, high = law.cdf(x), law.survival(x)
    score = torch.special.ndtri(torch.minimum(low, high))
    return torch.where(low < high, score, -score)


def hadamard_mixture(dim: int, components: int, height: float) -> GaussianMixture:
    """Equal mixture of N(height * row k, I), k = 1..components, of Sylvester's Hadamard matrix.

    Args:
        dim: a power of two above `components`.
        components: K; row 0, which is constant, is left out.
        height: of each coordinate of a mean; means lie height sqrt(2 dim) apart.

    Raises ValueError for a dim that is no power of two or not above `components`.
    """
    if dim & (dim - 1) or components >= dim:
        raise ValueError(
            f"Sylvester's matrix of {dim} rows has no {components} means: dim must be a power of "
            "two above the number of components"
        )
    rows = torch.ones(1, 1, dtype=torch.float64)
    while len(rows) < dim:
        rows = torch.cat([torch.cat([rows, rows], 1), torch.cat([rows, -rows], 1)])
    information = _orthogonal_information(components, height * math.sqrt(dim))
    return GaussianMixture(
        weights=[1 / components] * components,
        means=(height * rows[1 : components + 1]).tolist(),
        sds=[1.0] * components,
        entropy=dim / 2 * (LOG_2PI + 1) + information,
    )


def _orthogonal_information(components: int, distance: float) -> float:
    """Mutual information (nats) of k, uniform, and distance e_k + N(0, I): error below 1e-11.

    ln K - E ln sum_j exp(distance (y_j - y_1)) with y_1 = distance + z_1, y_j = z_j. For a
    positive A, E ln A is the integral of (e^-t - E e^-tA) / t over t > 0 (Frullani), and for a
    sum of independent terms E e^-tA is a product of one-dimensional integrals. Both integrals are
    trapezoid sums of smooth functions.
    """
    z = torch.linspace(-12, 12, 1201, dtype=torch.float64)
    mass = (-z.square() / 2 - LOG_2PI / 2).exp() * 0.02
    # log of a summand after division by e^(distance^2)
    own, other = distance * z, distance * z - distance**2
    log_t = torch.linspace(-45 - 12 * distance, 8 + 12 * distance, 6001, dtype=torch.float64)
    t = log_t[:, None]

    def transform(log_summand: Tensor) -> Tensor:
        parts = [(-(rows + log_summand).exp()).exp() @ mass for rows in t.split(500)]
        return torch.cat(parts)

    product = transform(own) * transform(other) ** (components - 1)
    difference = (-log_t.exp()).exp() - product
    return math.log(components) - float(torch.trapezoid(difference, log_t))


class QuadtreeImage:
    """Sum of one Gaussian per block and level: level l has blocks of 2^l x 2^l pixels.

    Args:
        variances: of the blocks' common offsets, finest level (single pixels) first; the image is
            square with 2^(L - 1) pixels a side for L levels.

    The eigenvalues of the covariance are sum_{k <= l} variances[k] 4^k, of multiplicity 3/4, 3/16,
    ... of the pixels, and the coarsest once: the Haar transform diagonalises it.
    """

    def __init__(self, variances: Sequence[float]) -> None:
        self.sds = torch.tensor(variances, dtype=torch.float64).sqrt()
        self.side = 2 ** (len(variances) - 1)
        sizes = 4.0 ** torch.arange(len(variances), dtype=torch.float64)
        self.eigenvalues = (self.sds.square() * sizes).cumsum(0)
        counts = self.side**2 / sizes
        counts = torch.cat([counts[:-1] - counts[1:], counts[-1:]])
        self.entropy = float(
            self.side**2 / 2 * (LOG_2PI + 1) + (counts * self.eigenvalues.log()).sum() / 2
        )

    @property
    def bits_per_dim(self) -> float:
        """Differential entropy in bits, by pixel."""
        return self.entropy / (self.side**2 * math.log(2))

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent images, [n, 1, side, side]."""
        image = torch.zeros(n, 1, 1, 1, dtype=torch.float64)
        for level in reversed(range(len(self.sds))):
            side = self.side >> level
            noise = torch.randn(n, 1, side, side, generator=generator, dtype=torch.float64)
            if level < len(self.sds) - 1:
                image = image.repeat_interleave(2, -1).repeat_interleave(2, -2)
            image = image + self.sds[level] * noise
        return image

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 1, side, side] in nats, [N]."""
        square, coarse = torch.zeros(len(x), dtype=torch.float64), x[:, 0]
        for eigenvalue in self.eigenvalues[:-1]:
            quads = torch.stack([coarse[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])
            total = quads.sum(0)
            square = square + (quads.square().sum(0) - total.square() / 4).sum((1, 2)) / eigenvalue
            coarse = total / 2
        square = square + coarse[:, 0, 0].square() / self.eigenvalues[-1]
        # the log-determinant, from the entropy
        return -square / 2 - (self.entropy - self.side**2 / 2)
