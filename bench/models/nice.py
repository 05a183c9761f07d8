"""NICE (arXiv 1410.8516)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, nice


@model("nice", family="flow", paper="1410.8516", min_dim=2)
def build(
    data: DataSpec, hidden: int = 64, layers: int = 4, blocks: int = 2, dropout: float = 0.0
) -> Flow:
    """Additive couplings, then a scale per coordinate; the base is the standard normal."""
    return nice(data.dim, hidden, layers, blocks, dropout)
