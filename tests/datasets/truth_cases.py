"""Quadrature and goodness of fit, for known densities; and densities with one planted fault."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from bench.contract import Density


def draws(density: Density, n: int, seed: int = 0) -> Tensor:
    return density.sample(n, torch.Generator().manual_seed(seed))


class Faulty:
    """A density with some members replaced."""

    def __init__(self, density: Density, **members: object) -> None:
        self.density = density
        vars(self).update(members)

    def __getattr__(self, name: str) -> object:
        return getattr(self.density, name)


#: density -> the same with a fault
FAULTS: dict[str, Callable[[Density], Faulty]] = {
    "entropy": lambda d: Faulty(d, entropy=d.entropy + 2e-6),
    "log_prob": lambda d: Faulty(d, log_prob=lambda x: d.log_prob(x) + 2e-6),
    "sample": lambda d: Faulty(d, sample=lambda n, g: _narrowed(d.sample(n, g))),
}


def _narrowed(x: Tensor) -> Tensor:
    return x.mean(0) + 0.9 * (x - x.mean(0))


@dataclass(frozen=True)
class Axis:
    """Gauss-Legendre panels between edges: `nodes` points in each."""

    edges: Tensor
    nodes: int = 16

    @staticmethod
    def even(low: float, high: float, panels: int, nodes: int = 16) -> Axis:
        return Axis(torch.linspace(low, high, panels + 1, dtype=torch.float64), nodes)

    @property
    def points(self) -> tuple[Tensor, Tensor]:
        """Points and their weights, both [panels * nodes]."""
        node, weight = map(torch.from_numpy, np.polynomial.legendre.leggauss(self.nodes))
        half = self.edges.diff()[:, None] / 2
        middle = self.edges[:-1, None] + half
        return (middle + half * node).flatten(), (half * weight).flatten()

    def cell(self, x: Tensor) -> Tensor:
        """The panel of each x, -1 or their number for those outside."""
        return torch.searchsorted(self.edges, x.contiguous(), right=True) - 1


@dataclass(frozen=True)
class Integral:
    """Mass by cell [cells of x, cells of y], and entropy."""

    cells: Tensor
    entropy: float

    @property
    def mass(self) -> float:
        return float(self.cells.sum())


def integrate(density: Density, x: Axis, y: Axis) -> Integral:
    """A density of the plane over all pairs of panels."""
    (xs, wx), (ys, wy) = x.points, y.points
    rows, entropy = [], 0.0
    for part, w in zip(xs.split(64), wx.split(64), strict=True):
        log_p = density.log_prob(torch.cartesian_prod(part, ys)).reshape(len(part), -1)
        mass = log_p.exp() * w[:, None] * wy
        entropy -= float(torch.where(mass > 0, mass * log_p, 0.0).sum())
        rows.append(mass.reshape(len(part), -1, y.nodes).sum(-1))
    cells = torch.cat(rows).reshape(-1, x.nodes, len(y.edges) - 1).sum(1)
    return Integral(cells, entropy)


def assert_mass_and_entropy(density: Density, found: Integral) -> None:
    assert abs(found.mass - 1) < 1e-7
    assert abs(found.entropy - density.entropy) < 1e-6


def assert_cells_fit(density: Density, found: Integral, x: Axis, y: Axis, n: int) -> None:
    """Counts of draws by cell against the mass there; rare cells, and all outside, are one."""
    drawn = draws(density, n)
    i, j = x.cell(drawn[:, 0]), y.cell(drawn[:, 1])
    rows, columns = found.cells.shape
    inside = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
    counts = torch.bincount((i * columns + j)[inside], minlength=rows * columns)
    assert_counts_fit(counts, found.cells.flatten(), n)


def assert_counts_fit(counts: Tensor, mass: Tensor, n: int) -> None:
    """Pearson's chi-squared over the classes that n draws fill, the rest lumped together."""
    common = mass * n >= 8
    expected = torch.cat([mass[common] * n, (n - mass[common].sum() * n)[None]])
    observed = torch.cat([counts[common], (n - counts[common].sum())[None]])
    if expected[-1] < 8:
        assert observed[-1] < 40
        expected, observed = expected[:-1], observed[:-1]
    fit = stats.chisquare(observed.numpy(), expected.numpy(), sum_check=False)
    assert fit.pvalue > 1e-4


def assert_uniform(u: Tensor) -> None:
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-4


def assert_normal(z: Tensor) -> None:
    assert_uniform(torch.special.ndtr(z))


def assert_translates(density: Density, shift: Sequence[float] | Tensor, n: int = 20_000) -> None:
    """E_p[p(x - d) / p(x)] = 1 for any shift d, whatever the dimension."""
    x = draws(density, n, seed=3)
    weight = (density.log_prob(x - torch.as_tensor(shift)) - density.log_prob(x)).exp()
    error = float(weight.std()) / math.sqrt(n)
    assert error < 0.01
    assert abs(float(weight.mean()) - 1) <= 5 * error
