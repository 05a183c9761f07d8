"""The Ising model on a rectangle with free borders, solved by transfer matrices."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


class Ising:
    """p(x) = exp(beta sum over neighbours s_i s_j) / Z, s = 2x - 1, on height x width bits.

    The transfer matrix adds one site at a time in raster order. Its state is the last `width`
    sites, so that time and memory go as height * width * 2^width: exact for a width up to about 16.

    Args:
        height, width: of the lattice; both at least 2.
        beta: coupling divided by temperature.
    """

    def __init__(self, height: int, width: int, beta: float) -> None:
        self.height, self.width, self.beta = height, width, beta
        self.states = 2**width
        self.log_z, self.up = self._solve()
        self.entropy = self._entropy()

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent lattices, int64 [n, 1, height, width], drawn site by site."""
        state, bits = torch.zeros(n, dtype=torch.int64), []
        for up in self.up:
            u = torch.rand(n, generator=generator, dtype=torch.float64)
            bits.append((u < up[state]).long())
            state = self._next(state, bits[-1])
        return torch.stack(bits, 1).reshape(n, 1, self.height, self.width)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of x [N, 1, height, width] in nats, float64 [N]."""
        s = 2 * x[:, 0].double() - 1
        bonds = (s[:, 1:] * s[:, :-1]).sum((1, 2)) + (s[:, :, 1:] * s[:, :, :-1]).sum((1, 2))
        return self.beta * bonds - self.log_z

    def _next(self, state: Tensor, bit: Tensor) -> Tensor:
        """The state after a site: its bit enters as the last digit, the oldest site leaves."""
        return (2 * state + bit) % self.states

    def _bonds(self, site: int) -> Tensor:
        """Log-weight [states] of a site that is up: its bonds to the sites above and to the left.

        Of a site that is down it is the negative. The first bit of a state is the site above.
        """
        state = torch.arange(self.states)
        spins = torch.zeros(self.states, dtype=torch.float64)
        if site >= self.width:
            spins += 2 * (state >> (self.width - 1)) - 1
        if site % self.width:
            spins += 2 * (state & 1) - 1
        return self.beta * spins

    def _solve(self) -> tuple[float, Tensor]:
        """ln Z, and the mass of an up site given the state before it, [sites, states]."""
        state = torch.arange(self.states)
        after = torch.zeros(self.states, dtype=torch.float64)  # ln of the sum over later sites
        up = []
        for site in reversed(range(self.height * self.width)):
            bonds = self._bonds(site)
            high = bonds + after[self._next(state, torch.ones_like(state))]
            low = -bonds + after[self._next(state, torch.zeros_like(state))]
            up.append((high - low).sigmoid())
            after = torch.logaddexp(high, low)
        return float(after[0]), torch.stack(up[::-1])

    def _entropy(self) -> float:
        """Chain rule: the sum over sites of E[H(site | state before it)], nats."""
        state = torch.arange(self.states)
        mass = torch.zeros(self.states, dtype=torch.float64)
        mass[0], total = 1.0, 0.0
        for up in self.up:
            total -= float(mass @ (torch.xlogy(up, up) + torch.xlogy(1 - up, 1 - up)))
            moved = torch.zeros_like(mass)
            for bit, share in ((0, 1 - up), (1, up)):
                end = self._next(state, torch.full_like(state, bit))
                moved.index_add_(0, end, mass * share)
            mass = moved
        return total
