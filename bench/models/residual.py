"""Residual flow: contractions plus the identity (arXiv 1906.02735)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow
from bench.flows.residual.block import residual_flow


@model("residual", family="flow", paper="1906.02735")
def build(
    data: DataSpec, hidden: int = 64, blocks: int = 8, layers: int = 2, bound: float = 0.97
) -> Flow:
    """Blocks x + g(x), ActNorm between them.

    Args:
        data: points [N, D].
        hidden, layers: units and number of hidden layers of each g.
        blocks: number of them.
        bound: of the Lipschitz constant of g, in (0, 1).
    """
    return residual_flow(data.dim, hidden, blocks, layers, bound)
