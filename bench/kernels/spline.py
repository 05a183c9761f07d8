"""Monotone rational-quadratic splines with linear tails (arXiv 1906.04032, eqs. 4 to 8, 29).

The function of nflows 0.14 with an inverse that cannot fail; docs/kernels.md tells where it is
fused.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import torch
from torch import Tensor

from bench.kernels import eager
from bench.kernels.eager import MIN_BIN, MIN_DERIVATIVE, Shape
from bench.kernels.exact import Exact
from bench.kernels.library import SUFFIX, fused, pointer, split, took
from bench.kernels.settings import settings

MAX_BINS = 64  #: beyond it the fused kernel's buffers end
GRAIN = 16_384  #: points that are worth a thread


def rq_spline(
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool = False,
    tail_bound: float = 1.0,
    min_bin: float = MIN_BIN,
    min_derivative: float = MIN_DERIVATIVE,
) -> tuple[Tensor, Tensor]:
    """Value and log-derivative [*], nats, of points x [*]; outside the box the identity.

    Args:
        x: points; with `inverse` those of the range.
        widths, heights: [*, K] logits of the bins' shares of the box [-tail_bound, tail_bound].
        derivatives: [*, K - 1], raw derivatives at the inner knots (softplus, plus the least one).
        min_bin: least width and height of a bin, as a share of the box.
        min_derivative: least derivative at a knot.

    Differentiable in all four; leading dimensions broadcast. A NaN point stays NaN.
    Raises ValueError for shapes or dtypes that do not fit.
    """
    if not widths.shape == heights.shape == (*derivatives.shape[:-1], derivatives.shape[-1] + 1):
        shapes = ", ".join(str(list(t.shape)) for t in (widths, heights, derivatives))
        raise ValueError(
            f"expected widths [*, K], heights [*, K] and derivatives [*, K - 1], got {shapes}"
        )
    shape = Shape(tail_bound, min_bin, min_derivative)
    return rq_spline_packed(x, joined(widths, heights, derivatives), shape, inverse=inverse)


def rq_spline_packed(
    x: Tensor,
    parameters: Tensor,
    shape: Shape = Shape(),  # noqa: B008, an immutable tuple
    *,
    inverse: bool = False,
    logabsdet: bool = True,
    faithful: bool = False,
) -> tuple[Tensor, Tensor]:
    """`rq_spline` with the parameters [*, 3K - 1] in one tensor: widths, heights, derivatives.

    Without `logabsdet` the second result is empty: the map alone. `faithful`: wherever autograd
    records, nflows' values to the last bit, so that training follows its curve (unless the
    environment says BENCH_FUSED=training).
    """
    size = _check(x, parameters, shape)
    points = x.expand(size).reshape(-1)
    rows = parameters.expand(*size, parameters.shape[-1]).reshape(-1, parameters.shape[-1])
    recorded = torch.is_grad_enabled() and (points.requires_grad or rows.requires_grad)
    exact = faithful and recorded and os.environ.get("BENCH_FUSED") != "training"
    library = None if parameters.shape[-1] >= 3 * MAX_BINS else fused(points, rows)
    if exact and (inverse or not logabsdet):
        library = None
    took("fused" if library else "eager")
    if library is None:
        value, logs = eager.spline(points, rows, shape, inverse, logabsdet, exact)
    elif exact:
        value, logs = Exact.apply(points, rows, shape, library)
    elif recorded:
        value, logs = _Spline.apply(points, rows, shape, inverse, library)
    else:
        value, logs = _run(points, rows, shape, inverse, library, logabsdet)
    return value.view(size), logs.view(size) if logabsdet else logs


def joined(*parts: Tensor) -> Tensor:
    """The parts side by side in the last dimension: the tensor that they were sliced from, in this
    order, where that can be seen, else a copy.

    A copy too wherever autograd records: its gradient needs the parts.
    """
    first, recorded = parts[0], torch.is_grad_enabled() and any(t.requires_grad for t in parts)
    if not recorded and fused(*parts) is not None:
        storage, at = first.untyped_storage().data_ptr(), first.storage_offset()
        for t in parts:
            if (t.untyped_storage().data_ptr(), t.storage_offset()) != (storage, at):
                break
            if t.stride() != first.stride() or t.shape[:-1] != first.shape[:-1]:
                break
            at += t.shape[-1] * t.stride(-1)
        else:
            size = (*first.shape[:-1], sum(t.shape[-1] for t in parts))
            return first.detach().as_strided(size, first.stride(), first.storage_offset())
    return torch.cat(parts, -1)


def _check(x: Tensor, parameters: Tensor, shape: Shape) -> torch.Size:
    """The points' shape after broadcasting."""
    width = parameters.shape[-1] if parameters.dim() else 0
    if width % 3 != 2:
        raise ValueError(
            f"expected 3K - 1 parameters per point in the last dimension, got {width}: K width "
            "logits, K height logits and K - 1 raw derivatives"
        )
    if x.dtype != parameters.dtype or not x.is_floating_point():
        raise ValueError(
            f"points of {x.dtype} and parameters of {parameters.dtype}: make both one real dtype"
        )
    if not (shape.bound > 0 and shape.logit_scale > 0 and 0 <= shape.min_derivative < 1):
        raise ValueError("expected tail_bound > 0, logit_scale > 0 and 0 <= min_derivative < 1")
    bins = (width + 1) // 3
    if not 0 <= shape.min_bin * bins <= 1:
        raise ValueError(f"min_bin {shape.min_bin} leaves no room for {bins} bins: lower it")
    try:
        return torch.broadcast_shapes(x.shape, parameters.shape[:-1])
    except RuntimeError:
        raise ValueError(
            f"points {list(x.shape)} do not match parameters {list(parameters.shape)}: all "
            "dimensions of the parameters but the last must be the points'"
        ) from None


