"""Do the probabilities of all states sum to one? For models of discrete and binary data.

Where there are too many states, a model of the same settings is built on a few coordinates and
summed there: that audits the code, not the trained weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench import check
from bench.adapters import Adapted
from bench.checks._base import (
    EXACT,
    NOISY_POINTS,
    POINTS,
    Finding,
    NotApplicable,
    flat,
    mean_error,
)
from bench.contract import DataSpec
from bench.records import Check
from bench.subject import Subject

ALL_STATES = 2**16
CROP_STATES = 2**13
EXACT_TOLERANCE, NOISY_TOLERANCE = 1e-4, 1e-2
REPEATS, SAMPLES = 8, 8  #: of inexact kinds


@check(
    "sum",
    question="Do the probabilities of all states of a discrete model sum to one?",
    remedy=(
        "The masks of an autoregressive model (a coordinate that sees itself), a softmax over "
        "the wrong axis, the mean over importance weights (log K), the sign of the KL term."
    ),
)
def sums(subject: Subject) -> Check:
    """Sum over all states minus one; a bound may only stay below."""
    if not subject.space.discrete:
        raise NotApplicable("the model is continuous; see quadrature")
    kind = subject.likelihood
    if kind not in (*EXACT, "unbiased", "lower-bound"):
        raise NotApplicable(f"a likelihood of kind {kind} has no unit sum")
    levels, dim = subject.spec.levels or 2, subject.spec.dim
    if levels**dim <= ALL_STATES:
        model, spec, where = subject.model, subject.spec, "all"
    elif subject.rebuild is None:
        raise NotApplicable("there are too many states, and nothing here can rebuild the model")
    else:
        spec = crop(subject.spec, levels)
        model, where = subject.rebuild(spec), f"the model rebuilt on {spec.dim} coordinates: all"
    x = states(levels, spec)
    total, error = _total(subject, model, x)
    exact = kind in EXACT
    return Finding(
        effect=total - 1,
        error=error,
        threshold=EXACT_TOLERANCE if exact else NOISY_TOLERANCE,
        n=len(x),
        what=f"{where} {len(x)} states sum to {total:.6f}",
        upper=kind == "lower-bound",
    ).check()


def _total(subject: Subject, model: Adapted, x: Tensor) -> tuple[float, float]:
    """The sum of probabilities over states x, and its standard error (rounding for exact kinds)."""
    if subject.likelihood in EXACT:
        log_p = _evaluate(lambda part: model.log_prob(part), x, POINTS, subject.device)
        return float(log_p.exp().sum()), 1e-6
    samples = SAMPLES if subject.likelihood == "lower-bound" else None

    def value(part: Tensor) -> Tensor:
        return model.log_prob(part, samples=samples)

    totals = [
        _evaluate(value, x, NOISY_POINTS // SAMPLES, subject.device).exp().sum()
        for _ in range(REPEATS)
    ]
    return mean_error(torch.stack(totals))


def _evaluate(value: Callable[[Tensor], Tensor], x: Tensor, chunk: int, device: str) -> Tensor:
    with torch.no_grad():
        return torch.cat([value(part.to(device)).double().cpu() for part in x.split(chunk)])


def states(levels: int, spec: DataSpec) -> Tensor:
    """Every point of the space in the shape that the model takes, int64 [levels^dim, ...]."""
    axes = [torch.arange(levels)] * spec.dim
    grid = torch.cartesian_prod(*axes).reshape(-1, spec.dim)
    return grid.reshape(-1, *spec.train.shape[1:])


def crop(spec: DataSpec, levels: int) -> DataSpec:
    """The data on their most variable coordinates, as many as have at most 2^13 states.

    A shaped layout keeps its number of axes: [1, 1, d].
    """
    dim = 1
    while levels ** (dim + 1) <= CROP_STATES:
        dim += 1
    train, valid = flat(spec.train), flat(spec.valid)
    columns = train.double().var(0).argsort(descending=True, stable=True)[:dim].sort().values
    shaped = spec.train.dim() > 2
    shape = (*(1,) * (spec.train.dim() - 2), dim) if shaped else (dim,)
    return DataSpec(
        name=spec.name,
        kind=spec.kind,
        shape=shape,
        levels=spec.levels,
        n_train=len(train),
        make_train=lambda: train[:, columns].reshape(-1, *shape),
        make_valid=lambda: valid[:, columns].reshape(-1, *shape),
    )
