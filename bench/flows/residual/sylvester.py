"""Sylvester flows (arXiv 1803.05649): planar flows of rank M with a triangular core."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.linear.orthogonal import Householder
from bench.flows.monotone.roots import increasing_root
from bench.flows.residual.planar import LEAST


class Sylvester(Bijection):
    """z = x + Q R tanh(R' Q^T x + b), Q orthogonal by reflections (arXiv 1803.05649).

    R and R' are M x M upper triangular with r_ii r'_ii > -1, so that the map is invertible and
    log |det| = sum_i log(1 + r_ii r'_ii (1 - tanh^2)). r'_ii > 0 costs no generality, as tanh is
    odd. The inverse walks the M rows upwards, one root each.

    Args:
        dim: D.
        rank: M <= D.
        reflections: of Q; D of them reach every orthogonal matrix.
    """

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

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """R, R' [M, M] and the products of their diagonals [M] > -1."""
        product = F.softplus(self.raw_diagonal + math.log(math.expm1(1.0))) - 1 + LEAST
        steepness = self.inner.diagonal().exp()
        outer = self.outer.triu(1) + (product / steepness).diag()
        return outer, self.inner.triu(1) + steepness.diag(), product

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        outer, inner, product = self._factors()
        y = self.orthogonal.map_only(x)
        h = torch.tanh(y[:, : self.rank] @ inner.T + self.bias)
        moved = F.pad(h @ outer.T, (0, self.dim - self.rank))
        z = self.orthogonal.inverse(y + moved)[0]
        return z, torch.log1p(product * (1 - h.square())).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.dim)
        outer, inner, product = self._factors()
        turned = self.orthogonal.map_only(z)
        known: list[Tensor] = []  # y_i and h_i of the rows below, last row first
        passed: list[Tensor] = []
        for i in range(self.rank - 1, -1, -1):
            below = slice(i + 1, self.rank)
            y, h = _columns(known, z), _columns(passed, z)
            offset = y @ inner[i, below] + self.bias[i]
            target = turned[:, i] - h @ outer[i, below]
            # with t = r' y: t + p tanh(t + offset) = r' target
            root = _Row(product[i], offset).root(target * inner[i, i])
            known.append(root / inner[i, i])
            passed.append(torch.tanh(root + offset))
        y, h = _columns(known, z), _columns(passed, z)
        x = self.orthogonal.inverse(torch.cat((y, turned[:, self.rank :]), 1))[0]
        return x, -torch.log1p(product * (1 - h.square())).sum(1)


class _Row:
    """t + p tanh(t + offset) as a function of t, p > -1."""

    def __init__(self, product: Tensor, offset: Tensor) -> None:
        self.product, self.offset = product, offset

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(t + self.offset)
        return t + self.product * h, 1 + self.product * (1 - h.square())

    def root(self, target: Tensor) -> Tensor:
        room = self.product.abs()
        return increasing_root(self, target, target - room, target + room)


def _columns(rows: list[Tensor], like: Tensor) -> Tensor:
    """The rows, last first, as columns [B, n]."""
    return torch.stack(rows[::-1], 1) if rows else like.new_zeros(len(like), 0)
