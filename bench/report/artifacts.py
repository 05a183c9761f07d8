"""What tables and pictures need of a cell's artifact and curve, read once and kept small."""

from __future__ import annotations

import csv
import zipfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PIXELS = 112  #: largest side of a kept density grid
TILES = 10  #: samples kept for pictures


@dataclass(frozen=True)
class Grid:
    """Densities on a regular grid, [G] or [Gy, Gx] with y upwards; `cell` is a cell's area."""

    x: Array
    y: Array | None
    model: Array
    truth: Array | None
    cell: float


@dataclass(frozen=True)
class Artifact:
    """`points` [n]: test log-likelihood in nats, mean over seeds; `note` says what is absent."""

    points: Array | None = None
    grid: Grid | None = None
    samples: Array | None = None  #: [TILES, H, W]
    nearest: Array | None = None  #: [TILES, H, W], the training rows nearest to them
    note: str | None = None

    def without_points(self) -> Artifact:
        """The pictures alone."""
        return replace(self, points=None)


def read_artifact(file: Path) -> Artifact:
    """Read an artifact; an absent or damaged one gives an empty one with a note."""
    if not file.is_file():
        return Artifact(note="no artifact: differences are unpaired and pictures absent")
    try:
        with np.load(file, allow_pickle=False) as data:
            points = np.asarray(data["test_log_prob"], dtype=np.float64)
            return Artifact(
                points=points.mean(axis=0) if points.ndim == 2 else points,
                grid=_grid(data),
                samples=_tiles(data, "samples"),
                nearest=_tiles(data, "nearest_train"),
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        return Artifact(note=f"artifact {file.name} is unreadable ({type(error).__name__})")


def _grid(data: np.lib.npyio.NpzFile) -> Grid | None:
    if "grid_log_prob" not in data or "grid_x" not in data:
        return None
    density = np.exp(data["grid_log_prob"].astype(np.float64))
    truth = (
        data["truth_grid_log_prob"].astype(np.float64) if "truth_grid_log_prob" in data else None
    )
    truth = None if truth is None else np.exp(truth)
    x = data["grid_x"].astype(np.float64)
    step = float(x[1] - x[0])
    if density.ndim == 1:
        return Grid(x, None, density, truth, step)
    y = data["grid_y"].astype(np.float64) if "grid_y" in data else x
    k = -(-len(x) // PIXELS)
    coarse = None if truth is None else _coarse(truth, k)
    area = step * float(y[1] - y[0]) * k * k
    return Grid(x[::k], y[::k], _coarse(density, k), coarse, area)


def _coarse(density: Array, k: int) -> Array:
    """Mean over k x k blocks; an incomplete last block is left out."""
    h, w = (s // k for s in density.shape)
    return density[: h * k, : w * k].reshape(h, k, w, k).mean(axis=(1, 3))


def _tiles(data: np.lib.npyio.NpzFile, key: str) -> Array | None:
    if key not in data:
        return None
    images = data[key][:TILES].astype(np.float64)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    return images if images.ndim == 3 and min(images.shape[1:]) > 1 else None


@dataclass(frozen=True)
class Curve:
    """Validation score by training step, mean over seeds; `kept` is the first seed's choice."""

    steps: Array
    nats: Array
    kept: int | None


def read_curve(file: Path) -> Curve | None:
    """Read a curve (seed, step, train_nats, valid_nats, kept); None where there is none."""
    if not file.is_file():
        return None
    at: dict[int, list[float]] = defaultdict(list)
    kept: int | None = None
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                step, value = int(float(row["step"])), float(row["valid_nats"] or "nan")
                at[step].append(value)
                if kept is None and row.get("kept", "").lower() in ("1", "true", "1.0"):
                    kept = step
    except (OSError, ValueError, KeyError, TypeError):
        return None
    steps = sorted(s for s in at if np.isfinite(at[s]).all())
    if len(steps) < 2:
        return None
    return Curve(np.array(steps, float), np.array([np.mean(at[s]) for s in steps]), kept)
