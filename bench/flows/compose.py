"""Compositions and inverses of bijections."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection


class Composite(Bijection):
    """Bijections applied in order, data to noise; log-determinants add up."""

    def __init__(self, parts: Iterable[Bijection]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.volume_preserving = all(part.volume_preserving for part in self.parts)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        total: Tensor | None = None
        for part in self.parts:
            if part.volume_preserving:
                x = part.map_only(x, context)
                continue
            x, logabsdet = part(x, context)
            total = logabsdet if total is None else total + logabsdet
        return x, x.new_zeros(x.shape[0]) if total is None else total

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        total = z.new_zeros(z.shape[0])
        for part in reversed(self.parts):
            z, logabsdet = part.inverse(z, context)
            total = total + logabsdet
        return z, total

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        for part in self.parts:
            x = part.map_only(x, context)
        return x


class Inverse(Bijection):
    """A bijection run backwards: the inverse of a MAF layer is an IAF layer (arXiv 1606.04934)."""

    def __init__(self, part: Bijection) -> None:
        super().__init__()
        self.part = part
        self.volume_preserving = part.volume_preserving

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The part's inverse."""
        return self.part.inverse(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The part itself."""
        return self.part(z, context)


def differentiates(module: nn.Module, *inputs: Tensor | None) -> bool:
    """Whether autograd would record a call of `module` on `inputs`."""
    if not torch.is_grad_enabled():
        return False
    given = any(x is not None and x.requires_grad for x in inputs)
    return given or any(p.requires_grad for p in module.parameters())
