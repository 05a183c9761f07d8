"""Known truths of the sorts that sequence and image models meet: symbols, samples, spins."""

from __future__ import annotations

from bench import dataset
from bench.datasets._ising import Ising
from bench.datasets._signals import OrderTwoChain, TwoTones, rippled_chain
from bench.datasets._sources import LaggedSum, dirichlet_chain


@dataset(
    "markov-text-64",
    kind="sequence",
    shape=[64],
    levels=8,
    truth=True,
    source="rippled_chain in _signals.py",
    licence="generated",
)
def markov_text_64() -> OrderTwoChain:
    """Windows of 64 symbols out of eight, each depending on the two before it."""
    return rippled_chain(64, levels=8, sharpness=4.0)


@dataset(
    "markov-source-8-128",
    kind="sequence",
    shape=[128],
    levels=8,
    truth=True,
    source="dirichlet_chain in _sources.py, seed 2",
    licence="generated",
)
def markov_source_8_128() -> OrderTwoChain:
    """Eight symbols, each depending on the two before it by a random table: 1.4773 bits each."""
    return dirichlet_chain(128, levels=8, seed=2)


@dataset(
    "markov-source-16-128",
    kind="sequence",
    shape=[128],
    levels=16,
    truth=True,
    source="dirichlet_chain in _sources.py, seed 0",
    licence="generated",
)
def markov_source_16_128() -> OrderTwoChain:
    """Sixteen symbols, each depending on the two before it by a random table: 2.3756 bits each."""
    return dirichlet_chain(128, levels=16, seed=0)


@dataset(
    "lag-source-128",
    kind="sequence",
    shape=[128],
    levels=5,
    truth=True,
    source="LaggedSum in _sources.py",
    licence="generated",
)
def lag_source_128() -> LaggedSum:
    """x_t = x_{t-1} + x_{t-12} + e_t modulo 5: 1.0705 bits each, 2.3219 for who forgets lag 12."""
    return LaggedSum(128, lags=(1, 12), noise=(0.8, 0.1, 0.05, 0.03, 0.02))


@dataset(
    "two-tones-64",
    kind="continuous",
    shape=[64],
    truth=True,
    source="TwoTones in _signals.py",
    licence="generated",
)
def two_tones_64() -> TwoTones:
    """Sound of 5 and 12 cycles a window, amplitudes 1 and .5, phases unknown, noise of sd .1."""
    return TwoTones(64, cycles=(5, 12), amplitudes=(1.0, 0.5), sd=0.1)


@dataset(
    "ising-10",
    kind="binary",
    shape=[1, 10, 10],
    levels=2,
    truth=True,
    source="Ising (1925), free borders; transfer matrices in _ising.py",
    licence="generated",
    citation="Ising 1925, Zeitschrift fuer Physik 31",
)
def ising_10() -> Ising:
    """A square of 10 x 10 spins near the critical temperature, beta = .4."""
    return Ising(10, 10, 0.4)
