"""Do the probabilities of all states sum to one? For models of discrete and binary data.

Where there are too many states, a model of the same settings is built on a few coordinates and
summed there: that audits the code, not the trained weights.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    CALL,
    EXACT,
    SUSPICIOUS,
    Finding,
    NotApplicable,
    log_prob,
    refined,
)
from bench.checks._crop import cropped
from bench.checks._noise import Noise, noise_of
from bench.contract import DataSpec
from bench.records import Check
from bench.subject import Subject

ALL_STATES = 2**16
CROP_STATES = 2**13
EXACT_TOLERANCE, NOISY_TOLERANCE = 1e-4, 1e-2
VISIBLE = 2e-2  #: standard error of a pass of inexact kinds
ROUNDING = 1e-6
VARIANCE = 0.1  #: of a point's averaged noise, nats^2; beyond, its correction is a guess
REPEATS = (1, 4, 16)  #: of an inexact sum, refined in turn


@check(
    "sum",
    question="Do the probabilities of all states of a discrete model sum to one?",
    remedy=(
        "The masks of an autoregressive model (a coordinate that sees itself), a softmax over "
        "the wrong axis, the mean over importance weights (log K), the sign of the KL term."
    ),
)
def sums(subject: Subject) -> Check:
    """Sum over all states minus one; a lower bound may only stay below, an upper one above."""
    if not subject.space.discrete:
        raise NotApplicable("the model is continuous; see quadrature")
    if subject.likelihood == "none":
        raise NotApplicable("the model reports no likelihood")
    levels, dim = subject.spec.levels or 2, subject.spec.dim
    if levels**dim <= ALL_STATES:
        audited, spec, pilot, where = subject, subject.spec, subject.test, "all"
    elif subject.rebuild is None:
        raise NotApplicable("there are too many states, and nothing here can rebuild the model")
    else:
        spec = crop(subject.spec, levels)
        audited = replace(subject, model=subject.rebuild(spec), spec=spec)
        pilot, where = spec.valid, f"the model rebuilt on {spec.dim} coordinates: all"
    largest = math.inf if subject.likelihood == "unbiased" else VARIANCE
    noise = noise_of(audited, largest, pilot)
    x = states(levels, spec)
    return refined(lambda times: _total(audited, noise, x, times, where), REPEATS).check()


def _total(subject: Subject, noise: Noise, x: Tensor, times: int, where: str) -> Finding:
    """The sum of probabilities over all states x, evaluated `times` as often as the noise asks."""
    exact = subject.likelihood in EXACT
    tolerance = EXACT_TOLERANCE if exact else NOISY_TOLERANCE
    repeats = [
        noise.values(lambda samples: log_prob(subject, x, samples))
        for _ in range(1 if noise.sd == 0 else times)
    ]
    masses = torch.stack([noise.log_density(values).exp() for values in repeats]).mean(0)
    halved = torch.stack(
        [noise.log_density(half).exp() for values in repeats for half in noise.halves(values)]
    )
    total = float(masses.sum())
    error = ROUNDING if noise.sd == 0 else _error(noise, repeats)
    unsettled = abs(float(halved.mean(0).sum()) - total) > tolerance + SUSPICIOUS * error
    doubt = f"{noise.sd:.2g} nats of noise are too many to correct for" if unsettled else ""
    return Finding(
        effect=total - 1,
        error=error,
        threshold=tolerance,
        n=len(x),
        what=f"{where} {len(x)} states sum to {total:.6f}",
        upper=subject.likelihood == "lower-bound",
        lower=subject.likelihood == "upper-bound",
        doubt=noise.doubt or doubt,
        sees=None if exact else VISIBLE,
    )


def _error(noise: Noise, repeats: list[Tensor]) -> float:
    """Standard error of the sum by the jackknife over evaluations, call by call of log_prob.

    The points of a call may share noise, so that only the calls are independent.
    """
    variance = torch.zeros((), dtype=torch.float64)
    for values in repeats:
        kept = [torch.cat([values[:i], values[i + 1 :]]) for i in range(len(values))]
        masses = torch.stack([noise.log_density(others).exp() for others in kept])
        calls = torch.stack([part.sum(1) for part in masses.split(CALL, 1)])  # [calls, draws]
        m = len(values)
        variance += (calls - calls.mean(1, keepdim=True)).square().sum() * (m - 1) / m
    return float(variance.sqrt()) / len(repeats)


def states(levels: int, spec: DataSpec) -> Tensor:
    """Every point of the space in the shape that the model takes, int64 [levels^dim, ...]."""
    axes = [torch.arange(levels)] * spec.dim
    grid = torch.cartesian_prod(*axes).reshape(-1, spec.dim)
    return grid.reshape(-1, *spec.train.shape[1:])


def crop(spec: DataSpec, levels: int) -> DataSpec:
    """The data on as many coordinates as have at most 2^13 states, the most variable ones."""
    dim = 1
    while levels ** (dim + 1) <= CROP_STATES:
        dim += 1
    return cropped(spec, dim)
