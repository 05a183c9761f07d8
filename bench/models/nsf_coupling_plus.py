"""Spline couplings beyond the reference: fitted marginals, identity start (docs/flows.md)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow, RationalQuadratic, coupling_flow


@model("nsf-coupling-plus", family="flow", paper="1906.04032", min_dim=2)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 4,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
    marginals: bool = True,
) -> Flow:
    """`nsf-coupling` behind fitted marginals, starting there as the identity.

    Args:
        data: points [N, D].
        hidden, layers, blocks, bins, bound, dropout: as for `nsf-coupling`.
        marginals: start with a layer that is fitted to each coordinate of the training points.
    """
    fitted = data.train if marginals else None
    family = RationalQuadratic(bins, bound)
    return coupling_flow(data.dim, family, hidden, layers, blocks, dropout, fitted)
