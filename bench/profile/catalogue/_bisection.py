"""The inverse of an increasing map by halving, as papers without a closed form take it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

HALVINGS = 42  #: of a bracket of about ten: 1e-12 are left


def bisect(value: Callable[[Tensor], Tensor], y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """x between low and high with value(x) = y, elementwise."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = value(middle) < y
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2
