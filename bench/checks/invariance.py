"""Is a point's likelihood its own? Batch mates, order and earlier calls must not change it.

Catches batch norm left in training mode, statistics of the test batch, hidden randomness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from bench import check
from bench.adapters import Adapted
from bench.checks._base import EXACT, SIGMAS, NotApplicable, bound_samples, difference, flat, spread
from bench.records import Check
from bench.subject import Subject

POINTS, OUTLIERS, FAR = 256, 1000, 20.0
NOISY_POINTS, NOISY_OUTLIERS = 64, 100  #: of inexact kinds, which are evaluated many times
REPEATS = (8, 48)  #: evaluations of an inexact kind; the second number settles a suspicion
FEWER = 8  #: a bound takes so many times fewer samples: only its noise grows
LAYERS = 16  #: depth that the float32 tolerance allows for
NOISY = 1e-2  #: tolerance of inexact kinds, whose solvers may adapt to the batch, nats
RELATIVE = 1e-5  #: tolerance per nat of the value
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
    """Largest change of log_prob, nats, against the tolerance at that point."""
    if subject.likelihood == "none":
        raise NotApplicable("the model reports no likelihood")
    if subject.likelihood not in EXACT:
        return _noisy(subject, subject.test[:NOISY_POINTS])
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
    value = _evaluator(subject, model)
    reference = value(x)
    limits = _tolerance(reference, flat(x).shape[1], double)
    found = (0.0, "none", 0.0, float(limits.min()))
    for name, rows, values in _variants(subject, value, x):
        change = difference(reference[rows], values).nan_to_num(nan=math.inf).abs()
        excess = change / limits[rows]
        i = int(excess.argmax())
        if float(excess[i]) >= found[0]:
            found = (float(excess[i]), name, float(change[i]), float(limits[rows][i]))
    return found


def _noisy(subject: Subject, x: Tensor) -> Check:
    """An inexact kind: its mean over the noise may not change, at any point nor on average.

    Each pair of evaluations starts from the same random numbers. Where both give a point the same
    noise it cancels; where it is fresh (another order, another batch size, a generator of its own)
    it counts as noise.
    """
    start = 0
    for repeats in REPEATS:
        excess, name, size, limit = _worst_mean(subject, x, range(start, start + repeats))
        start += repeats
        if excess <= 1:
            break
    detail = f"over {repeats} evaluations, the likeliest change of a mean is {size:.2g} nats"
    return Check(
        verdict="pass" if excess <= 1 else "fail",
        statistic=size,
        threshold=limit,
        n=len(x),
        detail=f"{detail} ({name}).",
    )


def _worst_mean(subject: Subject, x: Tensor, seeds: range) -> tuple[float, str, float, float]:
    """The likeliest change of a mean: its excess over tolerance and 6 errors, name, size, limit."""
    changes: dict[str, list[Tensor]] = {}
    limits = torch.empty(0)
    for seed in seeds:
        value = _evaluator(subject, subject.model, seed)
        reference = value(x)
        limits = NOISY + RELATIVE * torch.nan_to_num(reference.abs(), nan=0.0, posinf=0.0)
        for name, rows, values in _variants(subject, value, x, NOISY_OUTLIERS):
            change = difference(values, reference[rows]).nan_to_num(nan=math.inf)
            changes.setdefault(name, []).append(torch.cat([change, change.mean()[None]]))
    found = (-1.0, "none", 0.0, NOISY)
    for name, parts in changes.items():
        change = torch.stack(parts)  # [seeds, points and their mean]
        limit = torch.cat([limits[: change.shape[1] - 1], limits.mean()[None]])
        mean, error = change.mean(0).abs(), change.std(0) / math.sqrt(len(seeds))
        z = torch.where(change.isinf().all(0), math.inf, (mean / error).nan_to_num(nan=0.0))
        excess = torch.minimum(mean / limit, z / SIGMAS)
        i = int(excess.argmax())
        if float(excess[i]) > found[0]:
            found = (float(excess[i]), name, float(mean[i]), float(limit[i]))
    return found


def _evaluator(subject: Subject, model: Adapted, seed: int | None = None) -> Value:
    """One call of log_prob; with a seed, from the same random numbers every time."""
    samples = bound_samples(subject)
    if samples is not None:
        samples = max(samples // FEWER, 1)

    def value(x: Tensor) -> Tensor:
        if seed is not None:
            torch.manual_seed(1_000 * subject.seed + seed)
        with torch.no_grad():
            return model.log_prob(x, samples=samples).double().cpu()

    return value


def _tolerance(reference: Tensor, dim: int, double: bool) -> Tensor:
    """Rounding allowed at each point of an exact kind, nats."""
    size = torch.nan_to_num(reference.abs(), nan=0.0, posinf=0.0)
    if double:
        return 1e-6 + 1e-9 * size
    return max(1e-4, 1e-6 * dim * LAYERS) + RELATIVE * size


def _variants(
    subject: Subject, value: Value, x: Tensor, outliers: int = OUTLIERS
) -> Iterator[Variant]:
    """Everything that a log_prob must not react to."""
    n = len(x)
    order = torch.randperm(n, generator=subject.generator(111)).to(x.device)
    few, some = torch.arange(min(16, n)), torch.arange(min(63, n))
    yield "twice", torch.arange(n), value(x)
    yield "alone", few, torch.cat([value(x[i : i + 1]) for i in few.tolist()])
    yield "in batches of 7", some, torch.cat([value(part) for part in x[some].split(7)])
    yield "in another order", torch.arange(n), value(x[order])[order.argsort().cpu()]
    far = _outliers(subject, x)[:outliers]
    yield "beside outliers", torch.arange(n), value(torch.cat([x, far]))[:n]
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
