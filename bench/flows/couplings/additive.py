"""The additive coupling of NICE (arXiv 1410.8516): volume-preserving."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bench.flows.couplings.affine import Coupling, MakeNet


class AdditiveCoupling(Coupling):
    """moved + shift, the shift computed from the kept coordinates; log |det| = 0."""

    volume_preserving = True

    def __init__(self, mask: Tensor | Sequence[bool], make_net: MakeNet) -> None:
        super().__init__(mask, make_net, 1)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and zeros [B]."""
        return self.map_only(x, context), x.new_zeros(len(x))

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        kept, moved = self._split(x)
        return self._join(kept, moved + self.transform_net(kept, context))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and zeros [B]."""
        kept, moved = self._split(z)
        return self._join(kept, moved - self.transform_net(kept, context)), z.new_zeros(len(z))
