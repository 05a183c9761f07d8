"""A fixed permutation of channels."""

from __future__ import annotations

from torch import Tensor

from bench.flows.images.shapes import check_images
from bench.flows.linear.lu import Permutation


class ChannelPermutation(Permutation):
    """z = x[:, index] on images, for a fixed permutation of 0..C-1 (not part of the state dict)."""

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, C, H, W]."""
        check_images(x, len(self.index))
        return x.index_select(1, self.index)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and zeros [B]."""
        check_images(z, len(self.index))
        return z.index_select(1, self.back), z.new_zeros(len(z))
