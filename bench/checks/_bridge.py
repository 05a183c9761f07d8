"""The mass of a density q from draws of q and of a law r of mass one, by bounded terms.

E_q[r / (q + r)] = E_r[q / (q + r)] if q has mass one: Bennett's acceptance ratio (1976, doi
10.1016/0021-9991(76)90078-4), which uses draws of both as well as can be (Meng and Wong, Statistica
Sinica 6, 1996). The terms lie between zero and one, so that no tail of an honest q spoils a mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor

from bench.checks._base import mean_error

RANGE = 1e4  #: nats within which a mass is sought


@dataclass(frozen=True)
class Bridge:
    """log q - log r at n draws of each, float64; minus infinity where q is zero.

    A draw whose log_q cannot be used gets a term of zero: minus infinity in `there`, infinity in
    `here`.
    """

    there: Tensor  #: at draws of r
    here: Tensor  #: at draws of q
    again: Tensor | None = None  #: a second evaluation at draws of r, where q comes with noise

    def terms(self, log_mass: float = 0.0) -> tuple[Tensor, Tensor]:
        """q / (m r + q) at draws of r, m r / (m r + q) at draws of q: equal means for the mass m.

        A second evaluation in the denominator keeps the first mean right under noise.
        """
        again = self.there if self.again is None else self.again
        floor = torch.full_like(again, log_mass)
        theirs = (self.there - torch.logaddexp(floor, again)).exp()
        return theirs, torch.sigmoid(log_mass - self.here)

    @property
    def overlap(self) -> tuple[float, float]:
        """Both means: 1/2 where q = r."""
        theirs, ours = self.terms()
        return float(theirs.mean()), float(ours.mean())

    def estimate(self, call: int | None = None) -> tuple[float, float]:
        """Log-mass in nats, and an error of it such that effect / error is the z of mass one.

        The variance is at least that of mass one, A (1 - 2 A) / n for a mean of A, with the larger
        of the two means: where a side saw next to nothing, its own spread says nothing either. Nor
        is the error less than one draw's share.

        Args:
            call: as in `mean_error`.
        """
        theirs, ours = self.terms()
        (a, a_error), (b, b_error) = mean_error(theirs, call), mean_error(ours, call)
        top, n = max(a, b), min(len(theirs), len(ours))
        floor = max(top * (1 - 2 * top) / n, 1 / n**2)
        error = math.sqrt(max(a_error**2 + b_error**2, floor))
        log_mass = self._log_mass()
        if a == b:
            return log_mass, error / top if top > 0 else math.inf
        return log_mass, abs(log_mass / (a - b)) * error

    def _log_mass(self) -> float:
        """The m that makes both means equal: the maximum-likelihood estimate, in nats."""

        def surplus(log_mass: float) -> float:
            theirs, ours = self.terms(log_mass)
            return float(theirs.mean() - ours.mean())

        if surplus(-RANGE) <= 0 or surplus(RANGE) >= 0:
            return math.copysign(RANGE, surplus(0.0))
        return float(brentq(surplus, -RANGE, RANGE, xtol=1e-9))
