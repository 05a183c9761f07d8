"""Does a lower bound behave like one? With fewer samples it must not rise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import check
from bench.checks._base import Finding, NotApplicable, log_prob, mean_error, refined
from bench.records import Check
from bench.subject import Subject

POINTS = (256, 1024)  #: refined in turn
CALL = 16  #: points per call, which may share noise
DELTA = 0.02  #: nats


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
    return refined(lambda n: _change(subject, subject.test[:n]), POINTS).check()


def _change(subject: Subject, x: Tensor) -> Finding:
    """What fewer samples change at points x."""
    k = subject.evaluation.bound_samples
    few = max(k // 10, 1)
    low, high = (
        torch.cat([log_prob(subject, part, samples) for part in x.split(CALL)])
        for samples in (few, k)
    )
    bad = int((high.isnan() | low.isnan() | (high == torch.inf) | (low == torch.inf)).sum())
    zero = int((high == -torch.inf).sum())
    mean, error = mean_error(low - high, CALL)
    what = f"with {few} instead of {k} samples it changes by {mean:+.3f} nats"
    if bad:
        mean, error, what = math.inf, 0.0, f"{bad} of {2 * len(x)} values are NaN or plus infinity"
    return Finding(
        effect=mean,
        error=error,
        threshold=DELTA,
        n=len(x),
        what=what,
        upper=True,
        doubt=f"the bound is minus infinity at {zero} points" if zero and not bad else "",
    )
