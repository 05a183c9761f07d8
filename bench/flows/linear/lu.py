"""Linear bijections: permutations and the LU parametrisation (arXiv 1807.03039, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.compose import differentiates
from bench.flows.linear.entries import diagonal_places, gathered, strict_places

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

    Starts at the identity; the entries are stored row by row, as in nflows 0.14. From D points on
    L and U are multiplied (or inverted) first, for one product over the batch.

    Args:
        dim: D.
        min_diagonal: least entry of U's diagonal.
        faithful: wherever autograd records, the forward pass has nflows' order of operations and
            with it the roundings of a training run; slower.
    """

    lower_places: Tensor
    upper_places: Tensor
    sources: Tensor
    unit: Tensor

    def __init__(self, dim: int, min_diagonal: float = MIN_DIAGONAL, faithful: bool = True) -> None:
        super().__init__()
        self.dim, self.min_diagonal, self.faithful = dim, min_diagonal, faithful
        entries = dim * (dim - 1) // 2
        self.bias = nn.Parameter(torch.zeros(dim))
        self.lower_entries = nn.Parameter(torch.zeros(entries))
        self.upper_entries = nn.Parameter(torch.zeros(entries))
        start = math.log(math.exp(1 - min_diagonal) - 1)
        self.unconstrained_upper_diag = nn.Parameter(torch.full((dim,), start))
        self.register_buffer("lower_places", strict_places(dim, upper=False), persistent=False)
        self.register_buffer("upper_places", strict_places(dim, upper=True), persistent=False)
        places = torch.cat((self.lower_places, self.upper_places, diagonal_places(dim)))
        self.register_buffer("sources", places.argsort().view(dim, dim), persistent=False)
        self.register_buffer("unit", torch.eye(dim), persistent=False)

    def _diagonal(self) -> Tensor:
        return F.softplus(self.unconstrained_upper_diag) + self.min_diagonal

    def _packed(self, diagonal: Tensor) -> Tensor:
        """U, and L's entries below its diagonal, as LAPACK keeps them; [D, D]."""
        return gathered(self.sources, self.lower_entries, self.upper_entries, diagonal)

    def _factors(self) -> tuple[Tensor, Tensor]:
        """L and U, [D, D]."""
        packed = self._packed(self._diagonal())
        return packed.tril(-1) + self.unit, packed.triu()

    def _recorded(self, x: Tensor) -> bool:
        return self.faithful and differentiates(self, x)

    def _in_turn(self, x: Tensor) -> Tensor:
        lower, upper = self._factors()
        return F.linear(F.linear(x, upper), lower, self.bias)

    def _at_once(self, x: Tensor, diagonal: Tensor) -> Tensor:
        packed = self._packed(diagonal)
        upper, below = packed.triu(), packed.tril(-1)
        if len(x) < self.dim:
            y = F.linear(x, upper)
            return torch.addmm(y + self.bias, y, below.T)
        return F.linear(x, torch.addmm(upper, below, upper), self.bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        diagonal = self._diagonal()
        # in turn, a softplus of its own: gradients then add up in the reference's order
        z = self._in_turn(x) if self._recorded(x) else self._at_once(x, diagonal)
        return z, diagonal.log().sum().expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        return self._in_turn(x) if self._recorded(x) else self._at_once(x, self._diagonal())

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B], by two triangular solves, of the unit from D points."""
        check_points(z, self.dim)
        diagonal = self._diagonal()
        packed = self._packed(diagonal)  # each solve reads its own triangle
        shifted, few = z - self.bias, len(z) < self.dim
        solve = torch.linalg.solve_triangular
        right = shifted.T if few else self.unit
        solved = solve(packed, right, upper=False, unitriangular=True)
        solved = solve(packed, solved, upper=True)
        x = solved.T if few else F.linear(shifted, solved)
        return x, -diagonal.log().sum().expand(len(z))
