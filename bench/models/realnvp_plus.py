"""RealNVP beyond the reference: scales without a bound, LU layers, identity start."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Affine, Flow, coupling_flow


@model("realnvp-plus", family="flow", paper="1605.08803", min_dim=2)
def build(
    data: DataSpec, hidden: int = 64, layers: int = 6, blocks: int = 2, dropout: float = 0.0
) -> Flow:
    """`realnvp` whose scales can exceed one, with LU layers, starting as the identity."""
    return coupling_flow(data.dim, Affine(), hidden, layers, blocks, dropout)
