"""Masked autoregressive flow (arXiv 1705.07057)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, maf


@model("maf", family="flow", paper="1705.07057")
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 5,
    blocks: int = 2,
    dropout: float = 0.0,
) -> Flow:
    """The function and the initial weights of nflows' MaskedAutoregressiveFlow.

    At least one hidden unit per coordinate: with fewer than dim - 1, dependencies are missing.
    """
    return maf(data.dim, max(hidden, data.dim), layers, blocks, dropout)
