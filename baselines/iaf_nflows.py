"""Inverse autoregressive flow of nflows' parts (arXiv 1606.04934)."""

from __future__ import annotations

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    CompositeTransform,
    InverseTransform,
    MaskedAffineAutoregressiveTransform,
    ReversePermutation,
    Transform,
)

from bench import model
from bench.contract import DataSpec


@model(
    "iaf-nflows",
    implementation="nflows",
    twin="iaf",
    requires=["nflows"],
    family="flow",
    paper="1606.04934",
)
def build(data: DataSpec, hidden: int = 64, layers: int = 3, blocks: int = 2) -> Flow:
    """The reference of `iaf`: D recorded passes per layer and density."""
    parts: list[Transform] = []
    for _ in range(layers):
        layer = MaskedAffineAutoregressiveTransform(
            data.dim, max(hidden, data.dim), num_blocks=blocks
        )
        parts += [ReversePermutation(data.dim), InverseTransform(layer)]
    return Flow(CompositeTransform(parts), StandardNormal([data.dim]))
