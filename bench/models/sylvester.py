"""Sylvester flow with Householder reflections as a density estimator (arXiv 1803.05649)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import ActNorm, Bijection, Composite, Flow, Sylvester


@model("sylvester", family="flow", paper="1803.05649")
def build(data: DataSpec, layers: int = 8, rank: int = 8) -> Flow:
    """Layers x + Q R tanh(R' Q^T x + b) from data to noise: the density is the closed formula.

    Sampling inverts each layer row by row, `rank` roots of one variable per point. In the paper the
    formula runs from noise to data, and its parameters come from an encoder. The last layer is a
    base N(m, diag s^2). Starts near the identity.

    Args:
        data: points [N, D].
        layers: of rank min(rank, D) each.
        rank: M, the dimensions that a layer bends.
    """
    rank = min(rank, data.dim)
    parts: list[Bijection] = [Sylvester(data.dim, rank) for _ in range(layers)]
    return Flow(Composite([*parts, ActNorm(data.dim, initialized=True)]), data.dim)
