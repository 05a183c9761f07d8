"""Orthogonal maps by Householder reflections, and the linear maps built on them (QR, SVD).

K reflections are applied at once in the compact WY form (Schreiber and Van Loan 1989, doi
10.1137/0910005): two matrix products and one K x K triangular solve, instead of K passes over
the batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
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

    def __init__(self, dim: int, reflections: int) -> None:
        super().__init__()
        if dim < 1 or reflections < 1:
            raise ValueError(f"dim and reflections must be positive, not {dim} and {reflections}")
        self.dim = dim
        place = torch.arange(reflections) // 2 % dim
        self.q_vectors = nn.Parameter(F.one_hot(place, dim).to(torch.get_default_dtype()))

    def _core(self) -> tuple[Tensor, Tensor]:
        """V [K, D] and S [K, K], upper triangular: the product is I - V^T S^-1 V."""
        v = self.q_vectors
        gram = v @ v.T
        return v, gram.triu(1) + torch.diag(gram.diagonal() / 2)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and zeros [B]."""
        return self.map_only(x), x.new_zeros(x.shape[0])

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        v, s = self._core()
        return x - torch.linalg.solve_triangular(s, x @ v.T, upper=True, left=False) @ v

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and zeros [B]: the same reflections in the opposite order."""
        check_points(z, self.dim)
        v, s = self._core()
        x = z - torch.linalg.solve_triangular(s.T, z @ v.T, upper=False, left=False) @ v
        return x, z.new_zeros(z.shape[0])


class QRLinear(Bijection):
    """z = (x R^T) H_1 ... H_K + b, R upper triangular with diagonal exp(d) (nflows 0.14).

    Args:
        dim: D.
        reflections: K.
    """

    def __init__(self, dim: int, reflections: int) -> None:
        super().__init__()
        self.dim = dim
        self.bias = nn.Parameter(torch.zeros(dim))
        self.upper_entries = nn.Parameter(torch.empty(dim * (dim - 1) // 2))
        self.log_upper_diag = nn.Parameter(torch.empty(dim))
        self.orthogonal = Householder(dim, reflections)
        for entries in (self.upper_entries, self.log_upper_diag):
            nn.init.uniform_(entries, -1 / math.sqrt(dim), 1 / math.sqrt(dim))
        places = torch.triu_indices(dim, dim, 1)
        self.register_buffer("places", places[0] * dim + places[1], persistent=False)

    def _upper(self) -> Tensor:
        zeros = self.bias.new_zeros(self.dim * self.dim)
        upper = zeros.scatter(0, self.places, self.upper_entries).view(self.dim, self.dim)
        return upper + self.log_upper_diag.exp().diag()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        return self.map_only(x), self.log_upper_diag.sum().expand(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        return self.orthogonal.map_only(F.linear(x, self._upper())) + self.bias

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        turned = self.orthogonal.inverse(z - self.bias)[0]
        x = torch.linalg.solve_triangular(self._upper(), turned.T, upper=True).T
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
