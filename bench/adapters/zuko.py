"""zuko's lazy flows: calling the module gives the distribution (zuko 1.6, `zuko.lazy`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.adapters import Adapted


def adapt(obj: Any) -> Adapted:
    """A `LazyDistribution` without context. Its `transform` runs from data to noise."""

    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        value: Tensor = (obj() if context is None else obj(context)).log_prob(x)
        return value

    def sample(n: int) -> Tensor:
        drawn: Tensor = obj().sample(torch.Size((n,)))
        return drawn

    def transform(x: Tensor) -> tuple[Tensor, Tensor]:
        z, logabsdet = obj().transform.call_and_ladj(x)
        return z, logabsdet

    flow = hasattr(obj, "transform")
    return Adapted(
        obj=obj,
        log_prob=log_prob,
        sample=sample,
        transform=transform if flow else None,
        inverse=(lambda z: obj().transform.inv(z)) if flow else None,
        map_only=(lambda x: obj().transform(x)) if flow else None,
        module=obj,
    )
