"""Discrete Markov chains with exact log-mass, sampling and entropy."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


class MarkovChain:
    """x_1 ~ initial, x_i ~ transitions[i - 2][x_{i-1}], over the levels 0..K-1.

    Args:
        initial: masses of the first coordinate [K], float64.
        transitions: masses [D - 1, K, K] of x_i (last axis) given x_{i-1}, float64.
    """

    def __init__(self, initial: Tensor, transitions: Tensor) -> None:
        self.initial, self.transitions = initial.double(), transitions.double()
        self.entropy = self._entropy()

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent chains, int64 [n, D]."""
        states = [torch.multinomial(self.initial, n, replacement=True, generator=generator)]
        for masses in self.transitions:
            drawn = torch.multinomial(masses[states[-1]], 1, generator=generator)
            states.append(drawn[:, 0])
        return torch.stack(states, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of x [N, D] in nats, float64 [N]."""
        x = x.long()
        i = torch.arange(len(self.transitions))
        moves = self.transitions[i, x[:, :-1], x[:, 1:]]
        return self.initial[x[:, 0]].log() + moves.log().sum(1)

    def _entropy(self) -> float:
        """Chain rule: H(x_1) + sum_i E[H(x_i | x_{i-1})], nats."""
        total = -torch.xlogy(self.initial, self.initial).sum()
        marginal = self.initial
        for masses in self.transitions:
            total -= marginal @ torch.xlogy(masses, masses).sum(1)
            marginal = marginal @ masses
        return float(total)


class Picture:
    """A chain in rows and columns, [1, rows, columns], in raster order, of two classes.

    The class is 1 where the first level is not 0, and wrong for one point in ten: it says something
    of the points, and the points' law is the chain's.
    """

    wrong = 0.1

    def __init__(self, chain: MarkovChain, rows: int) -> None:
        self.chain, self.rows, self.entropy = chain, rows, chain.entropy

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent pictures, int64 [n, 1, rows, columns]."""
        return self.chain.sample(n, generator).reshape(n, 1, self.rows, -1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of x [N, 1, rows, columns] in nats, float64 [N]."""
        return self.chain.log_prob(x.flatten(1))

    def labels(self, x: Tensor, generator: Generator) -> Tensor:
        """A class for each of x [N, 1, rows, columns], int64 [N]."""
        flipped = torch.rand(len(x), generator=generator) < self.wrong
        return ((x.flatten(1)[:, 0] > 0) ^ flipped).long()


def sticky_chain(dim: int, levels: int) -> MarkovChain:
    """Moves to a level k steps away cost k times .5, 1, 2 or 4 nats, coordinate by coordinate.

    The sharp transitions leave levels that are rare, as border pixels are.
    """
    k = torch.arange(levels, dtype=torch.float64)
    cost = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64).repeat(dim)[: dim - 1]
    distance = (k[:, None] - k).abs()
    transitions = torch.softmax(-cost[:, None, None] * distance, -1)
    return MarkovChain(torch.softmax(-k, 0), transitions)
