"""Linear, quadratic and cubic splines as families of maps.

The functions of nflows 0.14, without a boolean index and without its errors: the inverse of the
linear spline is right in the last bin, and the others' can neither fail nor give NaN. With `tails`
the box is [-bound, bound] and the identity lies outside; without, the box is the unit interval and
the density outside is zero (nflows raises there).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.monotone.roots import increasing_root
from bench.flows.monotone.spline import MIN_BIN


@dataclass(frozen=True)
class _Boxed:
    """What they share: K bins in a box, scaled to [0, 1], and what lies outside.

    `logit_scale` divides the width and height logits (sqrt(hidden) for a residual conditioner of
    nflows); `min_bin` is the least width and height of a bin, as a share of the box.
    """

    bins: int = 8
    bound: float = 1.0
    tails: bool = True
    logit_scale: float = 1.0
    min_bin: float = MIN_BIN

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        y, slope = self._evaluate(self._unit(x), raw)
        return self._boxed(x, y, slope.log())

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        x, slope = self._invert(self._unit(y), raw)
        return self._boxed(y, x, -slope.log())

    def identity(self) -> Tensor | None:
        """None: linear tails meet a learned box, so that the identity is no natural start."""
        return None

    def _unit(self, x: Tensor) -> Tensor:
        if not self.tails:
            return x.clamp(0, 1)
        return (x.clamp(-self.bound, self.bound) + self.bound) / (2 * self.bound)

    def _boxed(self, x: Tensor, y: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
        y = y.clamp(0, 1)
        if not self.tails:
            return y, torch.where((x >= 0) & (x <= 1), log_slope, -torch.inf)
        inside = (x >= -self.bound) & (x <= self.bound)
        y = torch.where(inside, 2 * self.bound * y - self.bound, x)
        return y, torch.where(inside, log_slope, 0.0)

    def _shares(self, raw: Tensor) -> Tensor:
        """Positive numbers [*, K] that sum to one, each at least `min_bin`."""
        share = (raw / self.logit_scale).softmax(-1)
        return self.min_bin + (1 - self.min_bin * raw.shape[-1]) * share

    def _evaluate(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _invert(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def _knots(steps: Tensor) -> Tensor:
    """0, the partial sums, 1: [*, K + 1]."""
    return F.pad(F.pad(steps.cumsum(-1)[..., :-1], (1, 0)), (0, 1), value=1.0)


def _bin(points: Tensor, knots: Tensor) -> Tensor:
    """Index of the bin that holds each point of [0, 1], [*, 1]."""
    return (points[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)


def _at(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(-1, index)[..., 0]


class LinearSpline(_Boxed):
    """Equal bins, masses softmax(raw): a piecewise-constant density (arXiv 1808.03856)."""

    @property
    def parameters(self) -> int:
        """K."""
        return self.bins

    def _evaluate(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        mass = raw.softmax(-1)
        i = (x * self.bins).long().clamp(max=self.bins - 1)[..., None]
        slope = _at(mass, i) * self.bins
        return _at(_knots(mass), i) + (x - i[..., 0].to(x.dtype) / self.bins) * slope, slope

    def _invert(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        mass = raw.softmax(-1)
        knots = _knots(mass)
        i = _bin(y, knots)
        slope = _at(mass, i) * self.bins
        # a bin of mass zero in float32 holds no points
        step = (y - _at(knots, i)) / slope.clamp(min=torch.finfo(y.dtype).tiny)
        return i[..., 0].to(y.dtype) / self.bins + step.clamp(0, 1 / self.bins), slope


class QuadraticSpline(_Boxed):
    """A piecewise-linear density (arXiv 1808.03856); with tails it is 1 at the box's edges.

    Raw: K widths, then the heights at the K - 1 inner knots, without tails at all K + 1.
    """

    @property
    def parameters(self) -> int:
        """2 K - 1, without tails 2 K + 1."""
        return 2 * self.bins + (-1 if self.tails else 1)

    def _pieces(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Widths [*, K], knots, values at the knots and densities there [*, K + 1]."""
        widths = self._shares(raw[..., : self.bins])
        heights = F.softplus(raw[..., self.bins :] / self.logit_scale) + 1e-3
        if self.tails:
            heights = self._edged(heights, widths)
        area = ((heights[..., :-1] + heights[..., 1:]) / 2 * widths).sum(-1, True)
        heights = self.min_bin + (1 - self.min_bin) * heights / area
        values = _knots((heights[..., :-1] + heights[..., 1:]) / 2 * widths)
        return widths, _knots(widths), values, heights

    def _edged(self, inner: Tensor, widths: Tensor) -> Tensor:
        """Heights [*, K + 1] whose two ends are 1 once the area is divided out."""
        first, last = widths[..., :1] / 2, widths[..., -1:] / 2
        if self.bins == 1:
            return torch.ones_like(widths).expand(*widths.shape[:-1], 2)
        between = ((inner[..., :-1] + inner[..., 1:]) / 2 * widths[..., 1:-1]).sum(-1, True)
        edges = first * inner[..., :1] / 2 + last * inner[..., -1:] / 2 + between
        edge = edges / (1 - first / 2 - last / 2)
        return torch.cat((edge, inner, edge), -1)

    def _evaluate(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        widths, knots, values, heights = self._pieces(raw)
        i = _bin(x, knots)
        left, right, width = _at(heights, i), _at(heights, i + 1), _at(widths, i)
        t = (x - _at(knots, i)) / width
        y = _at(values, i) + width * t * (left + t * (right - left) / 2)
        return y, left + t * (right - left)

    def _invert(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """t = 2 r / (left + root), r the rise over the width: no cancellation, no division by 0."""
        widths, knots, values, heights = self._pieces(raw)
        i = _bin(y, values)
        left, right, width = _at(heights, i), _at(heights, i + 1), _at(widths, i)
        rise = (y - _at(values, i)).clamp(min=0) / width
        root = (left.square() + 2 * (right - left) * rise).clamp(min=0).sqrt()
        t = (2 * rise / (left + root)).clamp(0, 1)
        return _at(knots, i) + t * width, left + t * (right - left)


class CubicSpline(_Boxed):
    """Monotone cubic pieces (Steffen's slopes; arXiv 1906.02145).

    Raw: K widths, K heights, the slopes at the box's two edges.
    """

    @property
    def parameters(self) -> int:
        """2 K + 2."""
        return 2 * self.bins + 2

    def _pieces(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Widths, heights [*, K]; knots in x and y, derivatives there [*, K + 1]."""
        k = self.bins
        widths, heights = self._shares(raw[..., :k]), self._shares(raw[..., k : 2 * k])
        slopes = heights / widths
        before, after = slopes[..., :-1], slopes[..., 1:]
        left, right = widths[..., :-1], widths[..., 1:]
        middle = (right * before + left * after) / (left + right) / 2
        inner = 2 * torch.minimum(torch.minimum(before, after), middle)
        ends = raw[..., 2 * k :].sigmoid() * 3
        first, last = ends[..., :1] * slopes[..., :1], ends[..., 1:] * slopes[..., -1:]
        derivatives = torch.cat((first, inner, last), -1)
        return widths, heights, _knots(widths), _knots(heights), derivatives

    @staticmethod
    def _cubic(t: Tensor, slope: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Rise over the width and its derivative at the position t in [0, 1] of a bin."""
        a, b = left + right - 2 * slope, 3 * slope - 2 * left - right
        return t * (left + t * (b + t * a)), left + t * (2 * b + 3 * t * a)

    def _evaluate(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        widths, heights, knots, values, slopes = self._pieces(raw)
        i = _bin(x, knots)
        width = _at(widths, i)
        t = (x - _at(knots, i)) / width
        shape = (_at(heights, i) / width, _at(slopes, i), _at(slopes, i + 1))
        rise, slope = self._cubic(t, *shape)
        return _at(values, i) + width * rise, _positive(slope)

    def _invert(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        widths, heights, knots, values, slopes = self._pieces(raw)
        i = _bin(y, values)
        width = _at(widths, i)
        shape = (_at(heights, i) / width, _at(slopes, i), _at(slopes, i + 1))
        rise = (y - _at(values, i)).clamp(min=0) / width
        low, high = torch.zeros_like(y), torch.ones_like(y)
        t = increasing_root(lambda t: self._cubic(t, *shape), rise, low, high)
        return _at(knots, i) + t * width, _positive(self._cubic(t, *shape)[1])


def _positive(slope: Tensor) -> Tensor:
    """A monotone cubic may have slope 0 at an edge; rounding must not make it negative."""
    return slope.clamp(min=torch.finfo(slope.dtype).tiny)
