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

    flow = hasattr(obj, "_transform") and hasattr(obj, "_distribution")
    return Adapted(
        obj=obj,
        log_prob=log_prob,
        sample=lambda n: _sample(obj, n, flow),
        transform=obj._transform if flow else None,
        inverse=(lambda z: obj._transform.inverse(z)[0]) if flow else None,
        module=obj,
        convert=(lambda: from_nflows(obj)) if flow and _convertible(obj) else None,
    )


def _sample(obj: Any, n: int, flow: bool) -> Tensor:
    """n draws. nflows draws noise in the default dtype, which a float64 flow then rejects."""
    if not flow or type(obj._distribution).__name__ != "StandardNormal":
        return obj.sample(int(n))
    like = next(obj.parameters(), torch.empty(0))
    noise = torch.randn(int(n), *obj._distribution._shape, dtype=like.dtype, device=like.device)
    return obj._transform.inverse(noise)[0]


def _convertible(obj: Any) -> bool:
    try:
        from_nflows(obj)
    except ValueError:
        return False
    return True
