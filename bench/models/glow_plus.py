"""Glow beyond the reference: spline couplings, learned priors, identity start."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import RationalQuadratic
from bench.flows.images import ImageFlow, glow


@model("glow-plus", family="flow", paper="1807.03039", min_dim=2)
def build(
    data: DataSpec,
    channels: int = 32,
    levels: int = 3,
    steps: int = 4,
    blocks: int = 1,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
) -> ImageFlow:
    """`glow` with the paper's learned priors and with splines (1906.04032) for affine maps.

    Args:
        data: points of shape [C, H, W] or [H, W]; a vector is one pixel of D channels.
        channels, levels, steps, blocks, dropout: as for `glow`.
        bins, bound: of the splines, which are the identity outside [-bound, bound].
    """
    family = RationalQuadratic(bins, bound)
    return glow(data.shape, channels, levels, steps, blocks, dropout, family=family, prior=True)
