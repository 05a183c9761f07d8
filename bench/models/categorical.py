"""Independent coordinates, each with a table of the frequencies of its levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.levels import draw, level_count, log_marginals


@model("categorical", accepts=["discrete", "binary"], likelihood="exact-discrete", family="table")
def build(data: DataSpec, alpha: float = 1.0) -> Categorical:
    """p(x) = prod_i (count_i(x_i) + alpha) / (N + alpha K) over train and validation points.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        alpha: pseudo-count of every level (1: Laplace's rule).
    """
    return Categorical(log_marginals(data.train_valid, level_count(data), alpha))


class Categorical(nn.Module):
    """Product of tables; `log_mass` is [D, K], nats."""

    def __init__(self, log_mass: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_mass", log_mass)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, float64 [B]."""
        i = torch.arange(len(self.log_mass), device=x.device)
        return self.log_mass[i, x.long()].sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """The table for each point of x [B, D], nats [B, D, K]."""
        return self.log_mass.expand(len(x), -1, -1)

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        return draw(self.log_mass.expand(n, -1, -1))
