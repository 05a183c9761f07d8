"""The linear bijection of a triangular matrix: a Gaussian's whitening, and half of an LU layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
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

    def __init__(self, dim: int, upper: bool = False, min_diagonal: float = MIN_DIAGONAL) -> None:
        super().__init__()
        self.dim, self.upper, self.min_diagonal = dim, upper, min_diagonal
        self.bias = nn.Parameter(torch.zeros(dim))
        self.entries = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))
        start = math.log(math.expm1(1 - min_diagonal))
        self.unconstrained_diagonal = nn.Parameter(torch.full((dim,), start))
        rows, columns = (
            torch.triu_indices(dim, dim, 1) if upper else torch.tril_indices(dim, dim, -1)
        )
        self.register_buffer("places", rows * dim + columns, persistent=False)

    def _diagonal(self) -> Tensor:
        return F.softplus(self.unconstrained_diagonal) + self.min_diagonal

    def _matrix(self, diagonal: Tensor) -> Tensor:
        """T [D, D]."""
        zeros = self.bias.new_zeros(self.dim * self.dim)
        strict = zeros.scatter(0, self.places, self.entries).view(self.dim, self.dim)
        return strict + diagonal.diag()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        diagonal = self._diagonal()
        z = F.linear(x, self._matrix(diagonal), self.bias)
        return z, diagonal.log().sum().expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        return F.linear(x, self._matrix(self._diagonal()), self.bias)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], by one triangular solve."""
        check_points(z, self.dim)
        diagonal = self._diagonal()
        matrix = self._matrix(diagonal)
        x = torch.linalg.solve_triangular(matrix, (z - self.bias).T, upper=self.upper).T
        return x, -diagonal.log().sum().expand(len(z))
