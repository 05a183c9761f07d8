"""Linear spline of eight equal bins (arXiv 1808.03856), parameters of each point given."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows import LinearSpline
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._families import family
from bench.profile.catalogue._splines import BINS, BOUND, bin_of, boxed, knots, take


@kernel(
    "linear-spline",
    logdet="sum_i log K q_i, q the mass of the point's bin",
    baseline="nflows",
    paper="1808.03856",
    batch=128,
)
def case(size: Size) -> Case:
    """Masses of one spline are adjacent; no point lies near a knot, where the density jumps."""
    elements = size.batch * size.dim
    # one bin in each tail too
    place = size.uniform(-1, BINS + 1, size.batch, size.dim).floor()
    place = place + size.uniform(0.05, 0.95, size.batch, size.dim)
    return Case(
        x=place * (2 * BOUND / BINS) - BOUND,
        parameters={"raw": size.normal(size.batch, size.dim, BINS)},
        reference=textbook,
        numbers=(2 + BINS) * elements + size.batch,
        flops=(4 * BINS + 8) * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The paper's section 4.3 (piecewise-linear coupling transforms)."""
    grid = torch.arange(BINS + 1, dtype=raw.dtype, device=raw.device) / BINS

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        mass = raw.softmax(-1)
        i = bin_of(x, grid)
        slope = take(mass, i) * BINS
        return take(knots(mass), i) + (x - grid[i]) * slope, slope

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        mass = raw.softmax(-1)
        i = bin_of(y, knots(mass))
        slope = take(mass, i) * BINS
        return grid[i] + (y - take(knots(mass), i)) / slope, slope

    return boxed(forward, inverse)


@implementation("in-house", kernel="linear-spline")
def in_house(raw: Tensor) -> Maps:
    """The family of `bench.flows`."""
    return family(LinearSpline(bins=BINS, bound=BOUND), raw)


@implementation("nflows", kernel="linear-spline", requires=["nflows"])
def nflows(raw: Tensor) -> Maps:
    """Its function of given parameters; the inverse is wrong in the last bin."""
    from nflows.transforms.splines import unconstrained_linear_spline

    def run(x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = unconstrained_linear_spline(x, raw, inverse=inverse, tail_bound=BOUND)
        return value, log_slope.sum(1)

    return Maps(lambda x: run(x, False), lambda y: run(y, True))
