"""Quadratic spline of eight bins (arXiv 1808.03856), parameters of each point given."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows import QuadraticSpline
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._families import family
from bench.profile.catalogue._splines import (
    BINS,
    BOUND,
    LEAST,
    bin_of,
    boxed,
    knots,
    shares,
    take,
)


@kernel(
    "quadratic-spline",
    logdet="sum_i log p(x_i), p piecewise linear, K = 8 bins",
    baseline="nflows",
    paper="1808.03856",
    batch=64,
)
def case(size: Size) -> Case:
    """Widths and inner heights of one spline are adjacent; some points lie outside."""
    elements = size.batch * size.dim
    count = 2 * BINS - 1
    return Case(
        x=size.normal(size.batch, size.dim, scale=1.5),
        parameters={"raw": size.normal(size.batch, size.dim, count)},
        reference=textbook,
        numbers=(2 + count) * elements + size.batch,
        flops=(17 * BINS + 15) * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The paper's section 4.4 with the heights at the edges that nflows computes from the others.

    It means a density of 1 there, that of the tails, but takes half of two areas: it is below 1.
    """

    def parts() -> tuple[Tensor, Tensor, Tensor]:
        widths = shares(raw[..., :BINS])
        inner = F.softplus(raw[..., BINS:]) + 1e-3
        first, last = widths[..., :1] / 4, widths[..., -1:] / 4
        area = first * inner[..., :1] + last * inner[..., -1:]
        area = area + _areas(inner, widths[..., 1:-1]).sum(-1, keepdim=True)
        edge = area / (1 - first - last)
        heights = torch.cat((edge, inner, edge), -1)
        density = heights / _areas(heights, widths).sum(-1, keepdim=True)
        density = LEAST + (1 - LEAST) * density
        return widths, density, _areas(density, widths)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        widths, density, mass = parts()
        i = bin_of(x, knots(widths))
        left, right, width = take(density, i), take(density, i + 1), take(widths, i)
        t = (x - take(knots(widths), i)) / width
        y = take(knots(mass), i) + width * (left * t + (right - left) * t.square() / 2)
        return y, left + (right - left) * t

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        widths, density, mass = parts()
        i = bin_of(y, knots(mass))
        left, right, width = take(density, i), take(density, i + 1), take(widths, i)
        rise = (y - take(knots(mass), i)) / width
        root = (left.square() + 2 * (right - left) * rise).sqrt()
        t = 2 * rise / (left + root)
        return take(knots(widths), i) + width * t, left + (right - left) * t

    return boxed(forward, inverse)


def _areas(heights: Tensor, widths: Tensor) -> Tensor:
    """Of trapezia, [*, K]."""
    return (heights[..., :-1] + heights[..., 1:]) / 2 * widths


@implementation("in-house", kernel="quadratic-spline")
def in_house(raw: Tensor) -> Maps:
    """The family of `bench.flows`."""
    return family(QuadraticSpline(bins=BINS, bound=BOUND), raw)


@implementation("nflows", kernel="quadratic-spline", requires=["nflows"])
def nflows(raw: Tensor) -> Maps:
    """Its function of given parameters."""
    from nflows.transforms.splines import unconstrained_quadratic_spline

    widths, heights = raw.split((BINS, BINS - 1), -1)

    def run(x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = unconstrained_quadratic_spline(
            x, widths, heights, inverse=inverse, tail_bound=BOUND
        )
        return value, log_slope.sum(1)

    return Maps(lambda x: run(x, False), lambda y: run(y, True))
