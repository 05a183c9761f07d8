"""Monotone rational-quadratic splines with linear tails (arXiv 1906.04032, eqs. 4 to 8, 29).

The function of nflows 0.14, computed by `bench.kernels`: without a boolean index, a branch on the
data or a synchronisation, and with an inverse that cannot fail.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection, check_points
from bench.kernels import rq_spline_packed
from bench.kernels.eager import MIN_BIN, Shape
from bench.kernels.eager import MIN_DERIVATIVE as MIN_SLOPE
from bench.kernels.spline import joined


class Spline(NamedTuple):
    """Raw parameters of splines, all broadcast against the points' shape [*]."""

    bins: Tensor  #: [*, 2, K], logits of the widths and of the heights
    slopes: Tensor  #: [*, K-1], raw derivatives at the inner knots
    bound: float = 1.0  #: the box is [-bound, bound]; outside the spline is the identity
    min_bin: float = MIN_BIN
    min_slope: float = MIN_SLOPE

    @property
    def packed(self) -> tuple[Tensor, Shape]:
        """The parameters [*, 3K - 1] in one tensor, and what all splines share."""
        parameters = joined(self.bins.flatten(-2), self.slopes)
        return parameters, Shape(self.bound, self.min_bin, self.min_slope)


def spline_forward(x: Tensor, spline: Spline) -> tuple[Tensor, Tensor]:
    """y and log dy/dx, [*] each, of points x [*]."""
    return rq_spline_packed(x, *spline.packed, faithful=True)


def spline_map(x: Tensor, spline: Spline) -> Tensor:
    """y alone."""
    return rq_spline_packed(x, *spline.packed, faithful=True, logabsdet=False)[0]


def spline_inverse(y: Tensor, spline: Spline) -> tuple[Tensor, Tensor]:
    """x and log dx/dy, [*] each."""
    return rq_spline_packed(y, *spline.packed, faithful=True, inverse=True)


class ElementwiseSpline(Bijection):
    """One learned spline per coordinate, the same for every point."""

    def __init__(self, dim: int, bins: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.unnormalized_widths = nn.Parameter(torch.rand(dim, bins))
        self.unnormalized_heights = nn.Parameter(torch.rand(dim, bins))
        self.unnormalized_derivatives = nn.Parameter(torch.rand(dim, bins - 1))

    def _spline(self) -> Spline:
        bins = torch.stack((self.unnormalized_widths, self.unnormalized_heights), -2)
        return Spline(bins, self.unnormalized_derivatives, self.bound)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, len(self.unnormalized_widths))
        z, logabsdet = spline_forward(x, self._spline())
        return z, logabsdet.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, len(self.unnormalized_widths))
        x, logabsdet = spline_inverse(z, self._spline())
        return x, logabsdet.sum(1)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, len(self.unnormalized_widths))
        return spline_map(x, self._spline())
