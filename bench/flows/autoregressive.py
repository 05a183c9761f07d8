"""Masked affine autoregressive layer (MAF, arXiv 1705.07057; constants of nflows 0.14)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.bijection import Bijection
from bench.flows.compose import differentiates
from bench.flows.degree_blocked import degree_blocked_inverse
from bench.flows.made import MADE

MIN_SCALE = 1e-3


class MaskedAffine(Bijection):
    """z_i = scale_i x_i + shift_i with scale = softplus(a) + 1e-3, (a, shift)_i = MADE(x_<i).

    `forward` is one pass. `inverse` is one pass too (degree-blocked) unless autograd records it;
    then it is D passes, each differentiable.
    """

    def __init__(self, made: MADE) -> None:
        super().__init__()
        self.autoregressive_net = made

    def _scale_and_shift(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        parameters = self.autoregressive_net(x, context).view(x.shape[0], x.shape[1], 2)
        return _scale(parameters[..., 0]), parameters[..., 1]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        scale, shift = self._scale_and_shift(x, context)
        return scale * x + shift, scale.log().sum(1)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        scale, shift = self._scale_and_shift(x, context)
        return scale * x + shift

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        if not differentiates(self, z, context):
            net = self.autoregressive_net
            x, parameters = degree_blocked_inverse(net, _solve, z, context)
            return x, -_scale(parameters[..., 0]).log().sum(1)
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):
            scale, shift = self._scale_and_shift(x, context)
            x = (z - shift) / scale
        return x, -scale.log().sum(1)


def _scale(raw: Tensor) -> Tensor:
    return F.softplus(raw) + MIN_SCALE


def _solve(z: Tensor, parameters: Tensor) -> Tensor:
    """x [n, B] from z [n, B] and parameters [n, 2, B]."""
    return (z - parameters[:, 1]) / _scale(parameters[:, 0])
