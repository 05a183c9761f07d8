"""Glow: multi-scale, ActNorm, 1x1 convolutions and affine couplings (arXiv 1807.03039)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows.images import ImageFlow, glow


@model("glow", family="flow", paper="1807.03039", min_dim=2)
def build(
    data: DataSpec,
    channels: int = 32,
    levels: int = 3,
    steps: int = 4,
    blocks: int = 1,
    dropout: float = 0.0,
) -> ImageFlow:
    """Glow with the parts and the initial weights of nflows; no learned prior.

    Args:
        data: points of shape [C, H, W] or [H, W]; a vector is one pixel of D channels.
        channels, blocks, dropout: of the convolutional conditioners.
        levels: at most so many; each halves both sides.
        steps: of a level.
    """
    return glow(data.shape, channels, levels, steps, blocks, dropout)
