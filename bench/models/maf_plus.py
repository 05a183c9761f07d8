"""MAF beyond the reference: an LU layer between layers, identity start (docs/flows.md)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Affine, Flow, autoregressive_flow


@model("maf-plus", family="flow", paper="1705.07057")
def build(
    data: DataSpec, hidden: int = 64, layers: int = 5, blocks: int = 2, dropout: float = 0.0
) -> Flow:
    """`maf` with LU layers, starting as the identity."""
    return autoregressive_flow(data.dim, Affine(), hidden, layers, blocks, dropout)
