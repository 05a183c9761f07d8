"""Do test points score better than fresh draws of the same law? Then they were trained on."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench import check
from bench.checks._base import Finding, NotApplicable, bound_samples, refined
from bench.checks._ranks import rank_test
from bench.subject import Subject

EFFECT = 0.02  #: of the probability that a test point scores above a fresh one
LARGER = 4  #: times as many points where the first look is suspicious
SAMPLES = 8  #: K of bounds: ranks are compared, the bound need not be tight

Points = tuple[Tensor, ...]  #: x [n, *shape], and of conditional data their contexts [n, C]


@check(
    "memory",
    question="Does the test split score better than fresh draws of the same known law?",
    remedy=(
        "The model has seen test points: look for whatever reads the data other than through "
        "`data.train` and `data.valid`, and for a cache or file that holds the test split."
    ),
)
def memory(subject: Subject) -> Finding:
    """Rank test of log q - log p* at test points against the same at fresh draws of p*.

    Both are independent draws of one law, so that for a model that has not seen the test points
    their ranks are exchangeable, however badly it fits. Subtracting log p* changes nothing of that
    and takes away what all models share. Training points are compared likewise: they tell how far
    the model over-fits, which is no fault.
    """
    if subject.truth is None and subject.conditional_truth is None:
        raise NotApplicable("the data's density is not known")
    if subject.likelihood == "none":
        raise NotApplicable("the model has no likelihood")
    if subject.view is not None:
        raise NotApplicable("a single context has no test split of its own")
    return refined(lambda times: _compare(subject, times), (1, LARGER))


def _compare(subject: Subject, times: int) -> Finding:
    """Half of `check_points` test points, as many training points and `times` as many fresh ones.

    All of it `times` over, as far as the splits reach. Half of it beyond 8 dimensions, where points
    say more.
    """
    splits = subject.splits
    points = times * subject.evaluation.check_points // (2 if subject.spec.dim <= 8 else 4)
    test = _some(points, splits.test, splits.test_context)
    train = _some(points, splits.train, splits.train_context)
    fresh = _fresh(subject, times * len(test[0]), subject.generator(180 + times))
    drawn = tuple(torch.cat(parts) for parts in zip(test, train, fresh, strict=True))
    excess = _log_q(subject, drawn, subject.generator(190 + times)) - _log_p(subject, drawn)
    broken = int(excess.isnan().sum())
    of_test, of_train, of_fresh = excess.nan_to_num().split(
        [len(x[0]) for x in (test, train, fresh)]
    )
    seen, fitted = rank_test(of_test, of_fresh), rank_test(of_train, of_fresh)
    return Finding(
        effect=seen.effect,
        error=seen.error,
        threshold=EFFECT,
        n=len(of_test),
        what=(
            f"against the truth, a test point scores above a fresh one with probability "
            f"{seen.probability:.4f}, a training point with {fitted.probability:.4f}"
        ),
        upper=True,
        doubt=f"{broken} points have a log_prob of NaN" if broken else "",
    )


def _some(n: int, *tensors: Tensor | None) -> Points:
    """About n rows at equal distances (all, where there are fewer) of those tensors that exist."""
    return tuple(x[:: max(len(x) // n, 1)][:n] for x in tensors if x is not None)


def _fresh(subject: Subject, n: int, generator: Generator) -> Points:
    """n draws of the truth, with contexts of their own where the data have some."""
    if subject.truth is not None:
        return (subject.truth.sample(n, generator).to(subject.splits.test.dtype),)
    assert subject.conditional_truth is not None
    context = subject.conditional_truth.draw_context(n, generator)
    return subject.conditional_truth.sample(context, generator), context


def _log_p(subject: Subject, points: Points) -> Tensor:
    """log p* in nats, float64 [n]."""
    truth = subject.truth or subject.conditional_truth
    assert truth is not None
    x, *context = points
    return truth.log_prob(x if x.is_floating_point() else x.long(), *context).double()


def _log_q(subject: Subject, points: Points, generator: Generator) -> Tensor:
    """log q of points in the data's own units, nats, float64 [n].

    They are evaluated in random order with one set of noise, so that batches and dequantization
    treat all of them alike.
    """
    order = torch.randperm(len(points[0]), generator=generator)
    x, *context = (part[order] for part in points)
    y, ledger = subject.space.forward(x, generator)
    reported = bound_samples(subject)
    samples = None if reported is None else min(SAMPLES, reported)
    given = subject.contexts(*context) if context else None
    log_q = torch.empty(len(order), dtype=torch.float64)
    log_q[order] = subject.log_prob(y.to(subject.device), samples, given) + ledger
    return log_q
