"""Does the inverse undo the transform? A sampler through a wrong inverse draws from another law."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench import check
from bench.checks._base import EXACT, NotApplicable
from bench.checks._flows import double_flow, require_flow
from bench.contract import LIKELIHOODS
from bench.records import Check
from bench.subject import Subject

POINTS = 64
DOUBLE, DOUBLE_FAIL = 1e-6, 1e-4  #: 99th percentile of the error over 1 + |value|, float64
SINGLE, SINGLE_FAIL = 1e-3, 1e-1  #: the same in float32; the failure counts the median

Map = Callable[[Tensor], Tensor]


@check(
    "round-trip",
    question="Does the inverse undo the transform?",
    remedy=(
        "Invert the layers one by one: the order of the layers in the inverse, root finders "
        "that stop early, scales near zero."
    ),
)
def round_trip(subject: Subject) -> Check:
    """Error of x -> z -> x and z -> x -> z, relative to 1 + |value|, in float64 and float32.

    Whatever the kind of likelihood; but what is not exact may rest on a solver's tolerance, and
    fails only where most round trips do.
    """
    transform, inverse = require_flow(subject, LIKELIHOODS), subject.model.inverse
    if inverse is None:
        raise NotApplicable("the model has no inverse")
    x = subject.test[:POINTS]
    if subject.likelihood not in EXACT and not _same(transform, x):
        raise NotApplicable("the transform is random, not a map")
    generator = subject.generator(131)
    single = _errors(lambda v: transform(v)[0], inverse, x, generator)
    middle, high = _quantile(single, 0.5), _quantile(single, 0.99)
    double = double_flow(subject, x)
    verdict = "pass" if high <= SINGLE else "inconclusive"
    detail = f"99 % of round trips come back within {high:.1e} in float32"
    statistic, threshold = high, SINGLE
    if double is not None and double.transform is not None and double.inverse is not None:
        exact = double.transform
        errors = _errors(lambda v: exact(v)[0], double.inverse, x.double(), generator)
        statistic, threshold = _quantile(errors, 0.99), DOUBLE
        detail = f"{detail} and {statistic:.1e} in float64"
        if statistic > DOUBLE:
            loose = statistic <= DOUBLE_FAIL or subject.likelihood not in EXACT
            verdict = "inconclusive" if loose else "fail"
    if middle > SINGLE_FAIL:
        verdict = "fail"
    if verdict == "inconclusive":
        detail = f"{detail}: the inverse is imprecise"
    return Check(
        verdict=verdict,
        statistic=statistic,
        threshold=threshold,
        n=2 * len(x),
        detail=f"{detail}.",
    )


def _same(transform: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> bool:
    """Two calls give one z."""
    with torch.no_grad():
        first, second = transform(x)[0], transform(x)[0]
    return torch.allclose(first, second, atol=SINGLE, equal_nan=True)


def _errors(forward: Map, inverse: Map, x: Tensor, generator: torch.Generator) -> Tensor:
    """|x'' - x| / (1 + |x|) and the same for z, flattened; NaN counts as infinite.

    The z are those of x with each coordinate shuffled over the points: near the base's law,
    whichever it is, and not on the image of the data.
    """
    with torch.no_grad():
        z = forward(x)
        back = (inverse(z) - x).abs() / (1 + x.abs())
        rows = z.reshape(len(z), -1)
        order = torch.rand(rows.shape, generator=generator).argsort(0).to(rows.device)
        mixed = rows.gather(0, order).reshape(z.shape)
        there = (forward(inverse(mixed)) - mixed).abs() / (1 + mixed.abs())
    errors = torch.cat([back.flatten(), there.flatten()]).double().cpu()
    return errors.nan_to_num(nan=torch.inf)


def _quantile(errors: Tensor, q: float) -> float:
    """Order statistic without interpolation, so that one infinity spoils only its own rank."""
    return float(errors.sort().values[min(int(q * len(errors)), len(errors) - 1)])
