"""Autoregressive models in steps of one coordinate: all at once to score, one by one to draw."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import invert, level_count
from bench.models._heads import head_for, log_masses


def symbol_count(data: DataSpec) -> int:
    """Number of symbols of a coordinate. Raises UsageError for a sequence of real values."""
    if data.kind == "sequence" and data.levels is None:
        raise UsageError(
            f"{data.name} is a sequence of real values, and this model is one of symbols. Use a "
            "model of continuous data, or a data set that states its levels"
        )
    return level_count(data)


def grid(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, rows, columns) of points of a shape; one axis is a row, more than three channels.

    An image [C, H, W] or [H, W] keeps its axes, a sequence or a table row [D] is [1, 1, D].
    """
    height, width = shape[-2:] if len(shape) > 1 else (1, shape[0])
    channels = 1
    for size in shape[:-2]:
        channels *= size
    return channels, height, width


class Steps(nn.Module):
    """p(x) = prod_t p(x_t | x_1 .. x_{t-1}) in the order of reading, a pixel's channels in turn.

    A subclass gives `network`, all steps of known points at once, and `stepper`, one after the
    other, which keeps what it has computed. Both return the head's outputs less `start`, the head's
    first guess: one for each step, or one for all steps of a sequence.
    """

    order: Tensor  #: step of each coordinate, int64 [D]

    def __init__(self, data: DataSpec, components: int) -> None:
        """`components`: logistics per conditional; 0, and for symbols of a sequence: a table."""
        super().__init__()
        self.channels, self.height, self.width = grid(data.shape)
        self.pixels, self.dim = self.height * self.width, data.dim
        self.stationary = data.kind == "sequence"
        self.head = head_for(symbol_count(data), 0 if self.stationary else components)
        steps = torch.arange(self.dim).reshape(self.pixels, self.channels)
        self.register_buffer("order", steps.T.flatten(), persistent=False)
        self.register_buffer("places", self.order.argsort(), persistent=False)
        self.start = nn.Parameter(torch.zeros(1 if self.stationary else self.dim, self.head.size))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Start from the head's first guess for x [N, D]."""
        x = x.flatten(1)[:, self.places]
        self.start.copy_(self.head.bias(x.reshape(-1, 1) if self.stationary else x))

    def network(self, x: Tensor) -> Tensor:
        """Outputs [B, D, size] for symbols x [B, D] by step; those of step t read x[:, :t]."""
        raise NotImplementedError

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """What gives the outputs of steps 0, 1, .. in turn, [n, size], while x [n, D] is filled."""
        raise NotImplementedError

    def outputs(self, x: Tensor) -> Tensor:
        """The head's inputs [B, D, size] for integers x [B, D], both by step."""
        return self.network(x) + self.start

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, [B]."""
        x = x.long()[:, self.places]
        return self.head.log_prob(self.outputs(x), x).sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K]."""
        return log_masses(self.head, self.outputs(x.long()[:, self.places]))[:, self.order]

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        u = torch.rand(n, self.dim, dtype=self.start.dtype, device=self.start.device)
        return self.sample_from(u)

    @torch.no_grad()
    def sample_from(self, u: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion, each step computed once: int64 [n, D]."""
        u, start = u[:, self.places], self.start.expand(self.dim, -1)
        x = torch.zeros(u.shape, dtype=torch.int64, device=u.device)
        step = self.stepper(x)
        for t in range(self.dim):
            x[:, t] = invert(log_masses(self.head, step(t) + start[t]), u[:, t])
        return x[:, self.order]
