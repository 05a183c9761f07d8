"""The maps of the line of nflows' affine and additive couplings, as families."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.flows.couplings.affine import MIN_SCALE


@dataclass(frozen=True)
class SigmoidAffine:
    """y = scale x + shift with scale = sigmoid(a + 2) + 1e-3, at most 1.001; raw: shift, a.

    The sigmoid is Glow's (arXiv 1807.03039), the constants are those of nflows 0.14.
    """

    @property
    def parameters(self) -> int:
        """2."""
        return 2

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        scale = self._scale(raw)
        return x * scale + raw[..., 0], scale.log()

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        scale = self._scale(raw)
        return (y - raw[..., 0]) / scale, -scale.log()

    def identity(self) -> Tensor | None:
        """Scale one, shift zero."""
        return torch.tensor([0.0, torch.logit(torch.tensor(1 - MIN_SCALE)).item() - 2])

    def _scale(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw[..., 1] + 2) + MIN_SCALE


@dataclass(frozen=True)
class Shift:
    """y = x + shift (NICE, arXiv 1410.8516); raw: the shift."""

    volume_preserving = True

    @property
    def parameters(self) -> int:
        """1."""
        return 1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and zeros, [*] each."""
        return x + raw[..., 0], torch.zeros_like(x)

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and zeros, [*] each."""
        return y - raw[..., 0], torch.zeros_like(y)

    def identity(self) -> Tensor | None:
        """No shift."""
        return torch.zeros(1)
