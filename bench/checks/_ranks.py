"""The rank test of Mann and Whitney, with ties. Independent of the scale of what is compared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RankTest:
    """P(x > y) + P(x = y) / 2 and its standard error where both have one distribution."""

    probability: float
    error: float

    @property
    def effect(self) -> float:
        """The probability's distance from that of equal distributions, -.5 to .5."""
        return self.probability - 0.5

    @property
    def z(self) -> float:
        """The effect in standard errors; zero where all values are equal."""
        return self.effect / self.error if self.error > 0 else 0.0


def rank_test(x: Tensor, y: Tensor) -> RankTest:
    """Compare values x [n] and y [m], neither with a NaN; infinities count as ties of their own.

    The standard error is exact under the hypothesis that x and y are exchangeable, ties included
    (Lehmann, Nonparametrics, 1975, equation 1.35).
    """
    n, m = len(x), len(y)
    _, place, counts = torch.unique(torch.cat([x, y]), return_inverse=True, return_counts=True)
    ties = counts.double()
    middle = ties.cumsum(0) - (ties - 1) / 2  # mean rank of each distinct value
    wins = float(middle[place[:n]].sum()) - n * (n + 1) / 2
    total = n + m
    tied = float((ties.pow(3) - ties).sum()) / (total * (total - 1))
    variance = max(total + 1 - tied, 0.0) / (12 * n * m)
    return RankTest(wins / (n * m), math.sqrt(variance))
