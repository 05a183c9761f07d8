"""Radial flow as a density estimator (arXiv 1505.05770)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import ActNorm, Bijection, Composite, Flow, Radial


@model("radial", family="flow", paper="1505.05770")
def build(data: DataSpec, layers: int = 32) -> Flow:
    """Layers x + beta (x - c) / (alpha + |x - c|), beta > -alpha, from data to noise.

    Both directions are closed formulas: the density needs the one, sampling the root of a
    quadratic. In the paper the formula runs from noise to data. The paper's base N(m, diag s^2) is
    the last layer. Starts at the identity.
    """
    parts: list[Bijection] = [Radial(data.dim) for _ in range(layers)]
    return Flow(Composite([*parts, ActNorm(data.dim, initialized=True)]), data.dim)
