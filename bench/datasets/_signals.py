"""Windows of stationary sources, with exact densities and entropy rates."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from bench.datasets._densities import LOG_2PI
from bench.datasets._plane import ring_entropy


class OrderTwoChain:
    """A window of a stationary chain: x_t ~ transitions[x_{t-2}, x_{t-1}], over levels 0..K-1.

    Args:
        length: of the window, at least 2.
        transitions: positive masses [K, K, K] of the next symbol (last axis), float64.

    `rate` is the entropy rate, nats per symbol; `entropy` of the window is that of a stationary
    pair plus length - 2 times the rate.
    """

    def __init__(self, length: int, transitions: Tensor) -> None:
        self.length, self.transitions = length, transitions
        self.pair = self._stationary()
        self.rate = float(-(self.pair[..., None] * torch.xlogy(transitions, transitions)).sum())
        first = float(-torch.xlogy(self.pair, self.pair).sum())
        self.entropy = first + (length - 2) * self.rate

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent windows, int64 [n, length]."""
        levels = len(self.pair)
        start = torch.multinomial(self.pair.flatten(), n, replacement=True, generator=generator)
        symbols = [start // levels, start % levels]
        while len(symbols) < self.length:
            masses = self.transitions[symbols[-2], symbols[-1]]
            symbols.append(torch.multinomial(masses, 1, generator=generator)[:, 0])
        return torch.stack(symbols, 1)

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Log-mass of each symbol of x [N, length] given those before it, nats: [N, length]."""
        x = x.long()
        one = self.pair.sum(1)
        first = one[x[:, 0]].log()
        second = self.pair[x[:, 0], x[:, 1]].log() - first
        moves = self.transitions[x[:, :-2], x[:, 1:-1], x[:, 2:]].log()
        return torch.cat([first[:, None], second[:, None], moves], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of x [N, length] in nats, float64 [N]."""
        return self.log_conditionals(x).sum(1)

    def _stationary(self) -> Tensor:
        """Masses [K, K] of two successive symbols: the fixed point of one step."""
        levels = len(self.transitions)
        step = torch.zeros(levels, levels, levels, levels, dtype=torch.float64)
        for b in range(levels):
            step[:, b, b] = self.transitions[:, b]
        step = step.reshape(levels**2, levels**2)
        # pi (step - I) = 0 with sum pi = 1: the last column says what the others imply
        system = step - torch.eye(levels**2, dtype=torch.float64)
        system[:, -1] = 1
        one = torch.zeros(levels**2, dtype=torch.float64)
        one[-1] = 1
        return torch.linalg.solve(system.T, one).reshape(levels, levels)


def rippled_chain(length: int, levels: int, sharpness: float) -> OrderTwoChain:
    """Transitions softmax(sharpness sin(1 + a + 3 b^2 + 7 c (1 + a + 2 b))), symbols a, b to c.

    The sine of integers stands for a table of random numbers, the same everywhere; both symbols
    before are needed to know the next one.
    """
    a, b, c = torch.meshgrid(*[torch.arange(levels, dtype=torch.float64)] * 3, indexing="ij")
    score = (1 + a + 3 * b.square() + 7 * c * (1 + a + 2 * b)).sin()
    return OrderTwoChain(length, torch.softmax(sharpness * score, -1))


class TwoTones:
    """x_t = sum over tones a cos(2 pi k t / length + phase) + sd e_t, phases uniform, e normal.

    Whole numbers k of cycles make the tones orthogonal over the window: in the Fourier basis each
    one is a ring of radius a sqrt(length / 2), independent of all else. `rate` is the entropy of a
    sample given a long past, that of the noise: nats.

    Args:
        length: samples in a window.
        cycles: k of each tone, different and strictly between 0 and length / 2.
        amplitudes: a of each tone.
        sd: of the noise.
    """

    def __init__(
        self, length: int, cycles: tuple[int, ...], amplitudes: tuple[float, ...], sd: float
    ) -> None:
        self.length, self.sd = length, sd
        self.amplitudes = torch.tensor(amplitudes, dtype=torch.float64)
        time = torch.arange(length, dtype=torch.float64)
        angles = 2 * math.pi / length * torch.tensor(cycles, dtype=torch.float64)[:, None] * time
        self.cos, self.sin = angles.cos(), angles.sin()
        self.rate = (LOG_2PI + 1) / 2 + math.log(sd)
        radii = self.amplitudes * math.sqrt(length / 2)
        rings = math.fsum(ring_entropy(float(radius), sd) for radius in radii)
        self.entropy = (length - 2 * len(cycles)) * self.rate + rings

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent windows, [n, length]."""
        turns = torch.rand(n, len(self.cos), generator=generator, dtype=torch.float64)
        noise = torch.randn(n, self.length, generator=generator, dtype=torch.float64)
        phase = 2 * math.pi * turns
        cos, sin = self.amplitudes * phase.cos(), self.amplitudes * phase.sin()
        return cos @ self.cos - sin @ self.sin + self.sd * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, length] in nats, [N].

        The noise's density at x, times a ratio I_0(a |X| / sd^2) exp(-a^2 length / (4 sd^2)) for
        each tone, X = sum_t x_t e^(-2 pi i k t / length).
        """
        noise = -(x / self.sd).square().sum(1) / 2 - self.length * (LOG_2PI / 2 + math.log(self.sd))
        strength = self.amplitudes / self.sd**2 * torch.hypot(x @ self.cos.T, x @ self.sin.T)
        ratio = torch.special.i0e(strength).log() + strength
        return noise + (ratio - self.amplitudes.square() * self.length / (4 * self.sd**2)).sum(1)
