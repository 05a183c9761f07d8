"""MADE over levels: a masked autoregressive network for integer coordinates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.flows.autoregressive.degree_blocked import degree_blocked_inverse
from bench.flows.autoregressive.made import MADE
from bench.levels import invert, level_count, scaled
from bench.models._heads import Head, head_for, log_masses


@model(
    "made",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1502.03509",
)
def build(
    data: DataSpec,
    hidden: int = 256,
    blocks: int = 2,
    dropout: float = 0.3,
    components: int = 3,
) -> DiscreteMADE:
    """p(x) = prod_i p(x_i | x_1 .. x_{i-1}), all conditionals in one pass of a masked network.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        hidden: units per hidden layer; never fewer than D - 1, so that no dependency is missing.
        blocks: masked residual blocks of two layers each.
        dropout: inside the blocks, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    levels = level_count(data)
    net = DiscreteMADE(data.dim, head_for(levels, components), hidden, blocks, dropout)
    net.start_at(data.train)
    return net


class DiscreteMADE(nn.Module):
    """A masked network from levels scaled to [-1, 1] to the outputs of a head per coordinate."""

    def __init__(self, dim: int, head: Head, hidden: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.head = dim, head
        units = max(hidden, dim - 1)
        self.net = MADE(dim, units, blocks=blocks, outputs=head.size, dropout=dropout)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Outputs of the head's first guess for x [N, D], nearly independent of the inputs."""
        self.net.final_layer.weight.mul_(0.1)
        self.net.final_layer.bias.copy_(self.head.bias(x).flatten())

    def outputs(self, y: Tensor) -> Tensor:
        """The head's outputs [B, D, size] for scaled levels y [B, D]; row i reads y[:, :i]."""
        return self.net(y).unflatten(1, (self.dim, self.head.size))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, [B]."""
        x = x.long()
        y = scaled(x, self.head.levels).to(self.net.final_layer.bias.dtype)
        return self.head.log_prob(self.outputs(y), x).sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before, nats [B, D, K]."""
        y = scaled(x.long(), self.head.levels).to(self.net.final_layer.bias.dtype)
        return log_masses(self.head, self.outputs(y))

    def sample(self, n: int) -> Tensor:
        """n draws, coordinate by coordinate in one pass over the network: int64 [n, D]."""
        bias = self.net.final_layer.bias
        u = torch.rand(n, self.dim, dtype=bias.dtype, device=bias.device)
        y, _ = degree_blocked_inverse(self.net, self._solve, u)
        return ((y + 1) * (0.5 * (self.head.levels - 1))).round().long()

    def _solve(self, u: Tensor, outputs: Tensor) -> Tensor:
        """Scaled levels [m, B] from uniforms [m, B] and outputs [m, size, B]."""
        level = invert(log_masses(self.head, outputs.transpose(1, 2)), u)
        return scaled(level, self.head.levels).to(u.dtype)
