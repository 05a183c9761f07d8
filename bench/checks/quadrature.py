"""Does the density integrate to one? In one and two dimensions, by a lattice rule.

Catches any error of mass: a missing log-determinant, wrong units, a forgotten Jacobian.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    SIGMAS,
    Finding,
    NotApplicable,
    data_log_prob,
    flat,
    log_prob,
    mean_error,
    spread,
)
from bench.records import Check
from bench.subject import Subject

TOLERANCE = 2e-3
#: (random shifts, points per shift), refined in turn; of the plane, the best lattices are Fibonacci
LEVELS = {
    1: ((2, 1597), (2, 10_946), (8, 17_711)),
    2: ((2, 4181), (2, 10_946), (2, 28_657), (8, 28_657)),
}
BEFORE = {4181: 2584, 10_946: 6765, 28_657: 17_711}  #: the Fibonacci number before
WIDTH = 1.5  #: half of the nodes lie within this many standard deviations of the median
KINDS = ("exact", "unbiased", "lower-bound")


@check(
    "quadrature",
    question="Does the density integrate to one, in one and two dimensions?",
    remedy=(
        "Compare the integral with simple numbers: 1.05 is a constant, e^c a forgotten log-"
        "determinant of c, the integral of q^1.44 bits reported as nats, the product of the "
        "scales a standardisation without its Jacobian."
    ),
)
def quadrature(subject: Subject) -> Check:
    """Integral minus one, with the spread over random shifts of the lattice as its error."""
    if subject.space.discrete:
        raise NotApplicable("the model is discrete; see sum")
    if subject.spec.dim > 2:
        raise NotApplicable(f"grids do not reach {subject.spec.dim} dimensions")
    if subject.likelihood not in KINDS:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} has no unit integral")
    for shifts, n in LEVELS[subject.spec.dim]:
        values, bad = integrals(subject, shifts, n)
        integral, error = mean_error(values)
        if abs(integral - 1) + 2 * error < TOLERANCE:
            break
    off = abs(integral - 1) > TOLERANCE
    doubt = "coarse and fine grids disagree" if abs(integral - 1) <= SIGMAS * error else ""
    if bad:
        doubt = f"log_prob is NaN or infinite at {bad} nodes"
    what = f"the density integrates to {integral:.5f}"
    if bad:
        what = f"{what}, with {bad} NaN or infinite nodes counted as zero"
    return Finding(
        effect=integral - 1,
        error=error,
        threshold=TOLERANCE,
        n=shifts * n,
        what=what,
        upper=subject.likelihood == "lower-bound",
        doubt=doubt if off else "",
    ).check()


def integrals(subject: Subject, shifts: int, n: int) -> tuple[Tensor, int]:
    """The integral by `shifts` lattices of n points, [shifts], and the number of bad values.

    Coordinates are x = median + WIDTH sd tan(pi v / 2) with v uniform on (-1, 1): two thirds of the
    nodes lie on the data, the others reach tails as heavy as Cauchy's.
    """
    dim, own_units = subject.spec.dim, not subject.space.noise
    reference = subject.splits.train if own_units else subject.spec.train
    centre, scale = spread(flat(reference))
    shift = torch.rand(shifts, 1, dim, generator=subject.generator(121), dtype=torch.float64)
    v = ((lattice(n, dim) + shift).frac() * 2 - 1).reshape(-1, dim)
    t = torch.tan(0.5 * math.pi * v).clamp(-1e6, 1e6)
    x = centre + WIDTH * scale * t
    volume = (WIDTH * scale * math.pi * (1 + t * t)).log().sum(1)
    if own_units:
        value = data_log_prob(subject, x.reshape(-1, *subject.spec.shape))
    else:
        value = log_prob(subject, x.float())
    bad = value.isnan() | (value == math.inf)
    terms = torch.where(bad, 0.0, (value + volume).exp())
    return terms.reshape(shifts, n).mean(1), int(bad.sum())


def lattice(n: int, dim: int) -> Tensor:
    """n points of the unit interval, evenly spaced, or of the unit square, a Fibonacci lattice.

    Every coordinate takes n different values, so that the jumps of a histogram, fatal to a product
    grid, cost little. [n, dim]
    """
    i = torch.arange(n, dtype=torch.float64)
    columns = [i / n] if dim == 1 else [i / n, (i * BEFORE[n] / n).frac()]
    return torch.stack(columns, 1)
