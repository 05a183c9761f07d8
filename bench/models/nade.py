"""NADE over levels: one hidden layer that takes up a coordinate at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.levels import scaled
from bench.models._steps import Steps

VALUES = 2**24  #: hidden units in memory at once while scoring


@model(
    "nade",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1605.02226",
)
def build(data: DataSpec, hidden: int = 128, dropout: float = 0.4, components: int = 5) -> NADE:
    """p(x_i | x_<i) from the hidden layer tanh(c + sum_{j<i} W_j x_j), in the order of reading.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        hidden: units H.
        dropout: of the hidden layer, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    net = NADE(data, hidden, dropout, components)
    net.start_at(data.train)
    return net


class NADE(Steps):
    """The sums of the hidden layer differ by one term from step to step: O(D H) for all of them.

    Scoring takes them from a cumulative sum, the sampler keeps the last ones (1605.02226).
    """

    def __init__(self, data: DataSpec, hidden: int, dropout: float, components: int) -> None:
        super().__init__(data, components)
        self.dropout = nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.weight = nn.Parameter(torch.randn(self.dim, hidden) / self.dim**0.5)
        self.out = nn.Parameter(torch.empty(self.dim, hidden, self.head.size))
        nn.init.normal_(self.out, std=0.1 / hidden**0.5)

    def network(self, x: Tensor) -> Tensor:
        """Outputs [B, D, size] for levels x [B, D] by step; those of step t read x[:, :t]."""
        rows = max(VALUES // self.weight.numel(), 1)
        return torch.cat([self._rows(part) for part in x.split(rows)])

    def _rows(self, x: Tensor) -> Tensor:
        terms = self.inputs(x).unsqueeze(-1) * self.weight  # [B, D, H]
        sums = F.pad(terms.cumsum(1)[:, :-1], (0, 0, 1, 0)) + self.bias
        return torch.einsum("bdh,dho->bdo", self.dropout(torch.tanh(sums)), self.out)

    def inputs(self, x: Tensor) -> Tensor:
        """Levels x [...] scaled to [-1, 1]."""
        return scaled(x, self.head.levels).to(self.weight.dtype)

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """Each step adds the term of the coordinate before to the sums."""
        sums = self.bias.repeat(len(x), 1)

        def step(t: int) -> Tensor:
            if t:
                sums.addcmul_(self.inputs(x[:, t - 1 : t]), self.weight[t - 1])
            return torch.tanh(sums) @ self.out[t]

        return step
