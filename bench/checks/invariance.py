"""Is a point's likelihood its own? Batch mates, order and earlier calls must not change it.

Catches batch norm left in training mode, statistics of the test batch, hidden randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from bench import check
from bench.adapters import Adapted
from bench.checks._base import EXACT, NotApplicable, bound_samples, flat, spread
from bench.records import Check
from bench.subject import Subject

POINTS, OUTLIERS, FAR = 256, 1000, 20.0
LAYERS = 16  #: depth that the float32 tolerance allows for
NOISY = 1e-2  #: absolute tolerance of inexact kinds, whose solvers may adapt to the batch, nats
ROUNDING = 0.05  #: largest difference that may be called rounding, nats

Value = Callable[[Tensor], Tensor]
Variant = tuple[str, Tensor, Tensor]  #: name, rows, their values there


@check(
    "invariance",
    question="Is a point's likelihood its own, whatever else is in the batch?",
    remedy=(
        "module.eval() (batch norm, dropout), statistics taken over the batch (x.mean(0)), "
        "random numbers in an exact log_prob, an in-place change of the input."
    ),
)
def invariance(subject: Subject) -> Check:
    """Largest change of log_prob, nats, in units of the float tolerance at that point."""
    if subject.likelihood == "none":
        raise NotApplicable("the model reports no likelihood")
    x = subject.test[:POINTS]
    worst, name, size, limit = _worst(subject, subject.model, x)
    detail = f"the largest change of a log-likelihood is {size:.2g} nats ({name})"
    verdict = "pass" if worst <= 1 else "fail"
    if worst > 1 and size <= ROUNDING and _invariant_in_float64(subject, x):
        verdict, detail = "pass", f"{detail}: float32 rounding, absent in float64"
    return Check(
        verdict=verdict,
        statistic=size,
        threshold=limit,
        n=len(x),
        detail=f"{detail}.",
    )


def _worst(
    subject: Subject, model: Adapted, x: Tensor, *, double: bool = False
) -> tuple[float, str, float, float]:
    """The worst variant: excess over the tolerance, name, size in nats, tolerance in nats."""
    exact = subject.likelihood in EXACT
    value = _evaluator(subject, model)
    variants = _strict(subject, value, x) if exact else _seeded(subject, value, x)
    reference = value(x)
    limits = _tolerance(reference, flat(x).shape[1], exact, double)
    found = (0.0, "none", 0.0, float(limits.min()))
    for name, rows, values in variants:
        change = _difference(reference[rows], values)
        excess = change / limits[rows]
        i = int(excess.argmax())
        if float(excess[i]) >= found[0]:
            found = (float(excess[i]), name, float(change[i]), float(limits[rows][i]))
    return found


def _evaluator(subject: Subject, model: Adapted) -> Value:
    """One call of log_prob; an inexact kind gets the same noise at every call."""
    samples, exact = bound_samples(subject), subject.likelihood in EXACT

    def value(x: Tensor) -> Tensor:
        if not exact:
            torch.manual_seed(55 + subject.seed)
        with torch.no_grad():
            return model.log_prob(x, samples=samples).double().cpu()

    return value


def _difference(a: Tensor, b: Tensor) -> Tensor:
    """|a - b|, 0 where both are the same infinity, infinite where one is NaN."""
    same = torch.zeros_like(a)
    return torch.where(a == b, same, torch.nan_to_num((a - b).abs(), nan=torch.inf))


def _tolerance(reference: Tensor, dim: int, exact: bool, double: bool) -> Tensor:
    """Rounding allowed at each point, nats."""
    size = torch.nan_to_num(reference.abs(), nan=0.0, posinf=0.0)
    if double:
        return 1e-6 + 1e-9 * size
    floor = max(1e-4, 1e-6 * dim * LAYERS) if exact else NOISY
    return floor + 1e-5 * size


def _strict(subject: Subject, value: Value, x: Tensor) -> Iterator[Variant]:
    """Everything that an exact log_prob must not react to."""
    n = len(x)
    order = torch.randperm(n, generator=subject.generator(111)).to(x.device)
    few, some = torch.arange(min(16, n)), torch.arange(min(63, n))
    yield "twice", torch.arange(n), value(x)
    yield "alone", few, torch.cat([value(x[i : i + 1]) for i in few.tolist()])
    yield "in batches of 7", some, torch.cat([value(part) for part in x[some].split(7)])
    yield "in another order", torch.arange(n), value(x[order])[order.argsort().cpu()]
    yield "beside outliers", torch.arange(n), value(torch.cat([x, _outliers(subject, x)]))[:n]
    if subject.model.sample is not None:
        subject.model.sample(7)
        yield "after sampling", torch.arange(n), value(x)


def _seeded(subject: Subject, value: Value, x: Tensor) -> Iterator[Variant]:
    """What must hold for equal noise: only calls of one batch size draw it alike."""
    n, half = len(x), len(x) // 2
    yield "twice", torch.arange(n), value(x)
    mixed = torch.cat([x[:half], _outliers(subject, x)[: n - half]])
    if len(mixed) == n:
        yield "beside outliers", torch.arange(half), value(mixed)[:half]
    if subject.model.sample is not None:
        subject.model.sample(7)
        yield "after sampling", torch.arange(n), value(x)


def _outliers(subject: Subject, x: Tensor) -> Tensor:
    """Points that no data set has: 20 standard deviations off, or uniform over the levels."""
    generator = subject.generator(112)
    shape = (OUTLIERS, *x.shape[1:])
    if subject.space.discrete:
        levels = subject.spec.levels or 2
        return torch.randint(levels, shape, generator=generator).to(x)
    centre, scale = spread(flat(x))
    noise = torch.randn(OUTLIERS, len(scale), generator=generator, dtype=torch.float64)
    far = centre + FAR * scale * noise.sign() * (1 + noise.abs())
    return far.reshape(shape).to(x)


def _invariant_in_float64(subject: Subject, x: Tensor) -> bool:
    """The same differences vanish with the arithmetic's error: they were rounding."""
    double = subject.double()
    if double is None or not x.is_floating_point():
        return False
    try:
        return _worst(subject, double, x.double(), double=True)[0] <= 1
    except (RuntimeError, TypeError):
        return False
