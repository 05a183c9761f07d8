"""Does a lower bound behave like one? With fewer samples it must not rise."""

from __future__ import annotations

import torch

from bench import check
from bench.checks._base import Finding, NotApplicable, log_prob, mean_error
from bench.records import Check
from bench.subject import Subject

POINTS = 256
DELTA = 0.01  #: nats


@check(
    "bound",
    question="Does a lower bound behave like one: with fewer samples it must not rise?",
    remedy=(
        "The logarithm of the mean: log K subtracted twice, a mean of logarithms of unequal "
        "weights, the minimum for the maximum."
    ),
)
def bound(subject: Subject) -> Check:
    """Mean of the bound with K / 10 samples minus that with K (arXiv 1509.00519, theorem 1)."""
    if subject.likelihood != "lower-bound":
        raise NotApplicable("the likelihood is no lower bound")
    k = subject.evaluation.bound_samples
    few = max(k // 10, 1)
    x = subject.test[:POINTS]
    high, low = log_prob(subject, x, samples=k), log_prob(subject, x, samples=few)
    bad = int((~torch.isfinite(high)).sum() + (~torch.isfinite(low)).sum())
    if bad:
        detail = f"{bad} of {2 * len(x)} values of the bound are NaN or infinite."
        return Check(
            name="bound", verdict="fail", n=len(x), statistic=bad, threshold=0, detail=detail
        )
    mean, error = mean_error(low - high)
    return Finding(
        effect=mean,
        error=error,
        threshold=DELTA,
        n=len(x),
        what=f"with {few} instead of {k} samples it changes by {mean:+.3f} nats",
        upper=True,
    ).check()
