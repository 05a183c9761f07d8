"""Points and parameters at which splines usually break."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BOUND = 3.0
BINS = (1, 2, 4, 8, 16)
ROWS = (0, 1, 7, 1000)


def parameters(rows: int, bins: int, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
    """Raw parameters [rows, 3 bins - 1] of the given spread."""
    raw = torch.randn(rows, 3 * bins - 1, dtype=torch.float64) * scale
    return raw.to(dtype)


def knots(raw: Tensor, bins: int, axis: int) -> Tensor:
    """Inner and outer knots [rows, bins + 1] by x (0) or y (1), as nflows computes them."""
    share = 1e-3 + (1 - 1e-3 * bins) * raw[:, axis * bins : (axis + 1) * bins].softmax(-1)
    inner = 2 * BOUND * share.cumsum(-1) - BOUND
    inner[:, -1] = BOUND
    return torch.cat((torch.full_like(inner[:, :1], -BOUND), inner), -1)


def on_knots(raw: Tensor, bins: int, shift: int = 0) -> Tensor:
    """For each row one of its knots in x, `shift` units in the last place beside it."""
    places = torch.arange(len(raw)) % (bins + 1)
    x = knots(raw, bins, 0).gather(1, places[:, None])[:, 0]
    for _ in range(abs(shift)):
        x = x.nextafter(torch.full_like(x, shift * 1e9))
    return x


#: name -> points [rows] for parameters [rows, 3 bins - 1]
POINTS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "inside": lambda raw, bins: (torch.rand(len(raw)).to(raw) * 2 - 1) * BOUND,
    "inside and outside": lambda raw, bins: torch.randn(len(raw)).to(raw) * BOUND,
    "on the knots": on_knots,
    "an ulp above the knots": lambda raw, bins: on_knots(raw, bins, 1),
    "an ulp below the knots": lambda raw, bins: on_knots(raw, bins, -1),
    "far right": lambda raw, bins: torch.full((len(raw),), 1e3).to(raw),
    "far left": lambda raw, bins: torch.full((len(raw),), -1e3).to(raw),
    "zero": lambda raw, bins: torch.zeros(len(raw)).to(raw),
}
