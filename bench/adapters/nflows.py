"""nflows 0.14 flows and distributions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.adapters import Adapted
from bench.flows import from_nflows


def adapt(obj: Any) -> Adapted:
    """Wrap an nflows `Flow` or a bare `Distribution`, which has neither transform nor inverse."""

    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        return obj.log_prob(x, context)

    def transform(x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, logabsdet = obj._transform(x, obj._embedding_net(context))
        return z, logabsdet

    def inverse(z: Tensor, context: Tensor | None = None) -> Tensor:
        x: Tensor = obj._transform.inverse(z, obj._embedding_net(context))[0]
        return x

    def sample(n: int, context: Tensor | None = None) -> Tensor:
        """n draws. nflows draws noise in the default dtype, which a float64 flow then rejects."""
        if flow and type(obj._distribution).__name__ == "StandardNormal":
            like = next(obj.parameters(), torch.empty(0))
            shape = (int(n), *obj._distribution._shape)
            return inverse(torch.randn(shape, dtype=like.dtype, device=like.device), context)
        drawn: Tensor = obj.sample(int(n)) if context is None else obj.sample(1, context)[:, 0]
        return drawn

    flow = hasattr(obj, "_transform") and hasattr(obj, "_distribution")
    return Adapted(
        obj=obj,
        log_prob=log_prob,
        sample=sample,
        transform=transform if flow else None,
        inverse=inverse if flow else None,
        module=obj,
        convert=(lambda: from_nflows(obj)) if flow and _convertible(obj) else None,
    )


def _convertible(obj: Any) -> bool:
    try:
        from_nflows(obj)
    except ValueError:
        return False
    return True
