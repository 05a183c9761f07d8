"""The linear bijection of a triangular matrix: a Gaussian's whitening, and half of an LU layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.linear.entries import triangle, triangle_sources
from bench.flows.linear.lu import MIN_DIAGONAL


class Triangular(Bijection):
    """z = T x + b with T triangular, its diagonal softplus(t) + 1e-3; log |det| = sum log t_ii.

    Starts at the identity. Over a standard normal it is the Gaussian N(-T^-1 b, (T^T T)^-1), and
    every Gaussian is one. Raises ValueError for points of another dimension.

    Args:
        dim: D.
        upper: T is upper triangular, else lower.
        min_diagonal: least diagonal entry.
    """

    sources: Tensor

    def __init__(self, dim: int, upper: bool = False, min_diagonal: float = MIN_DIAGONAL) -> None:
        super().__init__()
        self.dim, self.upper, self.min_diagonal = dim, upper, min_diagonal
        self.bias = nn.Parameter(torch.zeros(dim))
        self.entries = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))
        start = math.log(math.expm1(1 - min_diagonal))
        self.unconstrained_diagonal = nn.Parameter(torch.full((dim,), start))
        self.register_buffer("sources", triangle_sources(dim, upper), persistent=False)

    def _diagonal(self) -> Tensor:
        return F.softplus(self.unconstrained_diagonal) + self.min_diagonal

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        diagonal = self._diagonal()
        z = F.linear(x, triangle(self.sources, diagonal, self.entries), self.bias)
        return z, diagonal.log().sum().expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        matrix = triangle(self.sources, self._diagonal(), self.entries)
        return F.linear(x, matrix, self.bias)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], by one triangular solve."""
        check_points(z, self.dim)
        diagonal = self._diagonal()
        matrix = triangle(self.sources, diagonal, self.entries)
        x = torch.linalg.solve_triangular(matrix, (z - self.bias).T, upper=self.upper).T
        return x, -diagonal.log().sum().expand(len(z))
