"""RealNVP for vectors: affine couplings with alternating masks (arXiv 1605.08803)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, realnvp


@model("realnvp", family="flow", paper="1605.08803", min_dim=2)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 6,
    blocks: int = 2,
    dropout: float = 0.0,
) -> Flow:
    """The function and the initial weights of nflows' SimpleRealNVP."""
    return realnvp(data.dim, hidden, layers, blocks, dropout)
