"""Every known truth that is neither on the line nor on the plane: its draws against its density.

Those on the line and on the plane have tests by their distribution function and by counts in cells,
in test_line_truths.py and test_plane_truths.py. Two statistics serve in any number of dimensions,
with contexts or without, for real values and for symbols:

- surprise: the mean of -log p is the entropy;
- balance: with w = log p(T x) - log p(x) for a move T that keeps volumes, w / (1 + e^-w) has mean
  zero over draws, T and its inverse: p(x) p(Tx) / (p(x) + p(Tx)) is the same for a step and the
  step back, and w changes its sign. It needs no derivative, no normaliser and no support.

Each is a sum of independent terms of finite variance, so a z-score; the level is .001 for all of
them together, by Bonferroni's inequality.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_line_truths import ENTROPIES
from test_plane_truths import CASES
from torch import Generator, Tensor
from truth_cases import Faulty

from bench.contract import Density
from bench.datasets._densities import Stretched
from bench.datasets._signals import TwoTones, rippled_chain
from bench.datasets._sources import LaggedSum
from bench.datasets._wide import Funnel, hadamard_mixture
from bench.datasets.known_truth_nd import linear_chain
from bench.datasets.known_truth_wide import cycling_copula
from bench.registry import DatasetEntry, discover, load_function

BLOCK = 20_000  #: draws that are looked at together
STATISTICS = ("surprise", "first balance", "second balance")
ELSEWHERE = set(ENTROPIES) | set(CASES)
HERE = {e.name: e for e in discover().datasets.values() if e.truth and e.name not in ELSEWHERE}
LEVEL = 1e-3 / (len(STATISTICS) * len(HERE))

LogProb = Callable[[Tensor], Tensor]
Move = Callable[[Tensor, Generator], tuple[Tensor, Tensor]]  #: points -> a step on, a step back
Draw = Callable[[int, Generator], tuple[Tensor, LogProb]]  #: points, log-density at as many points


def unconditional(density: Density) -> Draw:
    return lambda n, g: (density.sample(n, g), density.log_prob)


def conditional(density: Any) -> Draw:
    def draw(n: int, g: Generator) -> tuple[Tensor, LogProb]:
        context = density.draw_context(n, g)
        return density.sample(context, g), lambda x: density.log_prob(x, context)

    return draw


def one_of(x: Tensor, g: Generator) -> Tensor:
    """1 at a coordinate chosen for each point, 0 elsewhere, as x."""
    i = torch.randint(x[0].numel(), (len(x), 1), generator=g)
    return torch.zeros_like(x).flatten(1).scatter_(1, i, 1).reshape(x.shape)


def moves_of_symbols(levels: int) -> list[Move]:
    """Of one coordinate by one level, and by half of the levels."""

    def move(step: int) -> Move:
        def both(x: Tensor, g: Generator) -> tuple[Tensor, Tensor]:
            at = one_of(x, g)
            return (x + step * at) % levels, (x - step * at) % levels

        return both

    return [move(1), move(levels // 2)]


def moves_of_reals(draw: Draw, g: Generator) -> list[Move]:
    """Of all coordinates in some direction, and of one coordinate.

    By so much that log p(T x) differs from log p(x) by less than 1 for half of the points.
    """
    x, log_prob = draw(2000, g)
    before, sd = log_prob(x), x.std(0)

    def halved(shift: Tensor, at: Tensor) -> Tensor:
        while (log_prob(x + shift * at) - before).abs().median() > 1:
            shift = shift / 2
        return shift

    along = sd * torch.randn(x.shape[1:], generator=g, dtype=torch.float64)
    along, alone = halved(along, torch.ones_like(x)), halved(sd, one_of(x, g))

    def one(x: Tensor, g: Generator) -> tuple[Tensor, Tensor]:
        at = one_of(x, g)
        return x + alone * at, x - alone * at

    return [lambda x, g: (x + along, x - along), one]


def accepted(w: Tensor) -> Tensor:
    """w / (1 + e^-w), 0 where w is -inf."""
    return (w * w.sigmoid()).masked_fill(w == -math.inf, 0.0)


def z_scores(
    draw: Draw, entropy: float, levels: int | None, n: int, seed: int = 0
) -> dict[str, float]:
    """Of the surprise and of each balance, over n draws."""
    g = torch.Generator().manual_seed(seed)
    moves = moves_of_symbols(levels) if levels else moves_of_reals(draw, g)
    terms: dict[str, list[Tensor]] = {name: [] for name in STATISTICS}
    for _ in range(n // BLOCK):
        x, log_prob = draw(BLOCK, g)
        log_p = log_prob(x)
        terms["surprise"].append(-log_p - entropy)
        for name, move in zip(STATISTICS[1:], moves, strict=True):
            on, back = (accepted(log_prob(y) - log_p) for y in move(x, g))
            terms[name].append(on + back)
    return {name: z_score(torch.cat(values)) for name, values in terms.items()}


def z_score(terms: Tensor) -> float:
    """Of a mean that should be zero; rounding is no deviation."""
    mean, error = float(terms.mean()), float(terms.std()) / math.sqrt(len(terms))
    return 0.0 if abs(mean) < 1e-9 else mean / max(error, 1e-300)


def p_value(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def assert_fits(found: dict[str, float]) -> None:
    assert all(p_value(z) > LEVEL for z in found.values()), found


def of_entry(entry: DatasetEntry, n: int) -> dict[str, float]:
    density = load_function(entry)()
    draw = conditional(density) if entry.context_dim else unconditional(density)
    # else all that are made of as many normals would share their fluctuation
    seed = zlib.crc32(entry.name.encode())
    return z_scores(draw, density.entropy, entry.levels, n, seed)


def test_every_known_truth_is_tested_somewhere() -> None:
    truths = {e.name: e for e in discover().datasets.values() if e.truth}
    line = {n for n, e in truths.items() if e.shape == (1,) and not e.context_dim}
    assert line == set(ENTROPIES)
    assert line | set(HERE) | {n for n in truths if n in CASES} == set(truths)


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_a_million_draws_agree_with_the_density(name: str) -> None:
    found = of_entry(HERE[name], 1_000_000)
    print(name, {k: f"z {z:+.2f}, p {p_value(z):.3g}" for k, z in found.items()})
    assert_fits(found)


def narrowed(density: Density, columns: slice, by: float = 0.99) -> Any:
    """Draws that are too narrow in some columns."""

    def sample(n: int, g: Generator) -> Tensor:
        x = density.sample(n, g)
        x[:, columns] = x[:, columns].mean(0) + by * (x[:, columns] - x[:, columns].mean(0))
        return x

    return Faulty(density, sample=sample)


def drawn_from(other: Density, density: Density) -> Any:
    return Faulty(density, sample=other.sample)


def lags(first: float) -> LaggedSum:
    return LaggedSum(32, (1, 12), (first, 0.9 - first, 0.05, 0.03, 0.02))


def tones(second: float) -> TwoTones:
    return TwoTones(32, cycles=(5, 12), amplitudes=(1.0, second), sd=0.1)


EVERY, THIRD = slice(None), slice(2, 3)
#: a fault -> the density with it, its levels, and the statistic that must see it in 60 000 draws
FAULTS: dict[str, tuple[Any, int | None, str]] = {
    "narrow chain by surprise": (narrowed(linear_chain(16, 0.9), EVERY), None, "surprise"),
    "narrow chain by balance": (narrowed(linear_chain(16, 0.9), EVERY), None, "balance"),
    "narrow column": (narrowed(linear_chain(16, 0.3), THIRD, 0.9), None, "surprise"),
    "narrow funnel": (narrowed(Funnel(10), EVERY), None, "balance"),
    "narrow mixture": (narrowed(hadamard_mixture(8, 4, 0.5), EVERY), None, "surprise"),
    "other dependence": (
        drawn_from(cycling_copula(4, 0.57), cycling_copula(4, 0.6)),
        None,
        "surprise",
    ),
    "other symbols": (drawn_from(rippled_chain(16, 8, 3.6), rippled_chain(16, 8, 4)), 8, "balance"),
    "other noise by surprise": (drawn_from(lags(0.79), lags(0.8)), 5, "surprise"),
    "other noise by balance": (drawn_from(lags(0.79), lags(0.8)), 5, "balance"),
    "quieter tone": (drawn_from(tones(0.48), tones(0.5)), None, "surprise"),
    "entropy": (Faulty(lags(0.8), entropy=lags(0.8).entropy + 0.1), 5, "surprise"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    density, levels, statistic = FAULTS[name]
    found = z_scores(unconditional(density), density.entropy, levels, 60_000)
    assert any(p_value(z) < LEVEL for k, z in found.items() if k.endswith(statistic)), found


SOUND: dict[str, tuple[Density, int | None]] = {
    "stretched": (Stretched(linear_chain(3, 0.9), torch.tensor([0.1, 3, 30]), torch.ones(3)), None),
    "mixture": (hadamard_mixture(8, 4, 0.5), None),
    "symbols": (rippled_chain(16, 8, 4), 8),
    "lags": (lags(0.8), 5),
    "tones": (tones(0.5), None),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_density_passes(name: str) -> None:
    density, levels = SOUND[name]
    assert_fits(z_scores(unconditional(density), density.entropy, levels, 60_000))
