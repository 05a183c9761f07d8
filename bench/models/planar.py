"""Planar flow as a density estimator (arXiv 1505.05770)."""

from __future__ import annotations

import torch

from bench import model
from bench.contract import DataSpec
from bench.flows import ActNorm, Bijection, Composite, Flow, Planar

STEEPNESS = 3.0  #: of the layers' weights at the start, in units of `Planar`'s own


@model("planar", family="flow", paper="1505.05770")
def build(data: DataSpec, layers: int = 32) -> Flow:
    """Layers x + u tanh(w x + b), w u > -1, from data to noise: the density is the closed formula.

    Sampling inverts each layer by a root of one variable per point. In the paper the formula runs
    from noise to data, where the energy of a sample, and no given point, needs a density. The
    paper's base N(m, diag s^2) is the last layer. Starts near the identity with weights large
    enough for tanh to turn within the spread of standardised data.
    """
    parts: list[Bijection] = [Planar(data.dim) for _ in range(layers)]
    with torch.no_grad():
        for part in parts:
            part.weight.mul_(STEEPNESS)
    return Flow(Composite([*parts, ActNorm(data.dim, initialized=True)]), data.dim)
