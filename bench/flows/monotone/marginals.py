"""Fitted marginals: a fixed layer that starts a flow at the optimum of each coordinate alone.

Per coordinate an increasing map sends the empirical quantiles to those of the standard normal:
a monotone rational-quadratic interpolant (Gregory and Delbourgo 1982, doi 10.1093/imanum/2.2.123)
with linear tails. The flow behind it only has to learn the dependence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.flows.bijection import Bijection, check_points

LEAST_GAP = 1e-3  #: least distance of two knots, in standard deviations


class Marginals(Bijection):
    """z_i = f_i(x_i) through the knots (x, z) [D, K] with slopes [D, K]; buffers, not trained."""

    def __init__(self, knots: Tensor, values: Tensor, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("knots", knots)
        self.register_buffer("values", values)
        self.register_buffer("slopes", slopes)

    @classmethod
    def fit(cls, x: Tensor, count: int = 32) -> Marginals:
        """The layer for points x [N, D], with at most `count` quantiles per coordinate.

        Raises ValueError for fewer than two points.
        """
        if len(x) < 2:
            raise ValueError(f"fitting marginals needs two points or more, got {len(x)}")
        n = max(min(count, len(x) // 8), 2)
        tail = 0.5 / max(len(x) / 8, n)
        edge = float(torch.special.ndtri(torch.tensor(1 - tail, dtype=torch.float64)))
        z = torch.linspace(-edge, edge, n, dtype=torch.float64)  # as fine in the tails
        p = torch.special.ndtr(z)
        points = x.double()
        knots = torch.quantile(points, p, dim=0).T.contiguous()
        sd = points.std(0, correction=0)
        gap = LEAST_GAP * torch.where(sd > 0, sd, 1.0)
        # ties: push equal quantiles apart, so that the map stays increasing
        ramp = gap[:, None] * torch.arange(n, dtype=torch.float64)
        knots = (knots - ramp).cummax(1).values + ramp
        values = z.expand_as(knots).contiguous()
        slopes = _slopes(knots, values)
        return cls(*(t.to(x.dtype) for t in (knots, values, slopes)))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, len(self.knots))
        t, width, height, x0, y0, left, right = self._bin(x, self.knots)
        s = height / width
        tt = t * (1 - t)
        denominator = s + (left + right - 2 * s) * tt
        inner = y0 + height * (s * t.square() + left * tt) / denominator
        log_slope = (
            2 * s.log()
            + (right * t.square() + 2 * s * tt + left * (1 - t).square()).log()
            - 2 * denominator.log()
        )
        (low, high), (bottom, top), (first, last) = map(
            _ends, (self.knots, self.values, self.slopes)
        )
        below, above = x < low, x > high
        z = torch.where(below, bottom + first * (x - low), inner)
        z = torch.where(above, top + last * (x - high), z)
        log_slope = torch.where(below, first.log(), log_slope)
        return z, torch.where(above, last.log(), log_slope).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, len(self.knots))
        v, height, width, y0, x0, left, right = self._bin(z, self.values)
        s = height / width
        m = left * (1 - v) - right * v
        product = 4 * s.square() * v * (1 - v)
        large = m.abs() + (m.square() + product).sqrt()
        t = 2 * s * v
        t = t / (torch.where(m >= 0, large, product / large) + t)
        inner = x0 + t * width
        (low, high), (bottom, top), (first, last) = map(
            _ends, (self.knots, self.values, self.slopes)
        )
        x = torch.where(z < bottom, low + (z - bottom) / first, inner)
        x = torch.where(z > top, high + (z - top) / last, x)
        return x, -self(x)[1]

    def _bin(self, points: Tensor, along: Tensor) -> tuple[Tensor, ...]:
        """Position in the bin, its extent along and across, its corners and the slopes there."""
        across = self.values if along is self.knots else self.knots
        inside = torch.maximum(torch.minimum(points, along[:, -1]), along[:, 0])
        i = (inside[..., None] >= along[:, 1:-1]).sum(-1, keepdim=True)

        def pick(table: Tensor, k: Tensor) -> Tensor:
            return table.expand(*points.shape, -1).gather(-1, k)[..., 0]

        a0, a1, b0, b1 = (pick(t, k) for t in (along, across) for k in (i, i + 1))
        left, right = pick(self.slopes, i), pick(self.slopes, i + 1)
        return (inside - a0) / (a1 - a0), a1 - a0, b1 - b0, a0, b0, left, right


def _ends(table: Tensor) -> tuple[Tensor, Tensor]:
    """First and last column."""
    return table[:, 0], table[:, -1]


def _slopes(knots: Tensor, values: Tensor) -> Tensor:
    """Harmonic means of the neighbouring secants, weighted (PCHIP); secants at the ends. > 0"""
    widths = knots.diff(dim=1)
    secants = values.diff(dim=1) / widths
    if secants.shape[1] == 1:
        return secants.expand(-1, 2).contiguous()
    before, after = widths[:, :-1], widths[:, 1:]
    w1, w2 = 2 * after + before, after + 2 * before
    inner = (w1 + w2) / (w1 / secants[:, :-1] + w2 / secants[:, 1:])
    return torch.cat((secants[:, :1], inner, secants[:, -1:]), 1)
