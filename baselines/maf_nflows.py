"""nflows' MaskedAutoregressiveFlow (arXiv 1705.07057)."""

from __future__ import annotations

from nflows.flows import MaskedAutoregressiveFlow

from bench import model
from bench.contract import DataSpec


@model(
    "maf-nflows",
    implementation="nflows",
    twin="maf",
    requires=["nflows"],
    family="flow",
    paper="1705.07057",
)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 5,
    blocks: int = 2,
    dropout: float = 0.0,
) -> MaskedAutoregressiveFlow:
    """The reference of `maf`, with the same least width of one hidden unit per coordinate."""
    return MaskedAutoregressiveFlow(
        features=data.dim,
        hidden_features=max(hidden, data.dim),
        num_layers=layers,
        num_blocks_per_layer=blocks,
        dropout_probability=dropout,
    )
