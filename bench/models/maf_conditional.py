"""Masked autoregressive flow given a context (arXiv 1705.07057, section 3.4)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, maf


@model("maf-conditional", family="conditional", conditional=True, paper="1705.07057")
def build(data: DataSpec, hidden: int = 64, layers: int = 5, blocks: int = 2) -> Flow:
    """The flow of `maf` whose networks see the context: in one dimension a normal whose mean and
    spread depend on it.
    """
    hidden = max(hidden, data.dim)
    return maf(data.dim, hidden, layers, blocks, context_dim=data.context_dim)
