"""Autoregressive models by intervention: what tests of them are built on."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bench.contract import DataSpec

FORBIDDEN = 1e-11  #: a change beyond rounding, in float64


def spec_of(shape: tuple[int, ...], levels: int, kind: str = "discrete", n: int = 60) -> DataSpec:
    """Random levels, as a flat model meets them: [n, D]."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (n, math.prod(shape)), generator=generator)
    return DataSpec("test", kind, shape, levels, 0, n, lambda: x, lambda: x)


def shaken(model, seed: int = 0, size: float = 0.3):
    """The model in float64 with random weights, so that nothing that is read has weight zero."""
    torch.manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn_like(p))
    return model.requires_grad_(False)


def states(dim: int, levels: int) -> Tensor:
    """Every point, int64 [levels^dim, dim]."""
    return torch.cartesian_prod(*[torch.arange(levels)] * dim).reshape(-1, dim)


def influence(model, levels: int, rows: int = 2) -> Tensor:
    """Largest change of the masses of coordinate i when coordinate j is replaced, [D, D].

    Each comparison is at the same rows of a batch, where what is not read gives the same bits.
    """
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(levels, (rows, model.dim), generator=generator)
    before, found = model.conditionals(x), []
    for j in range(model.dim):
        moved = x.clone()
        step = 1 + torch.randint(levels - 1, (rows,), generator=generator)
        moved[:, j] = (x[:, j] + step) % levels
        found.append((model.conditionals(moved) - before).abs().amax((0, 2)))
    return torch.stack(found, 1)


def pattern(build: Callable, spec: DataSpec, inits: int = 3) -> tuple[int, int]:
    """(forbidden pairs that react, earlier pairs that never do) over some initialisations."""
    change, levels = torch.zeros(spec.dim, spec.dim), spec.levels or 2
    for seed in range(inits):
        torch.manual_seed(seed)
        model = shaken(build(spec), seed)
        change = torch.maximum(change, influence(model, levels))
    past = model.order < model.order[:, None]
    return int((change[~past] > FORBIDDEN).sum()), int((change[past] == 0).sum())
