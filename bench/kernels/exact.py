"""The spline with nflows' values to the last bit, forward and backward, for training.

Softplus and logarithms are torch's, because vectorised functions round by where an entry lies; so
is softmax where a trial shows that the C++ rounds otherwise. What lies between them is C++, in
nflows' order and without contraction.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.kernels import eager
from bench.kernels.eager import Shape
from bench.kernels.library import SUFFIX, fused, pointer
from bench.kernels.settings import settings

GIVEN, ROW, TREE = -1, 0, 1  #: who computes the softmax: torch, or the C++ in one of two orders


class Exact(torch.autograd.Function):
    """Value and log-derivative [N] of points [N] with parameters [N, 3K - 1]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, rows: Tensor, shape: Shape, library: ctypes.CDLL
    ) -> tuple[Tensor, Tensor]:
        order = _order(library, x.dtype, (rows.shape[1] + 1) // 3)
        given = x.contiguous(), rows.contiguous()
        y, softmax, raw, slopes, logs = _forward(*given, shape, order, library)
        ctx.save_for_backward(x, rows, softmax, raw, slopes)
        ctx.shape, ctx.order = shape, order
        return y, logs

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor, grad_logs: Tensor) -> tuple[Tensor | None, ...]:
        x, rows, *kept = ctx.saved_tensors
        given = (grad_y, grad_logs)
        library = None if torch.is_grad_enabled() else fused(*given, x)
        if library is None:  # recorded or batched: let autograd differentiate the eager spline
            needs = ctx.needs_input_grad
            return (*eager.grads(x, rows, ctx.shape, given, needs), None, None)
        found = _backward(x.contiguous(), kept, given, ctx.shape, ctx.order, library)
        return (*found, None, None)


def _constants(x: Tensor, bins: int, shape: Shape, order: int) -> tuple[Any, ...]:
    """Arguments that both directions share."""
    values = settings(x.dtype, bins, shape)
    factor = ctypes.c_double(1 - shape.min_bin * bins)
    return ctypes.byref(values), factor, ctypes.c_int64(order), ctypes.c_int64(len(x))


def _forward(
    x: Tensor, rows: Tensor, shape: Shape, order: int, library: ctypes.CDLL
) -> tuple[Tensor, ...]:
    """Value, softmax [N, 2, K], padded raw derivatives, derivatives [N, K + 1], log-derivative."""
    bins = (rows.shape[1] + 1) // 3
    if order == GIVEN:
        logits = rows[:, : 2 * bins].unflatten(1, (2, bins))
        softmax = (logits / shape.logit_scale).softmax(2)
    else:
        softmax = x.new_empty(len(x), 2, bins)
    raw = F.pad(rows[:, 2 * bins :], (1, 1), value=shape.edge)
    slopes = F.softplus(raw).add_(shape.min_derivative)
    y, numerator, denominator = (torch.empty_like(x) for _ in range(3))
    getattr(library, f"exact_{SUFFIX[x.dtype]}")(
        pointer(x),
        pointer(rows),
        ctypes.c_int64(rows.shape[1]),
        pointer(slopes),
        *_constants(x, bins, shape, order),
        *map(pointer, (softmax, y, numerator, denominator)),
    )
    logs = numerator.log_().sub_(denominator.log_().mul_(2))
    inside = (x >= -shape.bound) & (x <= shape.bound)
    return y, softmax, raw, slopes, torch.where(inside, logs, 0.0)


def _backward(
    x: Tensor,
    kept: list[Tensor],
    grads: tuple[Tensor, Tensor],
    shape: Shape,
    order: int,
    library: ctypes.CDLL,
) -> tuple[Tensor, Tensor]:
    """Gradients of the points and the parameters."""
    softmax, raw, slopes = kept
    bins = softmax.shape[2]
    given = [g.contiguous() for g in grads]
    grad_x, ends = torch.empty_like(x), torch.empty_like(slopes)
    found = x.new_empty(len(x), 3 * bins - 1)
    shares = torch.empty_like(softmax) if order == GIVEN else found
    getattr(library, f"exact_grad_{SUFFIX[x.dtype]}")(
        *map(pointer, (x, softmax, slopes, *given)),
        *_constants(x, bins, shape, order),
        *map(pointer, (grad_x, shares, ends)),
    )
    if order == GIVEN:
        logits = torch._softmax_backward_data(shares, softmax, 2, x.dtype)
        found[:, : 2 * bins] = logits.div_(shape.logit_scale).flatten(1)
    found[:, 2 * bins :] = torch.ops.aten.softplus_backward(ends, raw, 1, 20)[:, 1:-1]
    return grad_x, found


@cache
def _order(library: ctypes.CDLL, dtype: torch.dtype, bins: int) -> int:
    """The order in which the C++ rounds as torch's softmax does here, found by trial, or GIVEN."""
    rows = torch.arange(200 * (3 * bins - 1), dtype=dtype).mul(0.7).sin().view(200, -1)
    rows *= torch.arange(200, dtype=dtype)[:, None]
    x = rows[:, 0].sin()
    grads = (rows[:, -1].cos(), rows[:, -1].sin())
    results = {}
    for order in (GIVEN, ROW, TREE):
        if order == GIVEN or (dtype == torch.float32 and (order == ROW or bins == 8)):
            shape = Shape(1.0, logit_scale=1.7)
            y, *kept, logs = _forward(x, rows, shape, order, library)
            found = _backward(x, kept, grads, shape, order, library)
            results[order] = torch.cat([t.flatten() for t in (y, *kept, logs, *found)])
    equal = [order for order, r in results.items() if order != GIVEN and r.equal(results[GIVEN])]
    return equal[0] if equal else GIVEN
