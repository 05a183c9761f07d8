"""Planar and radial flows (arXiv 1505.05770), constrained to be invertible, with both directions.

`forward` is the closed formula of the paper; the inverse of a planar layer is the root of one
increasing function of one variable per point, that of a radial layer the root of a quadratic. In
the paper the formula runs from noise to data: wrap the layer in `Inverse` for that direction.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.residual.tanh_root import FirstStep, tanh_root

LEAST = 1e-4  #: least slope along the direction that moves: keeps the inverse finite in float32


class Planar(Bijection):
    """z = x + u tanh(w x + b), with u changed along w so that w u > -1 (appendix A.1).

    log |det| = log(1 + (w u) (1 - tanh^2(w x + b))), by the matrix determinant lemma. Starts near
    the identity.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        scale = 1 / math.sqrt(dim)
        self.weight = nn.Parameter(torch.empty(dim).uniform_(-scale, scale))
        self.direction = nn.Parameter(torch.empty(dim).uniform_(-0.01, 0.01))
        self.bias = nn.Parameter(torch.zeros(()))
        self.first_step = FirstStep()

    def _move(self) -> tuple[Tensor, Tensor]:
        """The constrained direction u [D] and w u > -1."""
        w, u = self.weight, self.direction
        product = w @ u
        # log(exp(c) - 1) = 0.5413 shifts softplus so that w u = 0 is kept: the start is no move
        along = F.softplus(product + math.log(math.expm1(1.0))) - 1 + LEAST
        square = (w @ w).clamp(min=torch.finfo(w.dtype).tiny)
        return u + (along - product) * w / square, along

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        u, along, h = self._moved(x)
        return torch.addcmul(x, h[:, None], u), log_stretch(along, h)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        u, _, h = self._moved(x)
        return torch.addcmul(x, h[:, None], u)

    def _moved(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """u [D], w u and tanh(w x + b) [B]."""
        check_points(x, self.dim)
        u, along = self._move()
        return u, along, torch.tanh(x @ self.weight + self.bias)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]: t = w x + b solves t + (w u) tanh(t) = w z + b."""
        check_points(z, self.dim)
        u, along = self._move()
        t = tanh_root(z @ self.weight + self.bias, along, self.first_step(along))
        h = t.tanh()
        return torch.addcmul(z, h[:, None], u, value=-1), -log_stretch(along, h)


def log_stretch(p: Tensor, h: Tensor) -> Tensor:
    """log(1 + p (1 - h^2)), p > -1: of t + p tanh(t), h = tanh(t)."""
    return torch.addcmul(p, p, h.square(), value=-1).log1p()


class Radial(Bijection):
    """z = x + beta (x - c) / (alpha + |x - c|) with beta > -alpha (appendix A.2).

    log |det| = (D - 1) log(1 + beta h) + log(1 + beta h - beta r h^2), h = 1 / (alpha + r) and
    r = |x - c|. Starts near the identity.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.centre = nn.Parameter(torch.randn(dim))
        self.log_alpha = nn.Parameter(torch.zeros(()))
        self.raw_beta = nn.Parameter(torch.full((), math.log(math.expm1(1.0))))

    def _shape(self) -> tuple[Tensor, Tensor]:
        """alpha > 0 and beta > -alpha."""
        alpha = self.log_alpha.exp()
        return alpha, alpha * (F.softplus(self.raw_beta) - 1 + LEAST)

    def _moved(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z [B, D], beta h and alpha h [B]."""
        check_points(x, self.dim)
        alpha, beta = self._shape()
        offset = x - self.centre
        h = (_norm(offset) + alpha).reciprocal()
        move = beta * h
        return torch.addcmul(x, offset, move[:, None]), move, alpha * h

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        z, move, share = self._moved(x)
        return z, self._logabsdet(move, share)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        return self._moved(x)[0]

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]: r + beta r / (alpha + r) = |z - c| is a quadratic."""
        check_points(z, self.dim)
        alpha, beta = self._shape()
        offset = z - self.centre
        s = _norm(offset)
        # r^2 + (alpha + beta - s) r - alpha s = 0 has one root >= 0; written without cancellation
        m = alpha + beta - s
        root = (m.square() + 4 * alpha * s).sqrt()
        r = torch.where(m >= 0, 2 * alpha * s / (m + root), (root - m) / 2)
        h = 1 / (alpha + r)
        move = beta * h
        x = self.centre + offset / (1 + move)[:, None]
        return x, -self._logabsdet(move, alpha * h)

    def _logabsdet(self, move: Tensor, share: Tensor) -> Tensor:
        around = torch.log1p(move)
        return torch.add(torch.log1p(share * move), around, alpha=self.dim - 1)


def _norm(x: Tensor) -> Tensor:
    """|x| [B], with a gradient at 0."""
    return (x.square().sum(1) + torch.finfo(x.dtype).tiny).sqrt()
