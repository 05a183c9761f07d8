"""Nats, bits/dim, bounds, standard errors: the only place where they are computed.

Conventions: log p(x) in the data's own units = model-space log q(y) + the ledger of the space.
Discrete data: bits/dim = -nats / (dim ln 2). Two standard errors, over test points and over seeds,
never added. All sums in float64.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.expectation import boxes, moments
from bench.randomness import seeded
from bench.records import Estimate, Gap, Score
from bench.registry import DatasetEntry
from bench.settings import VARIATIONAL
from bench.subject import Subject


def bits_per_dim(nats: float, dim: int) -> float:
    """Bits per dimension of a log-likelihood of discrete data in nats: -nats / (dim ln 2)."""
    return -nats / (dim * math.log(2))


def point_scores(
    subject: Subject, x: Tensor, context: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    """Log-likelihood of each raw point in the data's own units, nats, float64 [n].

    Given its context, in the data's own units as well, where the data have some. Of some `rows`
    [k] only, with the dequantization noise that they have among all: [k].
    Dequantized data: the mean over `noise_draws` of the log-density, a lower bound of log P(x)
    (Theis et al., arXiv 1511.01844, eq. 4), or its exact expectation where the model has one.
    Bounds: with `bound_samples` samples per point.
    """
    if expects(subject):
        chosen = x if rows is None else x[rows]
        mean, variance, ledger = moments(subject.space).at(chosen)
        device = subject.device
        with torch.no_grad():
            nats = subject.model.expected_log_prob(mean.to(device), variance.to(device))  # type: ignore[misc]
        return nats.double().cpu() + ledger
    draws = subject.evaluation.noise_draws if subject.space.noise else 1
    samples = subject.evaluation.bound_samples if subject.likelihood == "lower-bound" else None
    generator = subject.generator(2)
    chosen = torch.arange(len(x)) if rows is None else rows
    total = torch.zeros(len(chosen), dtype=torch.float64)
    given = subject.contexts(None if context is None else context[chosen])
    with seeded(1_234_567 + subject.seed):
        for _ in range(draws):
            y, ledger = subject.space.forward(x, generator)
            total += subject.log_prob(y[chosen].to(subject.device), samples, given) + ledger[chosen]
    return total / draws


def expects(subject: Subject) -> bool:
    """The expectation over the dequantization noise needs no draws."""
    return subject.space.noise and subject.model.expected_log_prob is not None


def box_scores(subject: Subject, x: Tensor) -> Tensor | None:
    """log P of each point's levels, nats, float64 [n]; None where the model integrates no boxes.

    An exact discrete likelihood beside the bound that dequantization gives.
    """
    if not subject.space.noise or subject.model.box_log_prob is None:
        return None
    lower, upper = (edge.to(subject.device) for edge in boxes(subject.space, x))
    with torch.no_grad():
        return subject.model.box_log_prob(lower, upper).double().cpu()


def row_kind(likelihood: str, dequantized: bool) -> str:
    """A row's likelihood kind: an exact density of dequantized data bounds the discrete one."""
    return "lower-bound" if dequantized and likelihood == "exact" else likelihood


def true_log_prob(subject: Subject) -> Tensor:
    """Log-density of the test points under the known truth, float64 [n]."""
    splits = subject.splits
    if subject.truth is not None:
        test = splits.test if splits.test.is_floating_point() else splits.test.long()
        return subject.truth.log_prob(test).double()
    assert subject.conditional_truth is not None
    assert splits.test_context is not None
    return subject.conditional_truth.log_prob(splits.test, splits.test_context).double()


def _standard_error(values: Tensor) -> float | None:
    n = len(values)
    return float(values.std(correction=1) / math.sqrt(n)) if n > 1 else None


def estimate(points: Tensor) -> Estimate:
    """Mean and both standard errors of scores [seeds, n_test].

    The error over points is that of the seed-averaged score of each point.
    """
    seeds = points.mean(1)
    return Estimate(
        mean=float(seeds.mean()),
        se_test=_standard_error(points.mean(0)),
        se_seeds=_standard_error(seeds),
    )


def _dequantization(subject: Subject) -> str | None:
    if subject.space.name == VARIATIONAL:
        return VARIATIONAL
    return "uniform" if subject.space.noise else None


def summarize(
    points: Tensor, dataset: DatasetEntry, subject: Subject, train_nats: float | None
) -> Score:
    """The row's score from its test log-likelihoods [seeds, n_test] in nats, data units."""
    nats = estimate(points)
    discrete = dataset.integral
    per_bit = -1 / (dataset.dim * math.log(2))
    noisy = subject.space.noise and not expects(subject)
    boxed = box_scores(subject, subject.splits.test)
    score = Score(
        nats=nats,
        bits_per_dim=estimate(points * per_bit) if discrete else None,
        train_nats=train_nats,
        worst_nats=float(points.min(1).values.mean()),
        space=subject.space.name,
        dequantization=_dequantization(subject),
        noise_draws=subject.evaluation.noise_draws if noisy else None,
        box_bits_per_dim=None if boxed is None else estimate(boxed[None] * per_bit),
        bound_samples=(
            subject.evaluation.bound_samples if subject.likelihood == "lower-bound" else None
        ),
    )
    truth = subject.truth or subject.conditional_truth
    if truth is not None:
        gap = true_log_prob(subject) - points.mean(0)
        score.truth_nats = -float(truth.entropy)
        score.gap_nats = Gap(mean=float(gap.mean()), se=_standard_error(gap) or 0.0)
    return score
