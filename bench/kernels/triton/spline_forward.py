"""y and log dy/dx of a rational-quadratic spline, one element per thread."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.kernels.triton.arithmetic import log, reciprocal
from bench.kernels.triton.launch import elements, long
from bench.kernels.triton.spline_bin import find, softplus


@triton.jit
def spline_forward(
    x_ptr,
    row_ptr,
    row_stride,
    bin_stride,
    count,
    value_ptr,
    log_ptr,
    S: tl.constexpr,
    LOGS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    at = elements(count, BLOCK)
    step = long(bin_stride)
    x = tl.load(x_ptr + at)
    inside = tl.abs(x) <= S.bound
    point = tl.where(inside, x, 0)
    b = find(point, row_ptr + at * row_stride, step, 0, S)
    left, _ = softplus(b.left)
    right, _ = softplus(b.right)
    left += S.least_derivative
    right += S.least_derivative
    y, slope = forward_in_bin(
        point, b.begin, b.length, b.begin_across, b.length_across, left, right
    )
    tl.store(value_ptr + at, tl.where(inside, y, x))
    if LOGS:
        tl.store(log_ptr + at, tl.where(inside, log(slope), 0))


@triton.jit
def forward_in_bin(x, x0, w, y0, h, left, right):
    """y and dy/dx in the bin from (x0, y0), of the derivatives at its knots.

    Distances to both knots instead of shares of the width: no division by it.
    """
    dx = tl.minimum(x - x0, w)
    rest = w - dx
    product = w * dx * rest
    denominator = h * (dx * dx + rest * rest) + (left + right) * product
    ratio = h * reciprocal(denominator)
    slope = w * (right * dx * dx + left * rest * rest) + 2 * h * dx * rest
    return y0 + ratio * (h * dx * dx + left * product), w * slope * ratio * ratio
