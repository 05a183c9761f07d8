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

from bench.kernels import eager, fused_spline, triton
from bench.kernels.eager import MIN_BIN, MIN_DERIVATIVE, Shape
from bench.kernels.exact import Exact
from bench.kernels.fused_spline import MAX_BINS
from bench.kernels.library import fused, took
from bench.kernels.operators import spline as operator
from bench.kernels.operators.serving import watched


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
    records and Triton does not run, nflows' values to the last bit, so that training follows its
    curve (unless the environment says BENCH_FUSED=training).
    """
    size = _check(x, parameters, shape)
    points = x.expand(size).reshape(-1)
    rows = parameters.expand(*size, parameters.shape[-1]).reshape(-1, parameters.shape[-1])
    recorded = torch.is_grad_enabled() and (points.requires_grad or rows.requires_grad)
    # on a plain CPU a call by ctypes costs a fifth less than the operator (256 x 16 points)
    plain = x.device.type == "cpu" and not (watched() or triton.interpreted())
    server = "eager" if plain else operator.server(points, rows)
    exact = faithful and recorded and server != "triton"
    exact = exact and os.environ.get("BENCH_FUSED") != "training"
    if server == "triton" or (server == "fused" and not exact):
        value, logs = operator.rq_spline(points, rows, *shape, inverse)
        return value.view(size), logs.view(size) if logabsdet else x.new_empty(0)
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
        value, logs = fused_spline.run(points, rows, shape, inverse, library, logabsdet)
    return value.view(size), logs.view(size) if logabsdet else logs


def joined(*parts: Tensor) -> Tensor:
    """The parts side by side in the last dimension: the tensor that they were sliced from, in this
    order, where that can be seen, else a copy.

    A copy too wherever autograd records: its gradient needs the parts.
    """
    first, recorded = parts[0], torch.is_grad_enabled() and any(t.requires_grad for t in parts)
    if not recorded and _addressable(*parts):
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


def _addressable(*parts: Tensor) -> bool:
    """Whether a kernel may read the parts' memory as it lies."""
    if fused(*parts) is not None:
        return True
    one = all(t.dtype == parts[0].dtype for t in parts) and not watched()
    return one and all(operator.server(t, t) == "triton" for t in parts)


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
        value, logs = fused_spline.run(x, rows, shape, inverse, library)
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
        found = fused_spline.run_grad(at, rows, given, ctx.shape, ctx.inverse, library)
        return (*found, None, None, None)
