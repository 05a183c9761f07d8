"""What the couplings of the catalogue share: the split, and a conditioner of known outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.profile import Maps


class Given(nn.Module):
    """A conditioner that costs nothing: its outputs do not depend on its inputs."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """The outputs, one row per point."""
        return self.outputs


def moved(dim: int) -> Tensor:
    """Boolean [dim]: the second half, which a coupling transforms (NICE, arXiv 1410.8516, 3.2)."""
    return torch.arange(dim) >= dim - dim // 2


def around(given: Tensor, layer: Any) -> Maps:
    """The maps of a layer whose conditioner is `given`, where that tensor is."""
    layer.to(given.device).eval()
    return Maps(layer.forward, layer.inverse, getattr(layer, "map_only", None))
