"""What tables and pictures need beyond the record: scores per test point, samples, density grids.

One `.npz` per cell, a cached out of DVC. Arrays: `test_log_prob` [seeds, n_test] nats in the
data's own units; `samples` [n, *shape]; `nearest_train` [n, *shape] for images; `grid_x`, `grid_y`
[G] with `grid_log_prob` and `truth_grid_log_prob` [G] (1-D) or [G, G] (2-D, row = y). One
coordinate given one context is drawn as the plane of both, the context to the right and evenly
spread: its grids too have mass one, and their divergence is a mean over contexts.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from bench.atomic import write_bytes
from bench.subject import Subject

POINTS_1D, POINTS_2D = 600, 112
SAMPLES, IMAGES = 1000, 24


def write(file: Path, subject: Subject, points: Tensor) -> None:
    """Collect and write a cell's arrays. Raises BenchError on a full disk."""
    arrays: dict[str, Any] = {"test_log_prob": points.numpy(), **_samples(subject)}
    arrays.update(_grid(subject))
    buffer = io.BytesIO()
    numpy.savez_compressed(buffer, **arrays)
    write_bytes(file, buffer.getvalue())


def _samples(subject: Subject) -> dict[str, numpy.ndarray]:
    if subject.model.sample is None:
        return {}
    shape = subject.dataset.shape
    image = len(shape) > 1 and subject.dataset.integral
    try:
        x = subject.space.inverse(subject.samples(IMAGES if image else SAMPLES))
    except Exception:  # a picture is no reason to lose a score; the checks report the sampler
        return {}
    if not image:
        return {"samples": x.double().numpy().astype("float32")} if subject.dataset.dim <= 2 else {}
    top = (subject.dataset.levels or 2) - 1
    x = x.clamp(0, top)
    train = subject.splits.train
    distance = torch.cdist(x.reshape(len(x), -1).double(), train.reshape(len(train), -1).double())
    nearest = train[distance.argmin(1)]
    return {"samples": x.numpy().astype("int16"), "nearest_train": nearest.numpy().astype("int16")}


def _grid(subject: Subject) -> dict[str, numpy.ndarray]:
    """Log-density on a grid over the range of the test points, 1-D and 2-D continuous data only."""
    test, context = subject.splits.test, subject.splits.test_context
    shown = test.flatten(1) if context is None else torch.cat([context, test.flatten(1)], 1)
    dim = shown.shape[1]
    if dim > 2 or subject.space.name != "standard" or subject.likelihood == "none":
        return {}
    low, high = shown.min(0).values, shown.max(0).values
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    if context is not None:  # nothing is known of contexts beyond those seen
        low[0], high[0] = context.min(), context.max()
    steps = POINTS_1D if dim == 1 else POINTS_2D
    axes = [
        torch.linspace(float(a), float(b), steps).double() for a, b in zip(low, high, strict=True)
    ]
    if dim == 1:
        grid, size = axes[0][:, None], [steps]
    else:
        y, x_ = torch.meshgrid(axes[1], axes[0], indexing="ij")
        grid, size = torch.stack([x_.flatten(), y.flatten()], 1), [steps, steps]
    model, truth = _model_and_truth(subject, grid)
    out = {"grid_x": axes[0].numpy(), "grid_log_prob": model.reshape(size).numpy()}
    if dim == 2:
        out["grid_y"] = axes[1].numpy()
    if truth is not None:
        out["truth_grid_log_prob"] = truth.reshape(size).numpy()
    return {k: v.astype("float32") for k, v in out.items()}


def _model_and_truth(subject: Subject, grid: Tensor) -> tuple[Tensor, Tensor | None]:
    """Both log-densities at points [n, dim], or at pairs [n, 2] of context and point."""
    if subject.splits.test_context is None:
        truth = None if subject.truth is None else subject.truth.log_prob(grid)
        return subject.data_log_prob(grid), truth
    context, y = grid[:, :1], grid[:, 1:]
    spread = float((context.max() - context.min()).log())
    points, ledger = subject.space.forward(y, None)
    given = subject.contexts(context)
    model = subject.log_prob(points.to(subject.device), context=given) + ledger - spread
    known = subject.conditional_truth
    return model, None if known is None else known.log_prob(y, context) - spread
