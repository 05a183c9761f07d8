"""The C++ spline and its analytic gradient: one call per part of the points."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from bench.kernels.eager import Shape
from bench.kernels.library import SUFFIX, pointer, split
from bench.kernels.settings import settings

MAX_BINS = 64  #: beyond it the kernel's buffers end
GRAIN = 16_384  #: points that are worth a thread


class _Rows(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("row", ctypes.c_int64), ("bin", ctypes.c_int64)]


def _structures(rows: Tensor, shape: Shape, begin: int) -> tuple[ctypes.Structure, ...]:
    """The C structures Rows, from row `begin` on, and Shape."""
    at = rows.data_ptr() + begin * rows.stride(0) * rows.element_size()
    return _Rows(at, *rows.stride()), settings(rows.dtype, (rows.shape[1] + 1) // 3, shape)


def run(
    x: Tensor,
    rows: Tensor,
    shape: Shape,
    inverse: bool,
    library: ctypes.CDLL,
    logabsdet: bool = True,
) -> tuple[Tensor, Tensor]:
    """Value and log-derivative [N] of points [N] with parameters [N, 3K - 1] of any strides."""
    x = x.contiguous()
    value = torch.empty_like(x)
    logs = torch.empty_like(x) if logabsdet else x.new_empty(0)
    kernel = getattr(library, f"rq_spline_{SUFFIX[x.dtype]}")

    def part(begin: int, end: int) -> None:
        structures = _structures(rows, shape, begin)
        found = (value[begin:], logs[begin:] if logabsdet else None)
        kernel(
            pointer(x[begin:]),
            *map(ctypes.byref, structures),
            ctypes.c_int64(inverse),
            ctypes.c_int64(end - begin),
            *(None if t is None else pointer(t) for t in found),
        )

    split(len(x), GRAIN, part)
    return value, logs


def run_grad(
    at: Tensor,
    rows: Tensor,
    grads: tuple[Tensor, Tensor],
    shape: Shape,
    inverse: bool,
    library: ctypes.CDLL,
) -> tuple[Tensor, Tensor]:
    """Gradients of the points and the parameters at x (of the inverse: its result)."""
    given = [t.contiguous() for t in (at, *grads)]
    found = torch.empty_like(given[0]), torch.empty(rows.shape, dtype=rows.dtype)
    kernel = getattr(library, f"rq_spline_grad_{SUFFIX[at.dtype]}")

    def part(begin: int, end: int) -> None:
        kernel(
            *(pointer(t[begin:]) for t in given),
            *map(ctypes.byref, _structures(rows, shape, begin)),
            ctypes.c_int64(inverse),
            ctypes.c_int64(end - begin),
            *(pointer(t[begin:]) for t in found),
        )

    split(len(at), GRAIN, part)
    return found
