"""Planar and radial flows (arXiv 1505.05770), constrained to be invertible, with both directions.

`forward` is the closed formula of the paper; the inverse is the root of one increasing function of
one variable per point, by bracketed Newton. In the paper the formula runs from noise to data:
wrap the layer in `Inverse` for that direction.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows.bijection import Bijection, check_points
from bench.flows.monotone.roots import increasing_root

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
        check_points(x, self.dim)
        u, along = self._move()
        h = torch.tanh(x @ self.weight + self.bias)
        return x + h[:, None] * u, torch.log1p(along * (1 - h.square()))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]: a = w x solves a + (w u) tanh(a + b) = w z."""
        check_points(z, self.dim)
        u, along = self._move()
        target = z @ self.weight

        def along_w(a: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(a + self.bias)
            return a + along * h, 1 + along * (1 - h.square())

        room = along.abs()
        a = increasing_root(along_w, target, target - room, target + room)
        h = torch.tanh(a + self.bias)
        return z - h[:, None] * u, -torch.log1p(along * (1 - h.square()))


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

    def _stretch(self, r: Tensor, alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """|z - c| / r and the slope of |z - c| in r."""
        h = 1 / (alpha + r)
        return 1 + beta * h, 1 + beta * alpha * h.square()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        offset = x - self.centre
        ratio, slope = self._stretch(_norm(offset), *self._shape())
        return self.centre + ratio[:, None] * offset, self._logabsdet(ratio, slope)

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
        ratio, slope = self._stretch(r, alpha, beta)
        return self.centre + offset / ratio[:, None], -self._logabsdet(ratio, slope)

    def _logabsdet(self, ratio: Tensor, slope: Tensor) -> Tensor:
        return (self.dim - 1) * ratio.log() + slope.log()


def _norm(x: Tensor) -> Tensor:
    """|x| [B], with a gradient at 0."""
    return (x.square().sum(1) + torch.finfo(x.dtype).tiny).sqrt()
