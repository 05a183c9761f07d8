"""Dequantized levels without drawing noise: moments over it, and the boxes that it fills.

u is uniform on [0, 1)^D and every space maps coordinate by coordinate, so that the coordinates of
y(x + u) are independent given the levels x. Moments are a table over coordinates and levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.spaces import Space

REACH, NODES = 3.6, 61  #: of the double-exponential rule: largest |t|, and points


@dataclass(frozen=True)
class Moments:
    """Of y(x + u) over the noise u, per coordinate and level: float64 [D, K]."""

    mean: Tensor
    variance: Tensor
    ledger: Tensor  #: mean of log dy/dx

    def at(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance [N, D], and the ledger's mean [N], for levels x [N, *shape]."""
        level = x.reshape(len(x), -1).long()
        i = torch.arange(level.shape[1]).expand_as(level)
        return self.mean[i, level], self.variance[i, level], self.ledger[i, level].sum(1)


def moments(space: Space) -> Moments:
    """The moments of a dequantizing space, by quadrature on each level.

    The double-exponential rule (Takahasi and Mori 1974) has no trouble with the logarithms at the
    ends of the levels' range: errors are below 1e-10.
    """
    assert space.levels is not None
    nodes, weights = _double_exponential()
    dim = math.prod(space.shape)
    rows = []
    for level in range(space.levels):
        y, ledger = space.chain((level + nodes)[:, None].expand(-1, dim))
        mean = weights @ y
        rows.append((mean, weights @ (y - mean).square(), weights @ ledger))
    mean, variance, ledger = (torch.stack(column, 1) for column in zip(*rows, strict=True))
    return Moments(mean, variance, ledger)


def boxes(space: Space, x: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and upper corners of the levels x [N, *shape] in a dequantizing space, [N, D].

    The lowest and the highest level have no outer end: together the boxes fill the space.
    """
    assert space.levels is not None
    level = x.reshape(len(x), -1).double()
    lower, upper = space.chain(level)[0], space.chain(level + 1)[0]
    lower = torch.where(level == 0, -math.inf, lower)
    return lower, torch.where(level == space.levels - 1, math.inf, upper)


def _double_exponential() -> tuple[Tensor, Tensor]:
    """Nodes in (0, 1) and weights that sum to one."""
    t = torch.linspace(-REACH, REACH, NODES, dtype=torch.float64)
    u = torch.sigmoid(math.pi * t.sinh())
    weights = u * (1 - u) * t.cosh()
    return u, weights / weights.sum()
