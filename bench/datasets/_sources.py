"""Stationary sources of symbols that need a memory: random tables, and a rule with a long lag."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from bench.datasets._signals import OrderTwoChain


def dirichlet_chain(length: int, levels: int, seed: int) -> OrderTwoChain:
    """Each row of the transitions is .98 of a draw from Dirichlet(.2, ..., .2), and .02 uniform.

    The draws are those of numpy's `RandomState(seed)`, whose streams are frozen: the table is the
    same everywhere, and its rate with it.
    """
    rows = np.random.RandomState(seed).dirichlet([0.2] * levels, size=(levels, levels))
    return OrderTwoChain(length, 0.98 * torch.from_numpy(rows) + 0.02 / levels)


class LaggedSum:
    """x_t = sum over lags of x_{t - lag} + e_t modulo K, the first max(lags) symbols uniform.

    Uniform is the stationary law of max(lags) symbols on end: whatever e_t is, the step is a
    bijection of them, because the one that is dropped can be had back from the sum. Who does not
    look so far back sees ln K nats per symbol.

    Args:
        length: of the window, at least max(lags).
        lags: positive, different.
        noise: masses [K] of e_t, all positive.

    `rate` is the entropy of e_t, nats per symbol; `entropy` of the window is max(lags) ln K and
    the rate for every other symbol.
    """

    def __init__(self, length: int, lags: Sequence[int], noise: Sequence[float]) -> None:
        self.length, self.lags, self.memory = length, lags, max(lags)
        self.noise = torch.tensor(noise, dtype=torch.float64)
        self.rate = float(-torch.xlogy(self.noise, self.noise).sum())
        first = self.memory * math.log(len(noise))
        self.entropy = first + (length - self.memory) * self.rate

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent windows, int64 [n, length]."""
        levels = len(self.noise)
        x = torch.empty(n, self.length, dtype=torch.int64)
        x[:, : self.memory] = torch.randint(levels, (n, self.memory), generator=generator)
        rest = n * (self.length - self.memory)
        if rest:
            noise = torch.multinomial(self.noise, rest, replacement=True, generator=generator)
            x[:, self.memory :] = noise.reshape(n, -1)
        for t in range(self.memory, self.length):
            x[:, t] = (x[:, t] + self._sum(x, t, t + 1)[:, 0]) % levels
        return x

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Log-mass of each symbol of x [N, length] given those before it, nats: [N, length]."""
        x, levels = x.long(), len(self.noise)
        first = torch.full((len(x), self.memory), -math.log(levels), dtype=torch.float64)
        noise = (x[:, self.memory :] - self._sum(x, self.memory, self.length)) % levels
        return torch.cat([first, self.noise.log()[noise]], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of x [N, length] in nats, float64 [N]."""
        return self.log_conditionals(x).sum(1)

    def _sum(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Of the lagged symbols, for start <= t < stop: [N, stop - start]."""
        return torch.stack([x[:, start - lag : stop - lag] for lag in self.lags]).sum(0)
