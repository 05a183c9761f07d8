"""Symbols, sounds and spins with known entropies: against enumeration and other formulas."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from truth_cases import FAULTS, assert_counts_fit, assert_normal, assert_translates, draws

from bench.datasets._ising import Ising
from bench.datasets._signals import TwoTones, rippled_chain
from bench.datasets._sources import LaggedSum, dirichlet_chain
from bench.datasets.known_truth_sources import (
    lag_source_128,
    markov_source_8_128,
    markov_source_16_128,
    markov_text_64,
    two_tones_64,
)


def states(levels: int, shape: tuple[int, ...]) -> Tensor:
    """Every point, the last coordinate fastest."""
    return torch.cartesian_prod(*[torch.arange(levels)] * math.prod(shape)).reshape(-1, *shape)


def number(x: Tensor, levels: int) -> Tensor:
    """The row of each point in `states`."""
    digits = x.flatten(1)
    return (digits * levels ** torch.arange(digits.shape[1] - 1, -1, -1)).sum(1)


def assert_enumerates(density: Any, levels: int, shape: tuple[int, ...]) -> None:
    log_p = density.log_prob(states(levels, shape))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-11)
    assert -float((log_p.exp() * log_p).sum()) == pytest.approx(density.entropy, abs=1e-11)


def assert_states_fit(density: Any, levels: int, shape: tuple[int, ...], n: int) -> None:
    mass = density.log_prob(states(levels, shape)).exp()
    counts = torch.bincount(number(draws(density, n), levels), minlength=len(mass))
    assert_counts_fit(counts, mass, n)


SMALL: dict[str, tuple[Any, int, tuple[int, ...]]] = {
    "ising 3 x 4": (Ising(3, 4, 0.4), 2, (1, 3, 4)),
    "ising 5 x 2": (Ising(5, 2, 0.7), 2, (1, 5, 2)),
    "text": (rippled_chain(5, levels=4, sharpness=3.0), 4, (5,)),
    "shortest text": (rippled_chain(2, levels=5, sharpness=3.0), 5, (2,)),
    "table": (dirichlet_chain(6, levels=3, seed=1), 3, (6,)),
    "lags": (LaggedSum(7, (1, 3), (0.6, 0.3, 0.1)), 3, (7,)),
    "three lags": (LaggedSum(6, (1, 2, 4), (0.7, 0.3)), 2, (6,)),
    "shortest lags": (LaggedSum(4, (2, 4), (0.6, 0.3, 0.1)), 3, (4,)),
}


@pytest.mark.parametrize("name", SMALL)
def test_mass_and_entropy_by_enumeration(name: str) -> None:
    assert_enumerates(*SMALL[name])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_draws_of_each_state_by_its_mass(name: str, n: int) -> None:
    assert_states_fit(*SMALL[name], n)


@pytest.mark.parametrize("fault", ["entropy", "log_prob"])
@pytest.mark.parametrize("name", SMALL)
def test_a_planted_fault_is_found(name: str, fault: str) -> None:
    density, levels, shape = SMALL[name]
    with pytest.raises(AssertionError):
        assert_enumerates(FAULTS[fault](density), levels, shape)


@pytest.mark.parametrize("name", SMALL)
def test_draws_of_a_wrong_law_are_found(name: str) -> None:
    density, levels, shape = SMALL[name]
    wrong = {
        "text": rippled_chain(5, 4, 2.8),
        "shortest text": rippled_chain(2, 5, 2.0),
        "table": dirichlet_chain(6, 3, 2),
        "lags": LaggedSum(7, (1, 3), (0.57, 0.33, 0.1)),
        "three lags": LaggedSum(6, (1, 3, 4), (0.7, 0.3)),
        "shortest lags": dirichlet_chain(4, 3, 0),
    }
    other = wrong.get(name) or Ising(density.height, density.width, 0.95 * density.beta)
    mass = density.log_prob(states(levels, shape)).exp()
    counts = torch.bincount(number(draws(other, 20_000), levels), minlength=len(mass))
    with pytest.raises(AssertionError):
        assert_counts_fit(counts, mass, 20_000)


SYMBOLS = [name for name, (density, *_) in SMALL.items() if hasattr(density, "log_conditionals")]


@pytest.mark.parametrize("name", SYMBOLS)
def test_conditionals_sum_to_one_over_the_next_symbol_and_make_the_window(name: str) -> None:
    density, levels, (length,) = SMALL[name]
    x = states(levels, (length,))
    conditionals = density.log_conditionals(x)
    torch.testing.assert_close(conditionals.sum(1), density.log_prob(x), rtol=0, atol=1e-12)
    by_symbol = conditionals.exp().reshape(*[levels] * length, length)
    for t in range(length):
        total = by_symbol[..., t].sum(t)
        torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-12)
        for later in range(t + 1, length):  # what comes after a symbol says nothing of its mass
            spread = by_symbol[..., t].amax(later) - by_symbol[..., t].amin(later)
            assert float(spread.max()) < 1e-12


@pytest.mark.parametrize("name", ["text", "table", "lags", "three lags"])
def test_a_window_has_the_same_law_wherever_it_begins(name: str) -> None:
    density, levels, (length,) = SMALL[name]
    mass = density.log_prob(states(levels, (length,))).exp().reshape([levels] * length)
    torch.testing.assert_close(mass.sum(0), mass.sum(-1), rtol=0, atol=1e-12)


def test_without_its_longest_lag_a_sum_looks_uniform() -> None:
    density, levels, (length,) = SMALL["lags"]
    mass = density.log_prob(states(levels, (length,))).exp().reshape([levels] * length)
    last_three = mass.sum(tuple(range(length - 3)))
    torch.testing.assert_close(last_three, torch.full_like(last_three, 1 / 27))


RATES = {
    "random table of 8": (markov_source_8_128(), 1.4773009678),
    "random table of 16": (markov_source_16_128(), 2.3755762950),
    "lags": (lag_source_128(), 1.0704756246),
    "text": (markov_text_64(), 1.6716284603),
}


@pytest.mark.parametrize("name", RATES)
def test_the_last_symbols_of_a_window_cost_the_rate(name: str) -> None:
    source, bits = RATES[name]
    assert source.rate / math.log(2) == pytest.approx(bits, abs=1e-10)
    x = draws(source, 4000)
    last = -source.log_conditionals(x)[:, -32:].mean(1)
    assert float(last.mean()) == pytest.approx(source.rate, abs=4 * float(last.std()) / 63)


def test_the_rate_of_the_lags_is_the_entropy_of_the_noise() -> None:
    noise = (0.8, 0.1, 0.05, 0.03, 0.02)
    bits = -sum(p * math.log2(p) for p in noise)
    assert lag_source_128().rate / math.log(2) == pytest.approx(bits, abs=1e-14)
    rest = 116 * bits * math.log(2)
    assert lag_source_128().entropy == pytest.approx(12 * math.log(5) + rest, abs=1e-11)


def test_counts_of_three_symbols_find_the_random_table() -> None:
    source = markov_source_8_128()
    x = draws(source, 4000)
    triples = (x[:, :-2] * 8 + x[:, 1:-1]) * 8 + x[:, 2:]
    counts = torch.bincount(triples.flatten(), minlength=512).reshape(8, 8, 8).double()
    share = counts / counts.sum(-1, keepdim=True)
    error = (source.transitions * (1 - source.transitions) / counts.sum(-1, keepdim=True)).sqrt()
    assert float(((share - source.transitions) / error).abs().max()) < 5


def test_ising_entropies_and_partition_function() -> None:
    assert Ising(10, 10, 0.2).entropy == pytest.approx(65.3837772, abs=6e-8)
    cold = Ising(10, 10, 0.4)
    assert cold.entropy == pytest.approx(48.6354900, abs=6e-8)
    assert cold.log_z == pytest.approx(85.6237366530, abs=6e-11)
    assert Ising(6, 3, 0.4).log_z == pytest.approx(Ising(3, 6, 0.4).log_z, abs=1e-12)


def test_ising_energy_is_the_slope_of_the_partition_function() -> None:
    """E[bonds] = d ln Z / d beta, and H = ln Z - beta E[bonds]."""
    lattice, step = Ising(10, 10, 0.4), 1e-4
    slope = (Ising(10, 10, 0.4 + step).log_z - Ising(10, 10, 0.4 - step).log_z) / (2 * step)
    assert lattice.entropy == pytest.approx(lattice.log_z - 0.4 * slope, abs=1e-4)
    s = 2 * draws(lattice, 20_000)[:, 0].double() - 1
    bonds = (s[:, 1:] * s[:, :-1]).sum((1, 2)) + (s[:, :, 1:] * s[:, :, :-1]).sum((1, 2))
    assert float(bonds.mean()) == pytest.approx(slope, abs=4 * float(bonds.std()) / 141)


def test_a_symbol_more_adds_the_rate() -> None:
    for short, long in pairwise(rippled_chain(length, 8, 4.0) for length in (8, 9, 10)):
        assert long.entropy - short.entropy == pytest.approx(long.rate, abs=1e-11)


def test_text_has_its_rate_and_needs_both_symbols_before() -> None:
    text = markov_text_64()
    assert text.rate / math.log(2) == pytest.approx(1.6716284603, abs=1e-10)
    assert text.entropy == pytest.approx(75.8601797938, abs=1e-9)
    torch.testing.assert_close(text.pair.sum(0), text.pair.sum(1), rtol=0, atol=1e-15)
    one = text.pair.sum(0)
    order_one = torch.xlogy(one, one).sum() - torch.xlogy(text.pair, text.pair).sum()
    assert float(order_one) / math.log(2) == pytest.approx(2.8438343, abs=1e-7)


def test_later_symbols_follow_the_stationary_law() -> None:
    text = markov_text_64()
    x = draws(text, 20_000)
    for first in (0, 31, 62):
        pair = x[:, first] * 8 + x[:, first + 1]
        assert_counts_fit(torch.bincount(pair, minlength=64), text.pair.flatten(), 20_000)


def test_two_tones_by_the_mean_over_their_phases() -> None:
    """The window given its phases is white noise about a sum of cosines."""
    sound = TwoTones(8, cycles=(1, 3), amplitudes=(1.0, 0.6), sd=0.3)
    phase = 2 * math.pi * torch.arange(200, dtype=torch.float64) / 200
    angle = 2 * math.pi / 8 * torch.arange(8, dtype=torch.float64)
    first = (angle + phase[:, None]).cos()[:, None]
    second = 0.6 * (3 * angle + phase[:, None]).cos()[None]
    clean = (first + second).reshape(-1, 8)
    x = draws(sound, 50)
    log_p = stats.norm(0, 0.3).logpdf((x[:, None] - clean).numpy()).sum(-1)
    expected = torch.logsumexp(torch.from_numpy(log_p), 1) - math.log(len(clean))
    torch.testing.assert_close(sound.log_prob(x), expected, rtol=1e-11, atol=1e-11)


def tone_scores(sound: TwoTones, x: Tensor) -> tuple[Tensor, Tensor]:
    """Strength of each tone in the orthonormal Fourier basis, and what is left over."""
    basis = torch.cat([sound.cos, sound.sin]) * math.sqrt(2 / sound.length)
    parts = x @ basis.T
    tones = len(sound.cos)
    return torch.hypot(parts[:, :tones], parts[:, tones:]), x - parts @ basis


@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_two_tones_have_rician_strengths_and_white_remains(n: int) -> None:
    sound = TwoTones(16, cycles=(2, 5), amplitudes=(1.0, 0.5), sd=0.3)
    strength, remains = tone_scores(sound, draws(sound, n))
    for k, amplitude in enumerate((1.0, 0.5)):
        law = stats.rice(amplitude * math.sqrt(8) / 0.3, scale=0.3)
        assert stats.kstest(strength[:, k].numpy(), law.cdf).pvalue > 1e-4
    others = [torch.cos(2 * math.pi / 16 * k * torch.arange(16.0)).double() for k in (1, 3, 4)]
    basis = torch.stack(others) * math.sqrt(2 / 16)
    assert_normal(remains @ basis.T / 0.3)


def test_two_tones_entropy_and_rate() -> None:
    sound = two_tones_64()
    assert sound.rate == pytest.approx((math.log(2 * math.pi) + 1) / 2 + math.log(0.1), abs=1e-14)
    assert sound.entropy == pytest.approx(-48.3381349975, abs=1e-9)
    assert_translates(sound, [0.005])
    surprise = -sound.log_prob(draws(sound, 20_000))
    assert float(surprise.mean()) == pytest.approx(
        sound.entropy, abs=4 * float(surprise.std()) / 141
    )
