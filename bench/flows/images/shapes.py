"""Shapes of images, and the bijection that only changes the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from bench.flows.bijection import Bijection

Shape = tuple[int, int, int]


def image_shape(shape: Sequence[int]) -> Shape:
    """(C, H, W) of points of a shape: (D,) is one pixel of D channels, (H, W) has one channel.

    Raises ValueError for another number of axes.
    """
    sizes = tuple(int(s) for s in shape)
    if not 1 <= len(sizes) <= 3 or min(sizes) < 1:
        raise ValueError(
            f"expected points of shape [D], [H, W] or [C, H, W], got {list(shape)}. Reshape the "
            "data to one of them"
        )
    if len(sizes) == 1:
        return sizes[0], 1, 1
    return (1, *sizes) if len(sizes) == 2 else sizes


def check_images(x: Tensor, channels: int) -> None:
    """Raise ValueError unless x has shape [B, channels, H, W]."""
    if x.dim() != 4 or x.shape[1] != channels:
        raise ValueError(
            f"expected images of shape [B, {channels}, H, W], got {list(x.shape)}. Reshape them: "
            f"x.reshape(-1, {channels}, H, W)"
        )


class Reshape(Bijection):
    """Points of one shape as points of another: [B, *source] to [B, *target].

    Raises ValueError for shapes of different sizes, and for points of another shape.
    """

    volume_preserving = True

    def __init__(self, source: Sequence[int], target: Sequence[int]) -> None:
        super().__init__()
        self.source, self.target = tuple(source), tuple(target)
        if math.prod(self.source) != math.prod(self.target):
            raise ValueError(
                f"shapes {list(source)} and {list(target)} differ in size: choose a target of "
                f"{math.prod(self.source)} coordinates"
            )

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, *target] and zeros [B]."""
        return _reshaped(x, self.source, self.target), x.new_zeros(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, *source] and zeros [B]."""
        return _reshaped(z, self.target, self.source), z.new_zeros(len(z))


def _reshaped(x: Tensor, source: tuple[int, ...], target: tuple[int, ...]) -> Tensor:
    if tuple(x.shape[1:]) != source:
        expected = ", ".join(str(s) for s in source)
        raise ValueError(
            f"expected points of shape [B, {expected}], got {list(x.shape)}. Reshape them: "
            f"x.reshape(-1, {expected})"
        )
    return x.reshape(len(x), *target)
