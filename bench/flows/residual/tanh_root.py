"""The root of t + p tanh(t) = c, p > -1: what inverts planar and Sylvester layers.

For c >= 0 the root is >= 0, where the left side is concave (p > 0) or convex (p < 0). A step of
Newton's method then ends on the same side of the root wherever it started, and those that follow
approach it from there. The first step is taken from all of `POINTS` at once, which is a maximum or
minimum over lines, and leaves a few per cent; a fixed few more, each about squaring the error, do
the rest. No bracket is needed. Negative c is the mirror image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: where the first step starts; dense near 0, as for p near -1 the slope soon is no more 1 + p
POINTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.1, 1.6, 2.2, 3.0, 40.0)
#: the further steps that p from -1 + 1e-4 to 50 needs; 1e4 costs one more
STEPS = {torch.float32: 3, torch.float64: 4}

#: factors and summands, [..., K, 1] each
Lines = tuple[Tensor, Tensor]


class FirstStep(nn.Module):
    """Newton's step from each of `POINTS`, a line in |c|, for given p."""

    slopes: Tensor
    offsets: Tensor

    def __init__(self) -> None:
        super().__init__()
        slopes = [1 - math.tanh(t) ** 2 for t in POINTS]
        offsets = [math.tanh(t) - t * slope for t, slope in zip(POINTS, slopes, strict=True)]
        self.register_buffer("slopes", torch.tensor(slopes)[:, None], persistent=False)
        self.register_buffer("offsets", torch.tensor(offsets)[:, None], persistent=False)

    @torch.no_grad()
    def forward(self, p: Tensor) -> Lines:
        """The lines of each p [...], negated where p < 0, so that the largest is wanted."""
        p = p[..., None, None]
        factor = torch.copysign((p * self.slopes + 1).reciprocal(), p)
        return factor, -p * self.offsets * factor


def tanh_root(c: Tensor, p: Tensor, lines: Lines) -> Tensor:
    """t [B] with t + p tanh(t) = c [B], p and its lines given; no host synchronisation.

    The last step carries gradients: those of the root with respect to c and p by the implicit
    function theorem.
    """
    with torch.no_grad():
        t = _approached(c, p, lines)
    if not torch.is_grad_enabled():
        return t
    h = t.tanh()
    slope = 1 + p.detach() * (1 - h.square())
    return t - (torch.addcmul(t, p, h) - c) / slope


def _approached(c: Tensor, p: Tensor, lines: Lines) -> Tensor:
    factor, summand = lines
    largest = torch.addcmul(summand, c.abs(), factor).amax(0)
    t, most = torch.copysign(largest, c), 1 + p
    for _ in range(STEPS.get(c.dtype, STEPS[torch.float32])):
        h = t.tanh()
        moved = p * h
        slope = torch.addcmul(most, moved, h, value=-1)
        t = torch.addcdiv(t, moved.add_(t).sub_(c), slope, value=-1)
    return t
