"""Monotone cubic spline of eight bins (arXiv 1906.02145), parameters of each point given."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows import CubicSpline
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._families import family
from bench.profile.catalogue._splines import BINS, BOUND, bin_of, boxed, knots, shares, take


@kernel(
    "cubic-spline",
    logdet="sum_i log y'(x_i), K = 8 bins",
    baseline="nflows",
    paper="1906.02145",
    batch=64,
)
def case(size: Size) -> Case:
    """Widths, heights and the two edge slopes of one spline are adjacent; some points outside."""
    elements = size.batch * size.dim
    count = 2 * BINS + 2
    return Case(
        x=size.normal(size.batch, size.dim, scale=1.5),
        parameters={"raw": size.normal(size.batch, size.dim, count)},
        reference=textbook,
        numbers=(2 + count) * elements + size.batch,
        flops=(21 * BINS + 25) * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The paper's section 3 and appendix A (Steffen's slopes, 1990); no inverse."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        widths, heights = shares(raw[..., :BINS]), shares(raw[..., BINS : 2 * BINS])
        s = heights / widths
        before, after, left, right = s[..., :-1], s[..., 1:], widths[..., :-1], widths[..., 1:]
        parabola = (before * right + after * left) / (left + right)
        inner = torch.minimum(2 * torch.minimum(before, after), parabola)
        ends = 3 * raw[..., 2 * BINS :].sigmoid() * s[..., [0, -1]]
        slopes = torch.cat((ends[..., :1], inner, ends[..., 1:]), -1)
        i = bin_of(x, knots(widths))
        w, s, d0, d1 = take(widths, i), take(s, i), take(slopes, i), take(slopes, i + 1)
        a3, a2 = (d0 + d1 - 2 * s) / w.square(), (3 * s - 2 * d0 - d1) / w
        t = x - take(knots(widths), i)
        y = take(knots(heights), i) + d0 * t + a2 * t**2 + a3 * t**3
        return y, d0 + 2 * a2 * t + 3 * a3 * t**2

    return boxed(forward)


@implementation("in-house", kernel="cubic-spline")
def in_house(raw: Tensor) -> Maps:
    """The family of `bench.flows`."""
    return family(CubicSpline(bins=BINS, bound=BOUND), raw)


@implementation("nflows", kernel="cubic-spline", requires=["nflows"])
def nflows(raw: Tensor) -> Maps:
    """Its function of given parameters; the inverse takes nearly quadratic pieces for quadratic."""
    from nflows.transforms.splines import unconstrained_cubic_spline

    widths, heights, left, right = raw.split((BINS, BINS, 1, 1), -1)

    def run(x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = unconstrained_cubic_spline(
            x, widths, heights, left, right, inverse=inverse, tail_bound=BOUND
        )
        return value, log_slope.sum(1)

    return Maps(lambda x: run(x, False), lambda y: run(y, True))
