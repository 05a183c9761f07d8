"""Convolutional models small enough to be summed, and what tests ask of them."""

from __future__ import annotations

import math

import torch

from bench.contract import DataSpec
from bench.models import (
    lmconv,
    lmconv_orders,
    pixelcnn,
    pixelcnn_gated,
    pixelcnn_gated_classes,
    pixelcnn_logistics,
)

SMALL = {"hidden": 6, "dropout": 0.3}
ONE_ORDER = {
    "pixelcnn": lambda data: pixelcnn.build(data, **SMALL, layers=2),
    "pixelcnn, table": lambda data: pixelcnn.build(data, **SMALL, layers=2, components=0),
    "gated": lambda data: pixelcnn_gated.build(data, **SMALL, layers=3),
    "gated, table": lambda data: pixelcnn_gated.build(data, **SMALL, layers=2, components=0),
    "plus": lambda data: pixelcnn_logistics.build(data, **SMALL, blocks=2),
    "lmconv": lambda data: lmconv.build(data, **SMALL, layers=3),
    "classes": lambda data: pixelcnn_gated_classes.build(data, **SMALL, layers=2),
}
CASES = {**ONE_ORDER, "orders": lambda data: lmconv_orders.build(data, **SMALL, layers=2)}
SHAPES = {  # levels whose scaled values are exact in float32
    (1, 3, 3): 2,
    (2, 3): 3,
    (1, 1, 4): 5,
    (3, 1, 2): 3,
    (3, 2, 1): 2,
}


def images(shape: tuple[int, ...], levels: int, n: int = 60, classes: int = 3) -> DataSpec:
    """Random levels with random labels."""
    g = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (n, *shape), generator=g)
    y = torch.randint(classes, (n,), generator=g)
    kind = "binary" if levels == 2 else "discrete"
    spec = DataSpec("test", kind, shape, levels, 0, n, lambda: x, lambda: x)
    spec.classes, spec.train_labels, spec.valid_labels = classes, y, y
    return spec


def shaken(model, seed: int = 0, size: float = 0.3):
    """The model in float64 with random weights, so that nothing that is read has weight zero."""
    torch.manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn_like(p))
    return model.requires_grad_(False)


def states(shape: tuple[int, ...], levels: int) -> torch.Tensor:
    grid = torch.cartesian_prod(*[torch.arange(levels)] * math.prod(shape))
    return grid.reshape(-1, *shape)


def influence(conditionals, dim: int, levels: int, rows: int = 4) -> torch.Tensor:
    """Largest change of the masses of coordinate i when coordinate j is replaced, [D, D]."""
    g = torch.Generator().manual_seed(3)
    x = torch.randint(levels, (rows, dim), generator=g)
    before, found = conditionals(x), []
    for j in range(dim):
        moved = x.clone()
        moved[:, j] = (x[:, j] + 1 + torch.randint(levels - 1, (rows,), generator=g)) % levels
        found.append((conditionals(moved) - before).abs().amax((0, 2)))
    return torch.stack(found, 1)


def pattern(build, spec: DataSpec, order: int | None = None, inits: int = 3) -> tuple[int, int]:
    """(forbidden pairs that react, earlier pairs that never do) over some initialisations."""
    change, levels = torch.zeros(spec.dim, spec.dim), spec.levels
    for seed in range(inits):
        model = shaken(build(spec), seed)
        tables = model.net.tables if order is not None else None
        ask = model.conditionals if tables is None else lambda x, t=tables: t(x, order)
        change = torch.maximum(change, influence(ask, spec.dim, levels))
    positions = model.order if order is None else model.net.positions(order)
    past = positions < positions[:, None]
    return int((change[~past] > 1e-11).sum()), int((change[past] == 0).sum())
