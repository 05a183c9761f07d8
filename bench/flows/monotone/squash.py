"""Fixed elementwise maps between the line and an interval: sigmoid, logit, tanh.

Points outside the domain have density zero: their log-determinant is -inf, and the value is that of
the nearest point inside.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.bijection import Bijection
from bench.flows.compose import Inverse


class Sigmoid(Bijection):
    """z = sigmoid(x), from the line to (0, 1)."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        return x.sigmoid(), (F.logsigmoid(x) + F.logsigmoid(-x)).flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        inside = (z > 0) & (z < 1)
        tiny = torch.finfo(z.dtype).tiny
        low, high = z.clamp(min=tiny).log(), (-z.clamp(max=1 - torch.finfo(z.dtype).eps)).log1p()
        return low - high, torch.where(inside, -low - high, -torch.inf).flatten(1).sum(1)


class Tanh(Bijection):
    """z = tanh(x), from the line to (-1, 1)."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B], without the cancellation of 1 - tanh^2."""
        return x.tanh(), 2 * (math.log(2) - x - F.softplus(-2 * x)).flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        inside = z.abs() < 1
        limit = 1 - torch.finfo(z.dtype).eps
        clamped = z.clamp(-limit, limit)
        slope = -clamped.log1p() - (-clamped).log1p()
        return clamped.atanh(), torch.where(inside, slope, -torch.inf).flatten(1).sum(1)


class Logit(Inverse):
    """z = log x - log(1 - x), from (0, 1) to the line."""

    def __init__(self) -> None:
        super().__init__(Sigmoid())
