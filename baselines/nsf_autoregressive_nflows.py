"""Autoregressive neural spline flow of nflows' parts (arXiv 1906.04032)."""

from __future__ import annotations

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    CompositeTransform,
    LULinear,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
    ReversePermutation,
)

from bench import model
from bench.contract import DataSpec


@model(
    "nsf-autoregressive-nflows",
    implementation="nflows",
    twin="nsf-autoregressive",
    requires=["nflows"],
    family="flow",
    paper="1906.04032",
)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 3,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
) -> Flow:
    """The reference of `nsf-autoregressive`."""
    parts = []
    for i in range(layers):
        if i > 0:
            parts.append(ReversePermutation(data.dim))
            if data.dim > 2:
                parts.append(LULinear(data.dim))
        parts.append(
            MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
                data.dim,
                max(hidden, data.dim),
                num_bins=bins,
                tails="linear",
                tail_bound=bound,
                num_blocks=blocks,
                dropout_probability=dropout,
            )
        )
    return Flow(CompositeTransform(parts), StandardNormal([data.dim]))
