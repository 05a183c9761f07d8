"""Linear bijections: permutations and the LU parametrisation (arXiv 1807.03039, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points

MIN_DIAGONAL = 1e-3


class Permutation(Bijection):
    """z = x[:, index] for a fixed permutation of 0..D-1 (not part of the state dict)."""

    volume_preserving = True

    def __init__(self, index: Tensor) -> None:
        super().__init__()
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("back", index.argsort(), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and zeros [B]."""
        return self.map_only(x), x.new_zeros(x.shape[0])

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, len(self.index))
        return x.index_select(1, self.index)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and zeros [B]."""
        check_points(z, len(self.index))
        return z.index_select(1, self.back), z.new_zeros(z.shape[0])


def reverse(dim: int) -> Permutation:
    """The permutation that turns the coordinates round."""
    return Permutation(torch.arange(dim - 1, -1, -1))


class LULinear(Bijection):
    """z = L U x + b, L unit lower triangular, U upper with diagonal softplus(u) + 1e-3.

    Starts at the identity; the entries are stored row by row, as in nflows 0.14.
    """

    def __init__(self, dim: int, min_diagonal: float = MIN_DIAGONAL) -> None:
        super().__init__()
        self.dim, self.min_diagonal = dim, min_diagonal
        entries = dim * (dim - 1) // 2
        self.bias = nn.Parameter(torch.zeros(dim))
        self.lower_entries = nn.Parameter(torch.zeros(entries))
        self.upper_entries = nn.Parameter(torch.zeros(entries))
        start = math.log(math.exp(1 - min_diagonal) - 1)
        self.unconstrained_upper_diag = nn.Parameter(torch.full((dim,), start))
        lower, upper = torch.tril_indices(dim, dim, -1), torch.triu_indices(dim, dim, 1)
        self.register_buffer("lower_places", lower[0] * dim + lower[1], persistent=False)
        self.register_buffer("upper_places", upper[0] * dim + upper[1], persistent=False)

    def _diagonal(self) -> Tensor:
        return F.softplus(self.unconstrained_upper_diag) + self.min_diagonal

    def _factors(self) -> tuple[Tensor, Tensor]:
        """L and U, [D, D]."""
        zeros = self.bias.new_zeros(self.dim * self.dim)
        lower = zeros.scatter(0, self.lower_places, self.lower_entries).view(self.dim, self.dim)
        upper = zeros.scatter(0, self.upper_places, self.upper_entries).view(self.dim, self.dim)
        unit = torch.eye(self.dim, dtype=lower.dtype, device=lower.device)
        return lower + unit, upper + self._diagonal().diag()

    def _logabsdet(self, n: int) -> Tensor:
        # its own call of softplus: gradients then add up in the reference's order
        return self._diagonal().log().sum().expand(n)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        return self.map_only(x), self._logabsdet(x.shape[0])

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        lower, upper = self._factors()
        return F.linear(F.linear(x, upper), lower, self.bias)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], by two triangular solves."""
        check_points(z, self.dim)
        lower, upper = self._factors()
        solve = torch.linalg.solve_triangular
        x = solve(lower, (z - self.bias).T, upper=False, unitriangular=True)
        return solve(upper, x, upper=True).T, -self._logabsdet(z.shape[0])
