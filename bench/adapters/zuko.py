"""zuko's lazy flows: calling the module gives the distribution (zuko 1.6, `zuko.lazy`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.adapters import Adapted


def adapt(obj: Any) -> Adapted:
    """A `LazyDistribution`, conditional or not. Its `transform` runs from data to noise."""

    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        value: Tensor = obj(context).log_prob(x)
        return value

    def sample(n: int, context: Tensor | None = None) -> Tensor:
        shape = torch.Size((n,) if context is None else ())  # a context has its rows already
        drawn: Tensor = obj(context).sample(shape)
        return drawn

    def transform(x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, logabsdet = obj(context).transform.call_and_ladj(x)
        return z, logabsdet

    def inverse(z: Tensor, context: Tensor | None = None) -> Tensor:
        x: Tensor = obj(context).transform.inv(z)
        return x

    def map_only(x: Tensor, context: Tensor | None = None) -> Tensor:
        z: Tensor = obj(context).transform(x)
        return z

    flow = hasattr(obj, "transform")
    return Adapted(
        obj=obj,
        log_prob=log_prob,
        sample=sample,
        transform=transform if flow else None,
        inverse=inverse if flow else None,
        map_only=map_only if flow else None,
        module=obj,
    )
