"""MADE over levels: a masked autoregressive network for integer coordinates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.flows.autoregressive.degree_blocked import degree_blocked_inverse
from bench.flows.autoregressive.made import MADE, MaskedLinear
from bench.flows.masks import input_degrees, output_mask
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
    blocks: int = 1,
    dropout: float = 0.5,
    components: int = 5,
    direct: bool = True,
) -> DiscreteMADE:
    """p(x) = prod_i p(x_i | x_1 .. x_{i-1}), all conditionals in one pass of a masked network.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        hidden: units per hidden layer; never fewer than D - 1, so that no dependency is missing.
        blocks: hidden layers after the first.
        dropout: after each of these, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
        direct: linear connections from the inputs to the outputs besides.
    """
    head = head_for(level_count(data), components)
    net = DiscreteMADE(data.dim, head, hidden, blocks, dropout, direct)
    net.start_at(data.train)
    return net


class DiscreteMADE(nn.Module):
    """A masked network from levels scaled to [-1, 1] to the outputs of a head per coordinate."""

    def __init__(
        self,
        dim: int,
        head: Head,
        hidden: int,
        blocks: int,
        dropout: float,
        direct: bool = False,
    ) -> None:
        super().__init__()
        self.dim, self.head = dim, head
        self.net = MADE(
            dim,
            max(hidden, dim - 1),
            blocks=blocks,
            outputs=head.size,
            residual=False,
            activation=torch.tanh,
            dropout=dropout,
        )
        self.direct: MaskedLinear | None = None
        if direct:
            self.direct = MaskedLinear(output_mask(dim, head.size, input_degrees(dim)))
            self.direct.register_parameter("bias", None)  # the last layer has one

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Outputs of the head's first guess for x [N, D], nearly independent of the inputs.

        Hidden sums have variance one or so, however few inputs a mask leaves to a unit.
        """
        for layer in self.net.modules():
            if isinstance(layer, MaskedLinear):
                seen = layer.mask.sum(1, keepdim=True).clamp(min=1)
                layer.weight.normal_().div_(seen.sqrt())
                layer.bias.zero_()
        self.net.final_layer.weight.mul_(0.1)
        self.net.final_layer.bias.copy_(self.head.bias(x).flatten())
        if self.direct is not None:
            self.direct.weight.zero_()

    def outputs(self, y: Tensor) -> Tensor:
        """The head's outputs [B, D, size] for scaled levels y [B, D]; row i reads y[:, :i]."""
        flat = self.net(y) if self.direct is None else self.net(y) + self.direct(y)
        return flat.unflatten(1, (self.dim, self.head.size))

    def forward(self, x: Tensor) -> Tensor:
        """The head's outputs [B, D, size] for integers x [B, D]."""
        return self.outputs(scaled(x, self.head.levels).to(self.net.final_layer.bias.dtype))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, [B]."""
        x = x.long()
        return self.head.log_prob(self(x), x).sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before, nats [B, D, K]."""
        return log_masses(self.head, self(x.long()))

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        bias = self.net.final_layer.bias
        return self.sample_from(torch.rand(n, self.dim, dtype=bias.dtype, device=bias.device))

    def sample_from(self, u: Tensor) -> Tensor:
        """Levels for uniforms u [n, D], in one pass over the network: int64 [n, D]."""
        y, _ = degree_blocked_inverse(self.net, _Solver(self), u)
        return ((y + 1) * (0.5 * (self.head.levels - 1))).round().long()


class _Solver:
    """Levels of one coordinate after the other; keeps those before for the direct connections."""

    def __init__(self, made: DiscreteMADE) -> None:
        self.head, self.dim, self.at = made.head, made.dim, 0
        self.direct: Tensor | None = None
        if made.direct is not None:
            self.direct = made.direct.weight.unflatten(0, (made.dim, made.head.size))

    def __call__(self, u: Tensor, outputs: Tensor) -> Tensor:
        """Scaled levels [m, B] of the next m from uniforms [m, B] and outputs [m, size, B]."""
        return torch.stack([self._next(*pair) for pair in zip(u, outputs, strict=True)])

    def _next(self, u: Tensor, outputs: Tensor) -> Tensor:
        """Scaled levels [B] of the next coordinate; behind the last, the next rows' first."""
        i = self.at % self.dim
        self.at += 1
        if i == 0:
            self.known = u.new_empty(self.dim, len(u))
        if self.direct is not None:
            outputs = outputs + self.direct[i, :, :i] @ self.known[:i]
        level = invert(log_masses(self.head, outputs.T), u)
        self.known[i] = scaled(level, self.head.levels)
        return self.known[i]
