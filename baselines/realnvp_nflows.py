"""nflows' SimpleRealNVP (arXiv 1605.08803)."""

from __future__ import annotations

from nflows.flows import SimpleRealNVP

from bench import model
from bench.contract import DataSpec


@model(
    "realnvp-nflows",
    implementation="nflows",
    twin="realnvp",
    requires=["nflows"],
    family="flow",
    paper="1605.08803",
    min_dim=2,
)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 6,
    blocks: int = 2,
    dropout: float = 0.0,
) -> SimpleRealNVP:
    """The reference of `realnvp`."""
    return SimpleRealNVP(
        features=data.dim,
        hidden_features=hidden,
        num_layers=layers,
        num_blocks_per_layer=blocks,
        dropout_probability=dropout,
    )
