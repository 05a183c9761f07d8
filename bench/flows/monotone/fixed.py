"""Maps without a network that act on each coordinate alone: a given scale and shift, leaky ReLU."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.bijection import Bijection


class PointwiseAffine(Bijection):
    """z = scale x + shift with constants that broadcast against one point.

    Raises ValueError for a scale that is not positive.
    """

    def __init__(self, shift: Tensor | float = 0.0, scale: Tensor | float = 1.0) -> None:
        super().__init__()
        self.register_buffer("shift", torch.as_tensor(shift))
        self.register_buffer("scale", torch.as_tensor(scale))
        if not bool((self.scale > 0).all()):
            raise ValueError("the scale of a pointwise affine map is positive. Permute or negate")

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, ...] and log |det dz/dx| [B]."""
        return x * self.scale + self.shift, self._logabsdet(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, ...] and log |det dx/dz| [B]."""
        return (z - self.shift) / self.scale, -self._logabsdet(z)

    def _logabsdet(self, x: Tensor) -> Tensor:
        return self.scale.log().to(x.dtype).expand(x.shape[1:]).sum().expand(len(x))


class LeakyReLU(Bijection):
    """z = x, or slope x where x is negative.

    Raises ValueError for a slope that is not positive.
    """

    def __init__(self, slope: float = 1e-2) -> None:
        super().__init__()
        if slope <= 0:
            raise ValueError(f"the slope of a leaky ReLU is positive, not {slope:g}")
        self.slope = slope

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, ...] and log |det dz/dx| [B]."""
        return F.leaky_relu(x, self.slope), math.log(self.slope) * self._negative(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, ...] and log |det dx/dz| [B]."""
        return F.leaky_relu(z, 1 / self.slope), -math.log(self.slope) * self._negative(z)

    @staticmethod
    def _negative(x: Tensor) -> Tensor:
        return (x < 0).to(x.dtype).flatten(1).sum(1)
