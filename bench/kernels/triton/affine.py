"""The affine map of a coupling or a masked network with its row's log-determinant, in Triton.

A program takes a few rows and sums their logarithms in registers: no reduction is left to do. The
gradient has no sum and indexes flat, one element per thread and pass.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from bench.kernels.triton.arithmetic import log
from bench.kernels.triton.shipped import Shipped
from bench.kernels.triton.spline_bin import softplus

TILE = 512  #: elements of a program
COLUMNS = 256  #: the most columns of a tile; wider rows are walked through
BLOCK = 256  #: elements of a program of the gradient

Two = tuple[Tensor, Tensor]


@triton.jit
def _raw_at(row, column, D: tl.constexpr, MASKED: tl.constexpr):
    """Where an element's raw scale and shift are in raw [N, 2 D].

    Masked: adjacent, the scale first; else all shifts, then all scales.
    """
    first = row * (2 * D)
    if MASKED:
        scale_at = first + 2 * column
        shift_at = scale_at + 1
    else:
        shift_at = first + column
        scale_at = shift_at + D
    return scale_at, shift_at


@triton.jit
def _scale(a, LEAST: tl.constexpr, MASKED: tl.constexpr):
    """The scale of a raw one and the derivative of it."""
    shifted = a if MASKED else a + 2
    soft, small = softplus(shifted)  # and exp(-|shifted|)
    gate = tl.where(shifted < 0, small, 1) / (1 + small)
    if MASKED:
        scale = soft + LEAST
        slope = gate
    else:
        scale = gate + LEAST
        slope = gate * (1 - gate)
    return scale, slope


@triton.jit
def affine_kernel(
    x_ptr,
    raw_ptr,
    value_ptr,
    log_ptr,
    count,
    D: tl.constexpr,
    LEAST: tl.constexpr,
    MASKED: tl.constexpr,
    INVERSE: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    logs = tl.zeros([ROWS, COLS], x_ptr.dtype.element_ty)
    for start in range(0, D, COLS):
        column = start + tl.arange(0, COLS)
        there = (row < count)[:, None] & (column < D)[None, :]
        scale_at, shift_at = _raw_at(row[:, None], column[None, :], D, MASKED)
        at = row[:, None] * D + column[None, :]
        x = tl.load(x_ptr + at, mask=there, other=0.0)
        a = tl.load(raw_ptr + scale_at, mask=there, other=0.0)
        shift = tl.load(raw_ptr + shift_at, mask=there, other=0.0)
        scale, _ = _scale(a, LEAST, MASKED)
        value = (x - shift) / scale if INVERSE else x * scale + shift
        tl.store(value_ptr + at, value, mask=there)
        logs += tl.where(there, log(scale), 0)
    total = tl.sum(logs, 1)
    tl.store(log_ptr + row, -total if INVERSE else total, mask=row < count)


@triton.jit
def affine_grad_kernel(
    x_ptr,
    raw_ptr,
    grad_ptr,
    grad_log_ptr,
    grad_x_ptr,
    grad_raw_ptr,
    size,
    D: tl.constexpr,
    LEAST: tl.constexpr,
    MASKED: tl.constexpr,
    INVERSE: tl.constexpr,
    COUNT: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * COUNT + tl.arange(0, COUNT)
    there = at < size
    row = at // D
    column = at - row * D
    scale_at, shift_at = _raw_at(row, column, D, MASKED)
    x = tl.load(x_ptr + at, mask=there, other=0.0)
    a = tl.load(raw_ptr + scale_at, mask=there, other=0.0)
    grad = tl.load(grad_ptr + at, mask=there, other=0.0)
    grad_log = tl.load(grad_log_ptr + row, mask=there, other=0.0)
    scale, slope = _scale(a, LEAST, MASKED)
    if INVERSE:
        shift = tl.load(raw_ptr + shift_at, mask=there, other=0.0)
        grad_x = grad / scale
        grad_shift = -grad_x
        grad_scale = -grad_x * ((x - shift) / scale) - grad_log / scale
    else:
        grad_x = grad * scale
        grad_shift = grad
        grad_scale = grad * x + grad_log / scale
    tl.store(grad_x_ptr + at, grad_x, mask=there)
    tl.store(grad_raw_ptr + scale_at, grad_scale * slope, mask=there)
    tl.store(grad_raw_ptr + shift_at, grad_shift, mask=there)


def tile(dim: int) -> tuple[int, int]:
    """Rows and columns of a program."""
    columns = min(COLUMNS, triton.next_power_of_2(dim))
    return TILE // columns, columns


def run(x: Tensor, raw: Tensor, least: float, masked: bool, inverse: bool) -> Two:
    """Value [N, D] and log-determinant [N] of points [N, D] with raw parameters [N, 2 D]."""
    x, raw = x.contiguous(), raw.contiguous()
    value, logs = torch.empty_like(x), x.new_empty(len(x))
    rows, columns = tile(max(1, x.shape[1]))
    if len(x):
        grid = (triton.cdiv(len(x), rows),)
        size = (len(x), x.shape[1])
        how = (least, masked, inverse, rows, columns)
        with torch.cuda.device_of(x):
            affine_kernel[grid](x, raw, value, logs, *size, *how, enable_fp_fusion=True)
    return value, logs


def run_grad(x: Tensor, raw: Tensor, given: Two, least: float, masked: bool, inverse: bool) -> Two:
    """Gradients of points and raw parameters."""
    x, raw, grad, grad_log = (t.contiguous() for t in (x, raw, *given))
    found = torch.empty_like(x), torch.empty_like(raw)
    if x.numel():
        grid = (triton.cdiv(x.numel(), BLOCK),)
        size = (x.numel(), x.shape[1])
        tensors = (x, raw, grad, grad_log, *found)
        how = (least, masked, inverse, BLOCK)
        with torch.cuda.device_of(x):
            affine_grad_kernel[grid](*tensors, *size, *how, enable_fp_fusion=True)
    return found


def _shipped(name: str, masked: bool, purpose: str) -> Shipped:
    backward = purpose == "backward"
    pointers = ["x_ptr", "raw_ptr", "value_ptr", "log_ptr"]
    constants: dict[str, object] = {"D": 64, "LEAST": 1e-3, "MASKED": masked}
    constants["INVERSE"] = purpose == "inverse"
    if backward:
        pointers = ["x_ptr", "raw_ptr", "grad_ptr", "grad_log_ptr", "grad_x_ptr", "grad_raw_ptr"]
        constants["COUNT"] = BLOCK
    else:
        constants["ROWS"], constants["COLS"] = tile(64)
    size = "size" if backward else "count"
    signature = dict.fromkeys(pointers, "*fp32") | {size: "i32"}
    return Shipped(
        name=f"{name}-{purpose}",
        kernel=affine_grad_kernel if backward else affine_kernel,
        signature=signature | dict.fromkeys(constants, "constexpr"),
        constants=constants,
        purpose=purpose,
        divisible=(*pointers, size),
    )


SHIPPED = tuple(
    _shipped(name, masked, purpose)
    for name, masked in (("affine-coupling", False), ("affine-masked", True))
    for purpose in ("forward", "inverse", "backward")
)
