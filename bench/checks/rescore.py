"""Do the ranked scores come out again, later and in other batches?

What is ranked is one evaluation of the test points, made before anything else. A log_prob that
remembers how often it was called, or knows the size of the batches in which it is scored, gives
other values to whoever asks again.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from bench import check
from bench.checks._base import CALL, EXACT, Finding, NotApplicable, difference, mean_error
from bench.scoring import point_scores
from bench.subject import Subject

POINTS = 512  #: evaluated again: half of them the first, half drawn from the others
BATCH = 61
ROUNDING = 1e-6  #: nats
THRESHOLD, NOISY_THRESHOLD = 0.002, 0.02  #: nats, times the square root of the dimension


@check(
    "rescore",
    question="Do the ranked scores come out again, later and in other batches?",
    remedy=(
        "What log_prob keeps between calls (counters, caches, running statistics), and what in it "
        "depends on len(x)."
    ),
)
def rescore(subject: Subject) -> Finding:
    """Mean of the ranked minus the repeated log-likelihood of test points, nats."""
    if subject.likelihood == "none":
        raise NotApplicable("the model reports no likelihood")
    ranked = subject.scored
    if ranked is None:
        raise NotApplicable("the test points have no score")
    half, n = POINTS // 2, len(ranked)
    others = torch.randperm(max(n - half, 0), generator=subject.generator(171))[:half]
    rows = torch.cat([torch.arange(min(half, n)), half + others])
    evaluation = subject.evaluation.model_copy(update={"batch": BATCH})
    again = point_scores(
        replace(subject, evaluation=evaluation),
        subject.splits.test,
        subject.splits.test_context,
        rows,
    )
    change = difference(ranked[rows], again)
    exact = subject.likelihood in EXACT
    mean, error = mean_error(change, None if exact else CALL)
    error = max(error, ROUNDING)
    return Finding(
        effect=mean,
        error=error,
        threshold=(THRESHOLD if exact else NOISY_THRESHOLD) * math.sqrt(subject.spec.dim),
        n=len(rows),
        what=f"the ranked scores lie {mean:+.2g} nats from those in later batches of {BATCH}",
        doubt="" if bool(change.isfinite().all()) else "some are NaN or infinite now, or were",
    )
