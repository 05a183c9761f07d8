"""Monotone rational-quadratic splines with linear tails (arXiv 1906.04032, eqs. 4 to 8, 29).

The function of nflows 0.14, in its order of operations, without a boolean index, a branch on the
data or a synchronisation: points outside the box are clamped, computed and replaced. The inverse
solves the quadratic in a form whose discriminant is a sum of squares, hence never negative.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection

MIN_BIN = 1e-3  #: least width and height of a bin, as a share of the box
MIN_SLOPE = 1e-3


class Spline(NamedTuple):
    """Raw parameters of splines, all broadcast against the points' shape [*]."""

    bins: Tensor  #: [*, 2, K], logits of the widths and of the heights
    slopes: Tensor  #: [*, K-1], raw derivatives at the inner knots
    bound: float = 1.0  #: the box is [-bound, bound]; outside the spline is the identity
    min_bin: float = MIN_BIN
    min_slope: float = MIN_SLOPE


class Bin(NamedTuple):
    """The bin that holds each point: [*] each."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    slope: Tensor  #: height / width
    left: Tensor  #: derivative at the left knot
    right: Tensor  #: derivative at the right knot


def _find(points: Tensor, spline: Spline, axis: int) -> Bin:
    """The bin of each point inside the box, by x (axis 0) or by y (axis 1)."""
    bound, count = spline.bound, spline.bins.shape[-1]
    share = spline.min_bin + (1 - spline.min_bin * count) * spline.bins.softmax(-1)
    inner = 2 * bound * share.cumsum(-1)[..., :-1] - bound
    knots = F.pad(F.pad(inner, (1, 0), value=-bound), (0, 1), value=bound)
    index = (points[..., None] >= inner[..., axis, :]).sum(-1)
    pair = torch.stack((index, index + 1), -1)
    shape = points.shape
    knots = knots.expand(*shape, 2, count + 1)
    corners = knots.gather(-1, pair[..., None, :].expand(*shape, 2, 2))
    x0, x1, y0, y1 = corners.flatten(-2).unbind(-1)
    # the derivative at the box's edge is one, as outside
    edge = math.log(math.exp(1 - spline.min_slope) - 1)
    slopes = spline.min_slope + F.softplus(F.pad(spline.slopes, (1, 1), value=edge))
    left, right = slopes.expand(*shape, count + 1).gather(-1, pair).unbind(-1)
    width, height = x1 - x0, y1 - y0
    return Bin(x0, y0, width, height, height / width, left, right)


def _log_slope(b: Bin, t: Tensor, tt: Tensor, denominator: Tensor) -> Tensor:
    """log dy/dx at the position t in [0, 1] of the bin; tt = t (1 - t)."""
    numerator = b.slope.pow(2) * (b.right * t.pow(2) + 2 * b.slope * tt + b.left * (1 - t).pow(2))
    return numerator.log() - 2 * denominator.log()


def _evaluate(x: Tensor, spline: Spline) -> tuple[Tensor, Tensor, Bin, Tensor, Tensor, Tensor]:
    inside = (x >= -spline.bound) & (x <= spline.bound)
    clamped = x.clamp(-spline.bound, spline.bound)
    b = _find(clamped, spline, 0)
    t = (clamped - b.x) / b.width
    tt = t * (1 - t)
    numerator = b.height * (b.slope * t.pow(2) + b.left * tt)
    denominator = b.slope + (b.left + b.right - 2 * b.slope) * tt
    y = torch.where(inside, b.y + numerator / denominator, x)
    return y, inside, b, t, tt, denominator


def spline_forward(x: Tensor, spline: Spline) -> tuple[Tensor, Tensor]:
    """y and log dy/dx, [*] each, of points x [*]."""
    y, inside, b, t, tt, denominator = _evaluate(x, spline)
    return y, torch.where(inside, _log_slope(b, t, tt, denominator), 0.0)


def spline_map(x: Tensor, spline: Spline) -> Tensor:
    """y alone."""
    return _evaluate(x, spline)[0]


def spline_inverse(y: Tensor, spline: Spline) -> tuple[Tensor, Tensor]:
    """x and log dx/dy, [*] each.

    With v = (y - y0) / height, s the bin's slope and m = left (1 - v) - right v the discriminant
    is m^2 + 4 s^2 v (1 - v), and t = 2 s v / (m + root + 2 s v), where m + root is written without
    cancellation for either sign of m.
    """
    inside = (y >= -spline.bound) & (y <= spline.bound)
    clamped = y.clamp(-spline.bound, spline.bound)
    b = _find(clamped, spline, 1)
    v = (clamped - b.y) / b.height
    m = b.left * (1 - v) - b.right * v
    product = 4 * b.slope.pow(2) * v * (1 - v)
    large = m.abs() + (m.pow(2) + product).sqrt()
    t = 2 * b.slope * v
    t = t / (torch.where(m >= 0, large, product / large) + t)
    tt = t * (1 - t)
    denominator = b.slope * (t.pow(2) + (1 - t).pow(2)) + (b.left + b.right) * tt
    x = torch.where(inside, b.x + t * b.width, y)
    return x, torch.where(inside, -_log_slope(b, t, tt, denominator), 0.0)


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
        z, logabsdet = spline_forward(x, self._spline())
        return z, logabsdet.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        x, logabsdet = spline_inverse(z, self._spline())
        return x, logabsdet.sum(1)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        return spline_map(x, self._spline())
