"""Sampling by a full pass per coordinate: what cached samplers must agree with, and outrun."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from bench.levels import invert


class Conditionals(Protocol):
    """An autoregressive model of integer coordinates."""

    dim: int

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, [B, D, K]."""
        ...


@torch.no_grad()
def sample_naively(model: Conditionals, u: Tensor, order: Tensor | None = None) -> Tensor:
    """Levels for uniforms u [n, D] by inversion of the conditionals, one pass each: int64 [n, D].

    `order` [D] holds the position of each coordinate; by default they come one after the other. A
    cached sampler fed with the same uniforms gives the same levels.
    """
    n, dim = u.shape
    x = torch.zeros(n, dim, dtype=torch.int64, device=u.device)
    places = torch.arange(dim) if order is None else torch.argsort(order)
    for i in places.tolist():
        x[:, i] = invert(model.conditionals(x)[:, i], u[:, i])
    return x
