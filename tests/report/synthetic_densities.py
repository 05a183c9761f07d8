"""Known densities on a grid, unnormalised."""

from __future__ import annotations

import math

import numpy as np


def rings(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two rings, normalised on the grid by the caller."""
    r = np.hypot(x, y)
    return np.exp(-((r - 3) ** 2) / 0.1) + np.exp(-((r - 1.5) ** 2) / 0.1)


def board(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Checkerboard on [-4, 4]^2."""
    inside = (np.abs(x) < 4) & (np.abs(y) < 4)
    return inside * ((np.floor(x / 2) + np.floor(y / 2)) % 2 == 0).astype(float)


def claw(x: np.ndarray) -> np.ndarray:
    """Marron and Wand's density 10."""
    peaks = sum(np.exp(-0.5 * ((x - m) / 0.1) ** 2) for m in (-1, -0.5, 0, 0.5, 1))
    return (0.5 * np.exp(-0.5 * x * x) + peaks) / math.sqrt(2 * math.pi)
