"""Known truths of the sorts that sequence and image models meet: symbols, samples, spins."""

from __future__ import annotations

from bench import dataset
from bench.datasets._ising import Ising
from bench.datasets._signals import OrderTwoChain, TwoTones, rippled_chain


@dataset(
    "markov-text-64",
    kind="discrete",
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
)
def ising_10() -> Ising:
    """A square of 10 x 10 spins near the critical temperature, beta = .4."""
    return Ising(10, 10, 0.4)
