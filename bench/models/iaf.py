"""Inverse autoregressive flow as a density estimator (arXiv 1606.04934)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow
from bench.flows.autoregressive.inverted import iaf


@model("iaf", family="flow", paper="1606.04934")
def build(data: DataSpec, hidden: int = 64, layers: int = 3, blocks: int = 2) -> Flow:
    """`maf` with its layers inverted: sampling takes one pass, the density walks the coordinates.

    The function and the initial weights of nflows' inverted masked affine transforms. At least one
    hidden unit per coordinate: with fewer than dim - 1, dependencies are missing.
    """
    return iaf(data.dim, max(hidden, data.dim), layers, blocks)
