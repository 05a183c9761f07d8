"""Independent normals, one per coordinate, by maximum likelihood."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.models._normal import DiagonalNormal


@model("gaussian-diagonal", family="gaussian")
def build(data: DataSpec, floor: float = 1e-4) -> DiagonalNormal:
    """mean_i and sd_i (divisor N) of the train and validation points, in closed form.

    Args:
        data: points [N, D] in the model's space.
        floor: smallest standard deviation, reached only by a coordinate that is (nearly) constant,
            whose likelihood is otherwise unbounded.
    """
    x = data.train_valid.double()
    return DiagonalNormal(x.mean(0), x.std(0, correction=0).clamp(min=floor))
