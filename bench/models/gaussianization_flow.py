"""Gaussianization flow: trained rotations and normal scores (arXiv 2003.01941)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow
from bench.flows.gaussianization import gaussianization_flow


@model("gaussianization-flow", family="flow", paper="2003.01941")
def build(data: DataSpec, layers: int = 6, components: int = 16, fitted: bool = True) -> Flow:
    """Layers of normal scores, a rotation between them.

    Args:
        data: points [N, D].
        layers: of normal scores.
        components: logistics of each coordinate in each layer.
        fitted: start from an iterative Gaussianization of the training points.
    """
    return gaussianization_flow(data.dim, layers, components, data.train if fitted else None)
