"""Does the density integrate to one? In one and two dimensions, by a lattice rule; beyond, for the
model rebuilt on two coordinates, which audits its code and not its trained weights.

Catches any error of mass: a missing log-determinant, wrong units, a forgotten Jacobian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    EXACT,
    SIGMAS,
    Finding,
    NotApplicable,
    data_log_prob,
    flat,
    log_prob,
    mean_error,
    spread,
)
from bench.checks._crop import on_the_plane
from bench.checks._noise import Noise, noise_of
from bench.records import Check
from bench.subject import Subject

TOLERANCE, NOISY_TOLERANCE = 2e-3, 1e-2  #: of exact and of inexact kinds
VARIANCE = 0.1  #: of a point's averaged noise, nats^2; beyond, its correction is a guess
#: (random shifts, points per shift), refined in turn; of the plane, the best lattices are Fibonacci
LEVELS = {
    1: ((2, 1597), (2, 10_946), (8, 17_711)),
    2: ((2, 4181), (2, 10_946), (2, 28_657), (8, 28_657)),
}
NOISY_LEVELS = {  #: of inexact kinds, whose nodes take several evaluations each
    1: ((2, 1597), (2, 6765), (8, 6765)),
    2: ((2, 4181), (2, 10_946), (8, 10_946)),
}
BEFORE = {4181: 2584, 10_946: 6765, 28_657: 17_711}  #: the Fibonacci number before
WIDTH = 1.5  #: half of the nodes lie within this many standard deviations of the median


@check(
    "quadrature",
    question="Does the density integrate to one, on a line or a plane?",
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
    if subject.likelihood == "none":
        raise NotApplicable("the model reports no likelihood")
    where = "the density"
    if subject.spec.dim > 2:
        subject, where = on_the_plane(subject), "rebuilt on two coordinates, the density"
    exact = subject.likelihood in EXACT
    tolerance, levels = (TOLERANCE, LEVELS) if exact else (NOISY_TOLERANCE, NOISY_LEVELS)
    noise = noise_of(subject, math.inf if subject.likelihood == "unbiased" else VARIANCE)
    for shifts, n in levels[subject.spec.dim]:
        found = integrals(subject, shifts, n, noise)
        integral, error = mean_error(found.values)
        if noise.doubt or abs(integral - 1) + 2 * error < tolerance:
            break
    what = f"{where} integrates to {integral:.5f}"
    if found.bad:
        what = f"{what}, with {found.bad} NaN or infinite nodes counted as zero"
    return Finding(
        effect=integral - 1,
        error=error,
        threshold=tolerance,
        n=shifts * n,
        what=what,
        upper=subject.likelihood == "lower-bound",
        lower=subject.likelihood == "upper-bound",
        doubt=noise.doubt or _doubt(found, integral, error, tolerance),
    ).check()


def _doubt(found: Integrals, integral: float, error: float, tolerance: float) -> str:
    """Why an integral that is off by more than the tolerance proves nothing, or ""."""
    if abs(integral - 1) <= tolerance:
        return ""
    if found.bad:
        return f"log_prob is NaN or infinite at {found.bad} nodes"
    if not abs(found.halved - integral) < tolerance / 2:
        return "its noise is too large to correct for"
    return "coarse and fine grids disagree" if abs(integral - 1) <= SIGMAS * error else ""


@dataclass(frozen=True)
class Integrals:
    """The integral by each shifted lattice, [shifts]."""

    values: Tensor
    halved: float  #: their mean with half of the evaluations per node: what noise may spoil
    bad: int  #: nodes without a usable value


def integrals(subject: Subject, shifts: int, n: int, noise: Noise) -> Integrals:
    """The integral by `shifts` lattices of n points.

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
    x = x.reshape(-1, *subject.spec.shape)
    value = data_log_prob if own_units else log_prob
    x = x if own_units else x.float()
    values = noise.values(lambda samples: value(subject, x, samples))
    density = noise.log_density(values)
    bad = density.isnan() | (density == math.inf)

    def mass(log_density: Tensor) -> Tensor:
        terms = torch.where(bad, 0.0, (log_density + volume).exp())
        return terms.reshape(shifts, n).mean(1)

    halved = torch.stack([mass(noise.log_density(half)) for half in noise.halves(values)])
    return Integrals(mass(density), float(halved.mean()), int(bad.sum()))


def lattice(n: int, dim: int) -> Tensor:
    """n points of the unit interval, evenly spaced, or of the unit square, a Fibonacci lattice.

    Every coordinate takes n different values, so that the jumps of a histogram, fatal to a product
    grid, cost little. [n, dim]
    """
    i = torch.arange(n, dtype=torch.float64)
    columns = [i / n] if dim == 1 else [i / n, (i * BEFORE[n] / n).frac()]
    return torch.stack(columns, 1)
