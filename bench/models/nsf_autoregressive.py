"""Autoregressive neural spline flow (arXiv 1906.04032)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, nsf_autoregressive


@model("nsf-autoregressive", family="flow", paper="1906.04032")
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 3,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
) -> Flow:
    """Masked spline layers, with a reversal and (dim > 2) an LU layer between them.

    At least one hidden unit per coordinate: with fewer than dim - 1, dependencies are missing.
    """
    width = max(hidden, data.dim)
    return nsf_autoregressive(data.dim, width, layers, blocks, bins, bound, dropout)
