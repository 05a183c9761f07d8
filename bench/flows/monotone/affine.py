"""The affine map of the line as a family: scales without an upper bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.autoregressive.affine import MIN_SCALE


@dataclass(frozen=True)
class Affine:
    """y = scale x + shift with scale = softplus(a + log(e - 1)) + 1e-3; raw: a, shift.

    Unlike nflows' coupling (scale at most 1.001) it can expand, and a = 0 is close to the identity.
    """

    @property
    def parameters(self) -> int:
        """2."""
        return 2

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        scale, shift = self._parts(raw)
        return x * scale + shift, scale.log()

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        scale, shift = self._parts(raw)
        return (y - shift) / scale, -scale.log()

    def identity(self) -> Tensor | None:
        """Scale one, shift zero."""
        return torch.tensor([math.log(math.expm1(1 - MIN_SCALE)) - START, 0.0])

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        return F.softplus(raw[..., 0] + START) + MIN_SCALE, raw[..., 1]


START = math.log(math.expm1(1.0))