class _Spline(torch.autograd.Function):
    """The fused kernel with its analytic gradient; saves the points and the parameters only."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, rows: Tensor, shape: Shape, inverse: bool, library: ctypes.CDLL
    ) -> tuple[Tensor, Tensor]:
        value, logs = _run(x, rows, shape, inverse, library)
        ctx.save_for_backward(x, rows, value)
        ctx.shape, ctx.inverse = shape, inverse
        return value, logs

    @staticmethod
    def backward(ctx: Any, grad_value: Tensor, grad_logs: Tensor) -> tuple[Tensor | None, ...]:
        x, rows, value = ctx.saved_tensors
        given = (grad_value, grad_logs)
        library = None if torch.is_grad_enabled() else fused(*given, x, rows)
        if library is None:  # recorded or batched: let autograd differentiate the eager spline
            needs = ctx.needs_input_grad
            grads = eager.grads(x, rows, ctx.shape, given, needs, ctx.inverse)
            return (*grads, None, None, None)
        at = value if ctx.inverse else x
        return (*_run_grad(at, rows, given, ctx.shape, ctx.inverse, library), None, None, None)


class _Rows(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("row", ctypes.c_int64), ("bin", ctypes.c_int64)]


def _structures(rows: Tensor, shape: Shape, begin: int) -> tuple[ctypes.Structure, ...]:
    """The C structures Rows, from row `begin` on, and Shape."""
    at = rows.data_ptr() + begin * rows.stride(0) * rows.element_size()
    return _Rows(at, *rows.stride()), settings(rows.dtype, (rows.shape[1] + 1) // 3, shape)


def _run(
    x: Tensor,
    rows: Tensor,
    shape: Shape,
    inverse: bool,
    library: ctypes.CDLL,
    logabsdet: bool = True,
) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    value = torch.empty_like(x)
    logs = torch.empty_like(x) if logabsdet else x.new_empty(0)
    run = getattr(library, f"rq_spline_{SUFFIX[x.dtype]}")

    def part(begin: int, end: int) -> None:
        structures = _structures(rows, shape, begin)
        found = (value[begin:], logs[begin:] if logabsdet else None)
        run(
            pointer(x[begin:]),
            *map(ctypes.byref, structures),
            ctypes.c_int64(inverse),
            ctypes.c_int64(end - begin),
            *(None if t is None else pointer(t) for t in found),
        )

    split(len(x), GRAIN, part)
    return value, logs


def _run_grad(
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
    run = getattr(library, f"rq_spline_grad_{SUFFIX[at.dtype]}")

    def part(begin: int, end: int) -> None:
        run(
            *(pointer(t[begin:]) for t in given),
            *map(ctypes.byref, _structures(rows, shape, begin)),
            ctypes.c_int64(inverse),
            ctypes.c_int64(end - begin),
            *(pointer(t[begin:]) for t in found),
        )

    split(len(at), GRAIN, part)
    return found
