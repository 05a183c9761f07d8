"""Sylvester flows (arXiv 1803.05649): planar flows of rank M with a triangular core."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.linear.orthogonal import Householder
from bench.flows.residual.planar import LEAST, log_stretch
from bench.flows.residual.tanh_root import FirstStep, tanh_root


class Sylvester(Bijection):
    """z = x + Q R tanh(R' Q^T x + b), Q orthogonal by reflections (arXiv 1803.05649).

    R and R' are M x M upper triangular with r_ii r'_ii > -1, so that the map is invertible and
    log |det| = sum_i log(1 + r_ii r'_ii (1 - tanh^2)). r'_ii > 0 costs no generality, as tanh is
    odd. The inverse has a = R' Q^T x + b from a + R' R tanh(a) = R' Q^T z + b, where R' R is upper
    triangular too: one root for each of the M rows, upwards.

    Args:
        dim: D.
        rank: M <= D.
        reflections: of Q; D of them reach every orthogonal matrix.
    """

    unit: Tensor

    def __init__(self, dim: int, rank: int | None = None, reflections: int | None = None) -> None:
        super().__init__()
        rank = dim if rank is None else rank
        if not 1 <= rank <= dim:
            raise ValueError(f"the rank of a Sylvester layer lies in 1 to {dim}, not {rank}")
        self.dim, self.rank = dim, rank
        self.orthogonal = Householder(dim, reflections or 2 * (dim // 2) or 2)
        with torch.no_grad():
            self.orthogonal.q_vectors.add_(0.1 * torch.randn_like(self.orthogonal.q_vectors))
        self.outer = nn.Parameter(0.01 * torch.randn(rank, rank))
        self.inner = nn.Parameter(torch.randn(rank, rank) / math.sqrt(rank) + torch.eye(rank))
        self.raw_diagonal = nn.Parameter(0.01 * torch.randn(rank))
        self.bias = nn.Parameter(torch.zeros(rank))
        self.first_step = FirstStep()
        self.register_buffer("unit", torch.eye(dim, rank), persistent=False)

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """R, R' [M, M] and the products of their diagonals [M] > -1."""
        product = F.softplus(self.raw_diagonal + math.log(math.expm1(1.0))) - 1 + LEAST
        steepness = self.inner.diagonal().exp()
        outer = self.outer.triu(1) + (product / steepness).diag()
        return outer, self.inner.triu(1) + steepness.diag(), product

    def _basis(self) -> Tensor:
        """The first M columns of Q, [D, M]."""
        v, t = self.orthogonal.core(columns=self.rank)
        return torch.addmm(self.unit, v.T, t, alpha=-1)

    def _moved(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z [B, D], tanh [B, M] and the products of the diagonals [M]."""
        check_points(x, self.dim)
        outer, inner, product = self._factors()
        q = self._basis()
        h = torch.addmm(self.bias, x, q @ inner.T).tanh()
        return torch.addmm(x, h, (q @ outer).T), h, product

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        z, h, product = self._moved(x)
        return z, log_stretch(product, h).sum(1)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        return self._moved(x)[0]

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        outer, inner, product = self._factors()
        q = self._basis()
        left = torch.addmm(self.bias[:, None], inner @ q.T, z.T)  # [M, B]
        columns = (inner @ outer).T[:, :, None].unbind()
        lines = zip(*(line.unbind() for line in self.first_step(product)), strict=True)
        rows = list(zip(product.unbind(), lines, columns, strict=True))
        moves: list[Tensor] = []  # tanh of the rows below, the last first
        for i in range(self.rank - 1, -1, -1):
            p, line, column = rows[i]
            h = tanh_root(left[i], p, line).tanh()
            left = torch.addcmul(left[:i], column[:i], h, value=-1)
            moves.append(h)
        h = torch.stack(moves[::-1], 1)
        return torch.addmm(z, h, (q @ outer).T, alpha=-1), -log_stretch(product, h).sum(1)
