"""Does the sampler draw from the density that log_prob reports?

For x from q and y = x + e with symmetric e, Barker's acceptance q(y) / (q(x) + q(y)) balances the
moves between any two regions, so E[a(x, y) log q(y) / q(x)] = 0. No gradient, normaliser or truth
is needed, in any dimension. Catches a sampler's temperature and wrong units; blind to constants.

Noise in log q biases the mean by its variance; twice the statistic of all evaluations of a point
minus that of half of them (the jackknife) is free of that bias to the first order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from bench import check
from bench.checks._base import (
    CALL,
    EXACT,
    Finding,
    NotApplicable,
    draws,
    flat,
    log_prob,
    mean_error,
    refined,
    resolved,
    spread,
)
from bench.checks._noise import Noise, noise_of
from bench.records import Check
from bench.subject import Subject

DELTA = 0.01  #: nats; temperature .9 gives .02 to .05
PILOT = 200  #: draws that choose the step, and are then left out
SIZES, NOISY_SIZES = (1, 4, 16), (1, 4)  #: multiples of the usual number of draws
VARIANCE = 0.035  #: of a point's averaged noise, nats^2; a bias of at most half its square is left
LARGEST = 50.0  #: nats; an honest draw has a better neighbour by so much once in e^50
STEPS = tuple(4.0 * 2.0**-k for k in range(7))  #: standard deviations, over sqrt(D)

Move = Callable[[Tensor, Generator], Tensor]
NO_RATIOS = {
    "lower-bound": "a bound's gap differs from point to point, and so do its ratios",
    "upper-bound": "a bound's gap differs from point to point, and so do its ratios",
    "none": "the model reports no likelihood",
}


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
    if subject.likelihood in NO_RATIOS:
        raise NotApplicable(NO_RATIOS[subject.likelihood])
    if subject.model.sample is None:
        raise NotApplicable("the model has no sampler")
    noise = noise_of(subject, VARIANCE)
    if noise.doubt:
        detail = f"{noise.doubt} ({noise.sd:.2g} nats)."
        return Check(verdict="inconclusive", threshold=DELTA, detail=detail)
    sizes = SIZES if subject.likelihood in EXACT else NOISY_SIZES
    return refined(lambda times: _imbalance(subject, noise, times), sizes).check()


def _imbalance(subject: Subject, noise: Noise, times: int) -> Finding:
    """The statistic on `times` the usual number of draws, each moved twice."""
    x = draws(subject, times)
    pilot, rest = x[:PILOT], x[PILOT:]
    generator = subject.generator(151)
    move, name = _best(subject, noise, pilot, generator)
    here, flow = _values(subject, noise, rest), torch.zeros(len(rest), dtype=torch.float64)
    lost = ~resolved(here).all(0)
    moved = move(rest, generator)
    # there and back the slope cancels; of levels, which go in circles, the second move is a new one
    opposite = move(rest, generator) if subject.space.discrete else 2 * rest - moved
    for y in (moved, opposite):
        there = _values(subject, noise, y)
        flow += noise.settled(_flow, here, there) / 2
        lost |= (there.isnan() | (there == torch.inf)).any(0)
    mean, error = mean_error(flow, None if subject.likelihood in EXACT else CALL)
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


def _values(subject: Subject, noise: Noise, y: Tensor) -> Tensor:
    """[draws, n]"""
    return noise.values(lambda samples: log_prob(subject, y, samples))


def _flow(here: Tensor, there: Tensor) -> Tensor:
    """Barker acceptance times log-ratio, the ratio cut at +-50 nats.

    Moves from or to points without a usable density count 0, as do those to zero density. Cut and
    omission treat a move and its reverse alike, so that the mean of an honest model stays zero.
    """
    ratio = (there - here).clamp(-LARGEST, LARGEST)
    return torch.where(resolved(here) & resolved(there), torch.sigmoid(ratio) * ratio, 0.0)


def _best(subject: Subject, noise: Noise, pilot: Tensor, generator: Generator) -> tuple[Move, str]:
    """The move that sees a sampler's temperature best: largest E[a log-ratio^2] on the pilot."""
    moves, scores, flat_everywhere = _moves(subject, pilot), {}, True
    here = noise.level(_values(subject, noise, pilot))
    for name, move in moves.items():
        there = noise.level(_values(subject, noise, move(pilot, generator)))
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
