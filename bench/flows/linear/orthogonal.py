"""Orthogonal maps by Householder reflections, and the linear maps built on them (QR, SVD).

K reflections are applied at once in the compact WY form (Schreiber and Van Loan 1989, doi
10.1137/0910005): one triangular solve of K x K by K x D and two matrix products over the batch, or
one where that is cheaper, instead of K passes over it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.linear.entries import triangle, triangle_sources
from bench.flows.linear.lu import MIN_DIAGONAL


class Householder(Bijection):
    """x H_1 ... H_K with H_i = I - 2 v_i v_i^T / |v_i|^2; log |det| = 0.

    The vectors start in equal pairs of unit vectors, so that an even number of reflections is the
    identity (as in nflows 0.14).

    Args:
        dim: D.
        reflections: K; by D of them every orthogonal matrix is a limit.
    """

    volume_preserving = True
    halved: Tensor

    def __init__(self, dim: int, reflections: int) -> None:
        super().__init__()
        if dim < 1 or reflections < 1:
            raise ValueError(f"dim and reflections must be positive, not {dim} and {reflections}")
        self.dim = dim
        place = torch.arange(reflections) // 2 % dim
        self.q_vectors = nn.Parameter(F.one_hot(place, dim).to(torch.get_default_dtype()))
        ones = torch.ones(reflections, reflections)
        self.register_buffer("halved", ones.triu() - torch.eye(reflections) / 2, persistent=False)

    def core(self, backwards: bool = False, columns: int | None = None) -> tuple[Tensor, Tensor]:
        """V [K, D] and T [K, columns]: the product's first columns, default all, are I - V^T T."""
        v = self.q_vectors
        s = v @ v.T * self.halved
        s = s.T if backwards else s
        return v, torch.linalg.solve_triangular(s, v[:, :columns], upper=not backwards)

    def _product(self, x: Tensor, backwards: bool) -> Tensor:
        check_points(x, self.dim)
        v, t = self.core(backwards)
        k, dim = v.shape
        if dim * (k + len(x)) < 2 * k * len(x):
            return torch.addmm(x, x, v.T @ t, alpha=-1)
        return torch.addmm(x, x @ v.T, t, alpha=-1)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and zeros [B]."""
        return self.map_only(x), x.new_zeros(x.shape[0])

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        return self._product(x, backwards=False)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and zeros [B]: the same reflections in the opposite order."""
        return self._product(z, backwards=True), z.new_zeros(z.shape[0])


class QRLinear(Bijection):
    """z = (x R^T) H_1 ... H_K + b, R upper triangular with diagonal exp(d) (nflows 0.14).

    From D points on, R and the reflections are multiplied (or inverted) first.

    Args:
        dim: D.
        reflections: K.
    """

    sources: Tensor
    unit: Tensor

    def __init__(self, dim: int, reflections: int) -> None:
        super().__init__()
        self.dim = dim
        self.bias = nn.Parameter(torch.zeros(dim))
        self.upper_entries = nn.Parameter(torch.empty(dim * (dim - 1) // 2))
        self.log_upper_diag = nn.Parameter(torch.empty(dim))
        self.orthogonal = Householder(dim, reflections)
        for entries in (self.upper_entries, self.log_upper_diag):
            nn.init.uniform_(entries, -1 / math.sqrt(dim), 1 / math.sqrt(dim))
        self.register_buffer("sources", triangle_sources(dim, upper=True), persistent=False)
        self.register_buffer("unit", torch.eye(dim), persistent=False)

    def _upper(self) -> Tensor:
        return triangle(self.sources, self.log_upper_diag.exp(), self.upper_entries)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        return self.map_only(x), self.log_upper_diag.sum().expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        r = self._upper().T
        if len(x) < self.dim:
            return self.orthogonal.map_only(x @ r) + self.bias
        v, t = self.orthogonal.core()
        return torch.addmm(self.bias, x, torch.addmm(r, r @ v.T, t, alpha=-1))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        r, shifted, solve = self._upper().T, z - self.bias, torch.linalg.solve_triangular
        if len(z) < self.dim:
            x = solve(r, self.orthogonal.inverse(shifted)[0], upper=False, left=False)
        else:
            v, t = self.orthogonal.core(backwards=True)
            turn = torch.addmm(self.unit, v.T, t, alpha=-1)
            x = shifted @ solve(r, turn, upper=False, left=False)
        return x, -self.log_upper_diag.sum().expand(len(z))


class SVDLinear(Bijection):
    """z = (x V) S U + b with orthogonal V, U by K reflections each and S = softplus(s) + 1e-3.

    Starts at the identity for an even K (nflows 0.14).
    """

    def __init__(self, dim: int, reflections: int, min_diagonal: float = MIN_DIAGONAL) -> None:
        super().__init__()
        if reflections % 2:
            raise ValueError(f"SVDLinear needs an even number of reflections, not {reflections}")
        self.dim, self.min_diagonal = dim, min_diagonal
        self.bias = nn.Parameter(torch.zeros(dim))
        self.orthogonal_1 = Householder(dim, reflections)
        start = math.log(math.exp(1 - min_diagonal) - 1)
        self.unconstrained_diagonal = nn.Parameter(torch.full((dim,), start))
        self.orthogonal_2 = Householder(dim, reflections)

    def _diagonal(self) -> Tensor:
        return F.softplus(self.unconstrained_diagonal) + self.min_diagonal

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        return self.map_only(x), self._diagonal().log().sum().expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        inner = self.orthogonal_2.map_only(x) * self._diagonal()
        return self.orthogonal_1.map_only(inner) + self.bias

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        inner = self.orthogonal_1.inverse(z - self.bias)[0] / self._diagonal()
        return self.orthogonal_2.inverse(inner)[0], -self._diagonal().log().sum().expand(len(z))
