"""Neural spline flow with rational-quadratic couplings (arXiv 1906.04032)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, nsf_coupling


@model("nsf-coupling", family="flow", paper="1906.04032", min_dim=2)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 4,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
) -> Flow:
    """Spline couplings with an LU layer and a reversal between them where dim > 2."""
    return nsf_coupling(data.dim, hidden, layers, blocks, bins, bound, dropout)
