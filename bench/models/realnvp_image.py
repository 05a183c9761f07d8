"""RealNVP for images: checkerboard and channel couplings, multi-scale (arXiv 1605.08803)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows.images import ImageFlow, realnvp_image


@model("realnvp-image", family="flow", paper="1605.08803", min_dim=2)
def build(
    data: DataSpec,
    channels: int = 32,
    levels: int = 2,
    couplings: int = 3,
    blocks: int = 1,
    dropout: float = 0.0,
) -> ImageFlow:
    """RealNVP as the paper has it for images, with ActNorm for batch norm.

    Args:
        data: points of shape [C, H, W] or [H, W]; a vector is one pixel of D channels.
        channels, blocks, dropout: of the convolutional conditioners.
        levels: at most so many; each halves both sides.
        couplings: of pixels, and as many of channels, at a level.
    """
    return realnvp_image(data.shape, channels, levels, couplings, blocks, dropout)
