"""Masked affine autoregressive layer (MAF, arXiv 1705.07057; constants of nflows 0.14)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.flows.autoregressive.degree_blocked import masked_inverse
from bench.flows.autoregressive.made import MADE
from bench.flows.bijection import Bijection, check_points
from bench.flows.compose import differentiates
from bench.kernels import Univariate, traced
from bench.kernels.affine import Scaled, affine, scale_and_shift

MIN_SCALE = 1e-3


class MaskedAffine(Bijection):
    """z_i = scale_i x_i + shift_i with scale = softplus(a) + 1e-3, (a, shift)_i = MADE(x_<i).

    `forward` is one pass. `inverse` is one pass too (degree-blocked, fused where it can be) unless
    autograd or a transform of torch's records it; then it is D passes, each differentiable.
    """

    fused = True

    def __init__(self, made: MADE) -> None:
        super().__init__()
        self.autoregressive_net = made

    @property
    def order(self) -> Tensor:
        """Position of each coordinate in the order that the masks keep, int64 [D]."""
        return torch.arange(self.autoregressive_net.dim)

    def transform(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`forward`, as a flow calls it: z [B, D] and log |det dz/dx| [B]."""
        return self(x, context)

    def _scale_and_shift(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        raw = self.autoregressive_net(x, context).view(x.shape[0], x.shape[1], 2)
        return scale_and_shift(raw, MIN_SCALE)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.autoregressive_net.dim)
        net = self.autoregressive_net
        alone = context is None and type(self) is MaskedAffine and type(net) is MADE
        if alone and x.dim() == 2 and x.shape[1] == net.dim:
            bound = net.bound(x)
            if bound is not None and bound.recorded(x):
                return Scaled.apply(bound, MIN_SCALE, x, *bound.parameters)
        return affine(x, net(x, context), MIN_SCALE, masked=True)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.autoregressive_net.dim)
        scale, shift = self._scale_and_shift(x, context)
        return scale * x + shift

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        check_points(z, self.autoregressive_net.dim)
        if not (traced() or differentiates(self, z, context)):
            univariate = Univariate(min_scale=MIN_SCALE)
            return masked_inverse(self.autoregressive_net, univariate, z, context)
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):
            scale, shift = self._scale_and_shift(x, context)
            x = (z - shift) / scale
        return x, -scale.log().sum(1)
