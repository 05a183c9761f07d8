"""Does the sampler draw from the density that log_prob reports?

For x from q and y = x + e with symmetric e, Barker's acceptance q(y) / (q(x) + q(y)) balances the
moves between any two regions, so E[a(x, y) log q(y) / q(x)] = 0. No gradient, normaliser or truth
is needed, in any dimension. Catches a sampler's temperature and wrong units; blind to constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from bench import check
from bench.checks._base import (
    EXACT,
    Finding,
    NotApplicable,
    draws,
    flat,
    log_prob,
    mean_error,
    refined,
    spread,
)
from bench.records import Check
from bench.subject import Subject

DELTA = 0.003  #: nats
PILOT = 200  #: draws that choose the step, and are then left out
PROPOSALS = {1: 2, 4: 4}  #: per draw, by the multiple of the usual number of draws
LARGEST = 50.0  #: nats; an honest draw has a better neighbour by so much once in e^50
UNRESOLVED = 1e6  #: nats
STEPS = tuple(4.0 * 2.0**-k for k in range(7))  #: standard deviations, over sqrt(D)

Move = Callable[[Tensor, Generator], Tensor]


@check(
    "balance",
    question="Does the sampler draw from the density that log_prob reports?",
    remedy=(
        "A temperature in the sampler, clipped or rounded draws, bits for nats in log_prob, "
        "weights that changed between the two, a sampler of the training data."
    ),
)
def balance(subject: Subject) -> Check:
    """Mean of acceptance times log-ratio over the model's own draws, nats."""
    if subject.likelihood not in EXACT:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} is too noisy for ratios")
    return refined(lambda times: _imbalance(subject, times), PROPOSALS).check()


def _imbalance(subject: Subject, times: int) -> Finding:
    """The statistic on `times` the usual number of draws."""
    x = draws(subject, times)
    pilot, rest = x[:PILOT], x[PILOT:]
    generator = subject.generator(151)
    move, name = _best(subject, pilot, _moves(subject, pilot), generator)
    here, flow = log_prob(subject, rest), torch.zeros(len(rest), dtype=torch.float64)
    lost = ~_usable(here)
    for _ in range(PROPOSALS[times]):
        there = log_prob(subject, move(rest, generator))
        flow += _flow(here, there) / PROPOSALS[times]
        lost |= there.isnan() | (there == torch.inf)
    mean, error = mean_error(flow)
    found = Finding(
        effect=mean,
        error=error,
        threshold=DELTA,
        n=len(rest),
        what=f"moves from the model's own draws ({name}) are out of balance by {mean:+.4f} nats",
    )
    if lost.any() and found.check().verdict == "pass":
        doubt = f"no usable log_prob at or beside {int(lost.sum())} of {len(rest)} own draws"
        return replace(found, doubt=doubt)
    return found


def _usable(log_p: Tensor) -> Tensor:
    """Finite, and small enough that float32 still resolves a nat."""
    return log_p.isfinite() & (log_p.abs() < UNRESOLVED)


def _flow(here: Tensor, there: Tensor) -> Tensor:
    """Barker acceptance times log-ratio, the ratio cut at +-50 nats.

    Moves from or to points without a usable density count 0, as do those to zero density. Cut and
    omission treat a move and its reverse alike, so that the mean of an honest model stays zero.
    """
    ratio = (there - here).clamp(-LARGEST, LARGEST)
    return torch.where(_usable(here) & _usable(there), torch.sigmoid(ratio) * ratio, 0.0)


def _best(
    subject: Subject, pilot: Tensor, moves: dict[str, Move], generator: Generator
) -> tuple[Move, str]:
    """The move that sees a sampler's temperature best: largest E[a log-ratio^2] on the pilot."""
    here, scores, flat_everywhere = log_prob(subject, pilot), {}, True
    for name, move in moves.items():
        there = log_prob(subject, move(pilot, generator))
        ratio = (there - here).clamp(-LARGEST, LARGEST)
        scores[name] = float((_flow(here, there) * ratio).nan_to_num().mean())
        flat_everywhere &= bool(((there == here) | (there == -torch.inf)).all())
    if flat_everywhere and here.isfinite().all():
        raise NotApplicable("the density is flat: every ratio is one")
    name = max(scores, key=lambda key: scores[key])
    return moves[name], name


def _moves(subject: Subject, pilot: Tensor) -> dict[str, Move]:
    return _jumps(subject) if subject.space.discrete else _steps(pilot)


def _steps(pilot: Tensor) -> dict[str, Move]:
    """Normal steps of several lengths, in units of each coordinate's spread."""
    scale = spread(flat(pilot))[1].to(pilot.device)

    def step(length: float) -> Move:
        def move(x: Tensor, generator: Generator) -> Tensor:
            noise = torch.randn(len(x), len(scale), generator=generator, dtype=torch.float64)
            e = noise.to(x.device) * scale * (length / len(scale) ** 0.5)
            return (x + e.reshape(x.shape)).to(x.dtype)

        return move

    return {f"steps of {length:.2g} sd": step(length) for length in STEPS}


def _jumps(subject: Subject) -> dict[str, Move]:
    """Some coordinates, chosen by their variance in the data, go to a near or to any level."""
    levels = subject.spec.levels or 2
    chance = flat(subject.spec.train).double().var(0).cpu()
    chance = chance if float(chance.sum()) > 0 else torch.ones_like(chance)
    used = int((chance > 0).sum())

    def jump(count: int, reach: int) -> Move:
        def move(x: Tensor, generator: Generator) -> Tensor:
            y = flat(x).long().cpu()
            where = torch.multinomial(chance.expand(len(y), -1), count, generator=generator)
            size = torch.randint(1, reach + 1, where.shape, generator=generator)
            sign = torch.randint(2, where.shape, generator=generator) * 2 - 1
            return y.scatter_add(1, where, size * sign).remainder(levels).reshape(x.shape).to(x)

        return move

    counts = [2**k for k in range(5) if 2**k <= used]
    reaches = sorted({1, max(levels // 2, 1)})
    return {f"{c} levels moved by up to {r}": jump(c, r) for c in counts for r in reaches}
