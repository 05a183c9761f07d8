"""Masked splines beyond the reference: fitted marginals, identity start (docs/flows.md)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, RationalQuadratic, autoregressive_flow


@model("nsf-autoregressive-plus", family="flow", paper="1906.04032")
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 3,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
    marginals: bool = True,
) -> Flow:
    """`nsf-autoregressive` behind fitted marginals, starting there as the identity.

    Args:
        data: points [N, D].
        hidden, layers, blocks, bins, bound, dropout: as for `nsf-autoregressive`.
        marginals: start with a layer that is fitted to each coordinate of the training points.
    """
    fitted = data.train if marginals else None
    family = RationalQuadratic(bins, bound)
    return autoregressive_flow(data.dim, family, hidden, layers, blocks, dropout, fitted)
