"""Roots of increasing functions, elementwise, in a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: t -> value and slope at t, all of one shape
Function = Callable[[Tensor], tuple[Tensor, Tensor]]

#: of the two methods; the bracket alone halves 40 times, which is float64's resolution of a box
STEPS = {torch.float32: 26, torch.float64: 42}


def increasing_root(function: Function, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """t in [low, high] with function(t) = y, for an increasing function; [*] like y.

    Newton's step where it stays inside the bracket, else the middle: no data-dependent branch, no
    synchronisation, and never outside [low, high], whatever rounding does. Recorded, it carries
    gradients: by the implicit function theorem it has those of the root with respect to y and to
    the function's parameters.
    """
    with torch.no_grad():
        t = _bracketed(function, y, low, high)
    if not torch.is_grad_enabled():
        return t
    value, slope = function(t)
    residual = value - y
    slope = slope.detach().clamp(min=torch.finfo(y.dtype).tiny)
    return t - (residual - residual.detach()) / slope  # the value is t, whatever the slope


def _bracketed(function: Function, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The root without gradients.

    Newton's step is taken where it ends inside the bracket (or has arrived) and is at most half as
    long as the one before; without the second condition it can crawl along for ever, from one flat
    side of a step to the other. Once rounding decides where a step goes, the middle of the bracket
    may be far away: the point of the smallest residual is kept.
    """
    t, last = (low + high) / 2, high - low
    best, least = t, torch.full_like(t, torch.inf)
    for _ in range(STEPS.get(y.dtype, 26)):
        value, slope = function(t)
        residual = (value - y).abs()
        better = residual < least
        best, least = torch.where(better, t, best), torch.where(better, residual, least)
        above = value > y
        low, high = torch.where(above, low, t), torch.where(above, t, high)
        move = (value - y) / slope
        newton, length = t - move, move.abs()
        inside = ((newton > low) & (newton < high)) | (newton == t)
        inside &= length <= last / 2
        t = torch.where(inside, newton, (low + high) / 2)
        last = torch.where(inside, length, (high - low) / 2)
    return best
