"""How far is the density as scored, usually in float32, from the same density in float64?"""

from __future__ import annotations

import torch
from torch import Tensor

from bench import check
from bench.checks._base import EXACT, NotApplicable, difference, log_prob
from bench.records import Check
from bench.subject import Subject

POINTS = 256
LAYERS = 16  #: depth that the tolerance allows for
SLOPPY = 0.01  #: median error, or mean shift of the score, that is worth a word, nats
WRONG = 0.1  #: median error that no honest float32 arithmetic has where it scores, nats
RELATIVE = 1e-5  #: allowed on top, times the median size of log_prob


@check(
    "precision",
    question="Is the density as scored that of exact arithmetic?",
    remedy=(
        "Differences of large numbers, log(exp(x)), sums of thousands of terms in float32, half "
        "precision or autocast in log_prob, a branch that looks at the dtype."
    ),
)
def precision(subject: Subject) -> Check:
    """Median and 99th percentile of |log q in float32 - log q in float64| at test points, nats."""
    if subject.likelihood not in EXACT:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} is noisy by itself")
    x = subject.test[:POINTS]
    exact = _exact(subject, x)
    scored = log_prob(subject, x)
    change = difference(scored, exact).nan_to_num(nan=torch.inf)
    errors = change.abs().sort().values
    middle, high = float(errors[len(errors) // 2]), float(errors[int(0.99 * (len(errors) - 1))])
    shift = abs(float(change.mean()))
    size = RELATIVE * float(exact[exact.isfinite()].abs().median())
    limit = max(1e-4, 1e-6 * subject.spec.dim * LAYERS) + size
    verdict = "pass"
    if middle > max(SLOPPY + size, limit) or not shift <= max(SLOPPY + size, limit):
        verdict = "fail" if middle > WRONG + 10 * size else "inconclusive"
    return Check(
        verdict=verdict,
        statistic=middle,
        threshold=WRONG + 10 * size,
        n=len(x),
        detail=(
            f"as scored, log_prob is {middle:.1e} nats from float64 in the median and {high:.1e} "
            f"in the 99th percentile, where rounding explains {limit:.1e}; the mean moves by "
            f"{shift:.1e}."
        ),
    )


def _exact(subject: Subject, x: Tensor) -> Tensor:
    """log_prob of the float64 copy at x [n, ...], [n]; NotApplicable where there is none."""
    double = subject.double()
    if double is None:
        raise NotApplicable("the model has no float64 copy")
    try:
        with torch.no_grad():
            value = double.log_prob(x.double() if x.is_floating_point() else x)
    except (RuntimeError, TypeError) as error:
        raise NotApplicable("the model's float64 copy does not take float64 points") from error
    if value.dtype != torch.float64:
        raise NotApplicable("the model's float64 copy does not compute in float64")
    return value.cpu()
