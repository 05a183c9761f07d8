"""Which channels or pixels a coupling of images transforms (arXiv 1605.08803, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.flows.images.shapes import Shape


def first_half(channels: int, moved: bool = True) -> Tensor:
    """Boolean [channels]: the first half, rounded up, has the value `moved` (true moves)."""
    return (torch.arange(channels) < (channels + 1) // 2) == moved


def checkerboard(shape: Shape, first: bool = True) -> Tensor:
    """Boolean [C, H, W], alternating over the pixels; pixel (0, 0) has the value `first`."""
    _, h, w = shape
    fields = (torch.arange(h)[:, None] + torch.arange(w)) % 2 == 0
    return (fields == first).expand(shape).clone()
