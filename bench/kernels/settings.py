"""What all splines of a call share, as the C++ reads it."""

from __future__ import annotations

import ctypes
from functools import cache

import torch

from bench.kernels.eager import Shape
from bench.kernels.library import REAL


@cache
def settings_type(dtype: torch.dtype) -> type[ctypes.Structure]:
    """The C structure Shape in a dtype."""

    class Settings(ctypes.Structure):
        _fields_ = [("bins", ctypes.c_int64), ("values", REAL[dtype] * 5)]

    return Settings


def settings(dtype: torch.dtype, bins: int, shape: Shape) -> ctypes.Structure:
    """The C structure Shape."""
    values = (shape.bound, shape.min_bin, shape.min_derivative, shape.logit_scale, shape.edge)
    return settings_type(dtype)(bins, (REAL[dtype] * 5)(*values))
