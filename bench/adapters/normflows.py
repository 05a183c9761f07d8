"""normflows' NormalizingFlow, whose forward runs from noise to data (normflows 1.7)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bench.adapters import Adapted


def adapt(obj: Any) -> Adapted:
    """`sample(n)` returns points with their log-density; only the points are kept."""

    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        value: Tensor = obj.log_prob(x)
        return value

    def sample(n: int) -> Tensor:
        points: Tensor = obj.sample(n)[0]
        return points

    def transform(x: Tensor) -> tuple[Tensor, Tensor]:
        z, logabsdet = obj.inverse_and_log_det(x)
        return z, logabsdet

    return Adapted(
        obj=obj,
        log_prob=log_prob,
        sample=sample,
        transform=transform,
        inverse=lambda z: obj.forward(z),
        module=obj,
    )
