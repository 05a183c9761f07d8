"""Does the sampler hand out training rows? Exact repeats, beyond what the model's law gives."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import check
from bench.checks._base import EXACT, SIGMAS, NotApplicable, draws, flat, log_prob
from bench.records import Check
from bench.subject import Subject

EXACT_EXCESS = 0.01  #: share of the draws, where the model states the chance exactly
NOISY_EXCESS = 0.05  #: where the chance is an estimate
NOISE_DRAWS = 4
SLACK, SLACK_PER_DIM = 2.0, 0.1  #: nats by which an estimate may understate the chance


@check(
    "copies",
    question="Does the sampler hand out training rows?",
    remedy="Compare pictures of samples with their nearest training rows.",
)
def copies(subject: Subject) -> Check:
    """Share of the draws that equal a training row, minus the chance of one.

    Levels are compared in the data's own units, continuous points in the model's space (float32).
    """
    y = draws(subject)
    levels = subject.space.noise or subject.space.discrete
    train = subject.splits.train if levels else subject.spec.train
    drawn = subject.space.inverse(y).to(train.dtype) if levels else y
    known = set(_rows(train))
    repeats = sum(row in known for row in _rows(drawn))
    broken = int((~flat(y).isfinite()).any(1).sum()) if y.is_floating_point() else 0
    exact = not levels or (subject.space.discrete and subject.likelihood in EXACT)
    n, stated = len(drawn), _chance(subject) if levels else 0.0
    slack = 0.0 if exact else SLACK + SLACK_PER_DIM * subject.spec.dim
    share = repeats / n
    chance = math.exp(min(math.log(stated) + slack, 0.0)) if stated > 0 else 0.0
    error = math.sqrt(max(chance * (1 - chance), 1 / n) / n)
    limit = EXACT_EXCESS if exact else NOISY_EXCESS
    copied = share - chance > limit and share - chance > SIGMAS * error
    detail = f"{share:.2%} of the draws are training rows; by chance {stated:.2%}"
    if chance > stated:
        detail = f"{detail}, and as much as {chance:.2%} if its log_prob is {slack:.1f} nats low"
    if broken:
        detail = f"{detail}; {broken} draws are NaN or infinite"
    hidden = broken / n > limit - (share - chance)  # were they copies, it would be too many
    sound = "inconclusive" if broken and hidden else "pass"
    return Check(
        verdict="fail" if copied else sound,
        statistic=share - chance,
        threshold=limit,
        n=n,
        detail=f"{detail}.",
    )


def _rows(x: Tensor) -> list[bytes]:
    """Each row as bytes; adding zero makes -0 and 0 the same."""
    array = (flat(x).cpu() + 0).contiguous().numpy()
    return [row.tobytes() for row in array]


def _chance(subject: Subject) -> float:
    """Probability, under the model's own law, of drawing some training row: sum of their masses.

    A continuous model's mass of a row of levels is its mean density over dequantization noise, an
    estimate that like a bound falls short of the chance more often than not.
    """
    if subject.likelihood == "none":
        raise NotApplicable("a model without a likelihood does not say how likely repeats are")
    rows = torch.unique(flat(subject.splits.train), dim=0).reshape(-1, *subject.spec.shape)
    generator = subject.generator(161)
    values = []
    for _ in range(NOISE_DRAWS if subject.space.noise else 1):
        y, ledger = subject.space.forward(rows, generator)
        values.append(log_prob(subject, y) + ledger)
    log_mass = torch.logsumexp(torch.stack(values), 0) - math.log(len(values))
    return min(float(log_mass.exp().sum()), 1.0)
