"""Do draws lie near training rows, near each other, or at repeated values more than they should?

A draw x and the end x' of a Metropolis move from it (proposal symmetric, accepted with probability
min(1, q(x') / q(x))) are exchangeable if x comes from q: the move keeps detailed balance. So no
function of one point may prefer either: not its distance to the nearest training row, nor to the
nearest of other draws, nor how many of its coordinates repeat another draw's exactly. An honest
kernel estimate on the training rows passes, a sampler of training rows with a little noise fails,
and so do a pool of draws, repeated, rounded and clamped ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    EXACT,
    Finding,
    NotApplicable,
    draws,
    flat,
    log_prob,
    refined,
    resolved,
    spread,
)
from bench.subject import Subject

SHARE = 0.02  #: of the moves, by which one direction may prevail
VISIBLE = 0.05  #: largest standard error of a pass
SIZES = (1, 4)  #: times the usual number of draws
LENGTHS = tuple(0.5 * 4.0**-k for k in range(7))  #: of moves, in standard deviations
WANTED, FEWEST = 0.4, 200  #: acceptance rate that chooses the length, and accepted moves needed
PILOT = 200
QUANTILES = (0.01, 0.05, 0.2, 0.5)  #: of the distances at both ends, where they are compared
ROWS = 4000  #: training rows looked at


@check(
    "neighbours",
    question="Do draws lie nearer to training rows, or to each other, than the density says?",
    remedy=(
        "A sampler that hands out training rows with noise, a pool of stored draws, draws that are "
        "rounded, clamped or repeated. Compare draws with their nearest neighbours."
    ),
)
def neighbours(subject: Subject) -> Finding:
    """Share of Metropolis moves that leave neighbours behind, minus those that come to some."""
    if subject.space.discrete:
        raise NotApplicable("the model is discrete: see copies")
    if subject.likelihood not in EXACT:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} is too noisy for ratios")
    return refined(lambda times: _worst(subject, times), SIZES)


@dataclass(frozen=True)
class Moves:
    """Both ends of accepted moves, rows [m, D] in units of each coordinate's spread."""

    before: Tensor
    after: Tensor


def _worst(subject: Subject, times: int) -> Finding:
    """The most significant preference among those at `times` the usual number of draws."""
    x = draws(subject, times)
    centre, scale = spread(flat(subject.spec.train))
    half = len(x) // 2
    moves = _moves(subject, x[:half], scale)
    others = flat(x[half:]).double().cpu()
    others = others[others.isfinite().all(1)]
    if len(moves.before) < FEWEST or len(others) < FEWEST:
        return Finding(
            effect=0.0,
            error=1.0,
            threshold=SHARE,
            n=half,
            what=f"{len(moves.before)} moves were accepted",
            doubt="too few draws can be moved at all",
        )
    rows = flat(subject.spec.train)[:ROWS].double().cpu()
    found = [
        _preference(_nearest(moves.before, rows / scale), _nearest(moves.after, rows / scale)),
        _preference(_nearest(moves.before, others / scale), _nearest(moves.after, others / scale)),
        _fewer(_repeats(moves.before, others / scale), _repeats(moves.after, others / scale)),
    ]
    names = ("lie near training rows", "lie near other draws", "repeat coordinates of other draws")
    chosen = max(range(3), key=lambda i: abs(found[i][0]) / found[i][1])
    share, error = found[chosen]
    return Finding(
        effect=share,
        error=error,
        threshold=SHARE,
        n=len(moves.before),
        what=f"{share:+.1%} more draws than moved ones {names[chosen]}",
        sees=VISIBLE,
    )


def _moves(subject: Subject, x: Tensor, scale: Tensor) -> Moves:
    """Metropolis moves from draws x [n, ...] by normal steps of the best length."""
    rows, here = flat(x).double().cpu(), log_prob(subject, x)
    sound = rows.isfinite().all(1) & resolved(here)
    rows, here = rows[sound], here[sound]
    generator = subject.generator(181)

    def move(n: int, length: float) -> tuple[Tensor, Tensor]:
        steps = torch.randn(n, rows.shape[1], generator=generator, dtype=torch.float64)
        y = (rows[:n] + length * scale * steps).to(x.dtype)
        there = log_prob(subject, y.to(x).reshape(n, *x.shape[1:]))
        chance = torch.rand(n, generator=generator, dtype=torch.float64).log()
        return y.double(), resolved(there) & (chance < there - here[:n])

    length = LENGTHS[-1]
    for candidate in LENGTHS:
        if float(move(min(PILOT, len(rows)), candidate)[1].double().mean()) >= WANTED:
            length = candidate
            break
    y, accepted = move(len(rows), length)
    return Moves(rows[accepted] / scale, y[accepted] / scale)


def _nearest(x: Tensor, rows: Tensor) -> Tensor:
    """Distance of each x [n, D] to the nearest of the rows, [n]."""
    parts = [torch.cdist(part, rows).min(1).values for part in x.split(1000)]
    return torch.cat(parts)


def _repeats(x: Tensor, others: Tensor) -> Tensor:
    """How many coordinates of each x [n, D] take a value that some other draw takes, [n]."""
    columns = [torch.isin(x[:, i], others[:, i]) for i in range(x.shape[1])]
    return torch.stack(columns, 1).sum(1)


def _preference(before: Tensor, after: Tensor) -> tuple[float, float]:
    """The likeliest excess of small distances before the move over after it: share and error.

    Below the quantiles of both ends together, which a swap of the ends does not change.
    """
    both = torch.cat([before, after])
    levels = torch.quantile(both, torch.tensor(QUANTILES, dtype=both.dtype)).tolist()
    found = [_fewer((before < level).long(), (after < level).long()) for level in levels]
    return max(found, key=lambda pair: abs(pair[0]) / pair[1])


def _fewer(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Share of pairs that are larger before minus those larger after, and its standard error.

    Under exchangeability each unequal pair falls to either side alike (McNemar, 1947).
    """
    down, up = int((before > after).sum()), int((before < after).sum())
    n = len(before)
    return (down - up) / n, math.sqrt(max(down + up, 1)) / n
