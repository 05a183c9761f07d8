"""Squeezing: blocks of pixels become channels (arXiv 1605.08803, section 3.6)."""

from __future__ import annotations

from torch import Tensor

from bench.flows.bijection import Bijection
from bench.flows.images.shapes import Shape


class Squeeze(Bijection):
    """[B, C, H, W] to [B, C fh fw, H / fh, W / fw]; each block of fh x fw pixels stays together.

    Channel c of pixel (i, j) of a block becomes channel (c fh + i) fw + j, as in nflows 0.14.

    Args:
        factor: fh and fw, or one number for both.

    Raises ValueError for a factor below 1, and for images whose sides it does not divide.
    """

    volume_preserving = True

    def __init__(self, factor: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.factor = (factor, factor) if isinstance(factor, int) else factor
        if min(self.factor) < 1:
            raise ValueError(f"expected a squeezing factor of 1 or more, got {factor}. Try 2")

    def output_shape(self, shape: Shape) -> Shape:
        """(C fh fw, H / fh, W / fw) of images (C, H, W)."""
        (c, h, w), (fh, fw) = shape, self.factor
        if h % fh or w % fw:
            raise ValueError(
                f"images of {h} x {w} pixels cannot be squeezed by {fh} x {fw}: pad them, or "
                "choose factors that divide the sides"
            )
        return c * fh * fw, h // fh, w // fw

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, C fh fw, H / fh, W / fw] and zeros [B]."""
        (b, c, h, w), (fh, fw) = _sizes(x), self.factor
        shape = self.output_shape((c, h, w))
        blocks = x.reshape(b, c, h // fh, fh, w // fw, fw)
        return blocks.permute(0, 1, 3, 5, 2, 4).reshape(b, *shape), x.new_zeros(b)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] and zeros [B]."""
        (b, channels, h, w), (fh, fw) = _sizes(z), self.factor
        if channels % (fh * fw):
            raise ValueError(
                f"{channels} channels are no multiple of the {fh * fw} pixels of a block: images "
                "squeezed by this factor have one"
            )
        c = channels // (fh * fw)
        blocks = z.reshape(b, c, fh, fw, h, w).permute(0, 1, 4, 2, 5, 3)
        return blocks.reshape(b, c, h * fh, w * fw), z.new_zeros(b)


def _sizes(x: Tensor) -> tuple[int, int, int, int]:
    if x.dim() != 4:
        raise ValueError(
            f"expected images of shape [B, C, H, W], got {list(x.shape)}. Reshape them to it"
        )
    b, c, h, w = x.shape
    return b, c, h, w
