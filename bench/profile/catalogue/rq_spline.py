"""Rational-quadratic spline of eight bins (arXiv 1906.04032), parameters of each point given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.kernels import rq_spline_packed
from bench.kernels.eager import Shape
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._splines import BINS, BOUND, LEAST, bin_of, boxed, knots, shares, take


@kernel(
    "rq-spline",
    logdet="sum_i log y'(x_i), K = 8 bins",
    baseline="nflows",
    paper="1906.04032",
    batch=64,
)
def case(size: Size) -> Case:
    """Widths, heights and inner derivatives of one spline are adjacent; some points lie outside."""
    elements = size.batch * size.dim
    count = 3 * BINS - 1
    return Case(
        x=size.normal(size.batch, size.dim, scale=1.5),
        parameters={"raw": size.normal(size.batch, size.dim, count)},
        reference=textbook,
        numbers=(2 + count) * elements + size.batch,
        # two softmaxes with their sums, the comparisons, two softplus and the curve
        flops=(13 * BINS + 30) * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The paper's equations 4 to 8, in the unit box."""

    def parts(axis: int, points: Tensor) -> tuple[Tensor, ...]:
        both = [shares(raw[..., i * BINS : (i + 1) * BINS]) for i in (0, 1)]
        inner = LEAST + F.softplus(raw[..., 2 * BINS :])
        one = torch.ones_like(inner[..., :1])
        slopes = torch.cat((one, inner, one), -1)
        i = bin_of(points, knots(both[axis]))
        width, height = (take(share, i) for share in both)
        corner = [take(knots(share), i) for share in both]
        return (*corner, width, height, take(slopes, i), take(slopes, i + 1), height / width)

    def derivative(t: Tensor, left: Tensor, right: Tensor, s: Tensor) -> Tensor:
        u = 1 - t
        numerator = s.square() * (right * t.square() + 2 * s * t * u + left * u.square())
        return numerator / (s + (left + right - 2 * s) * t * u).square()

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        x0, y0, width, height, left, right, s = parts(0, x)
        t = (x - x0) / width
        rise = height * (s * t.square() + left * t * (1 - t))
        y = y0 + rise / (s + (left + right - 2 * s) * t * (1 - t))
        return y, derivative(t, left, right, s)

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        x0, y0, width, height, left, right, s = parts(1, y)
        curve = (y - y0) * (left + right - 2 * s)
        a, b, c = height * (s - left) + curve, height * left - curve, -s * (y - y0)
        t = 2 * c / (-b - (b.square() - 4 * a * c).sqrt())
        return x0 + t * width, derivative(t, left, right, s)

    return boxed(forward, inverse)


@implementation("in-house", kernel="rq-spline", modes=["eager", "fused", "triton"])
def in_house(raw: Tensor) -> Maps:
    """`bench.kernels`."""
    shape = Shape(BOUND, LEAST, LEAST)

    def run(x: Tensor, **how: bool) -> tuple[Tensor, Tensor]:
        return rq_spline_packed(x, raw, shape, **how)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = run(x)
        return y, log_slope.sum(1)

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        x, log_slope = run(y, inverse=True)
        return x, log_slope.sum(1)

    return Maps(forward, inverse, lambda x: run(x, logabsdet=False)[0])


@implementation("nflows", kernel="rq-spline", requires=["nflows"])
def nflows(raw: Tensor) -> Maps:
    """Its function of given parameters."""
    from nflows.transforms.splines import unconstrained_rational_quadratic_spline

    return _peer(unconstrained_rational_quadratic_spline, raw)


@implementation("normflows", kernel="rq-spline", requires=["normflows"])
def normflows(raw: Tensor) -> Maps:
    """Its copy of that function.

    zuko's spline limits its logits, has no least bin and exponential derivatives: another function.
    """
    from normflows.utils.splines import unconstrained_rational_quadratic_spline

    return _peer(unconstrained_rational_quadratic_spline, raw)


def _peer(spline: Callable[..., Any], raw: Tensor) -> Maps:
    widths, heights, derivatives = raw.split((BINS, BINS, BINS - 1), -1)

    def run(x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = spline(
            x, widths, heights, derivatives, inverse=inverse, tail_bound=BOUND
        )
        return value, log_slope.sum(1)

    return Maps(lambda x: run(x, False), lambda y: run(y, True))
