"""x and log dx/dy of a rational-quadratic spline, one element per thread."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.kernels.triton.arithmetic import log, reciprocal
from bench.kernels.triton.launch import elements, long
from bench.kernels.triton.spline_bin import find, softplus


@triton.jit
def spline_inverse(
    y_ptr,
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
    y = tl.load(y_ptr + at)
    inside = tl.abs(y) <= S.bound
    point = tl.where(inside, y, 0)
    b = find(point, row_ptr + at * row_stride, step, S.bins, S)
    left, _ = softplus(b.left)
    right, _ = softplus(b.right)
    left += S.least_derivative
    right += S.least_derivative
    x, slope = inverse_in_bin(
        point, b.begin_across, b.length_across, b.begin, b.length, left, right, S
    )
    tl.store(value_ptr + at, tl.where(inside, x, y))
    if LOGS:
        tl.store(log_ptr + at, tl.where(inside, log(slope), 0))


@triton.jit
def inverse_in_bin(y, x0, w, y0, h, left, right, S: tl.constexpr):
    """x and dx/dy in the bin from (x0, y0), of the derivatives at its knots.

    The form of `bench.kernels.eager.inverse_turned`, each side times w and h.
    """
    dy = tl.minimum(y - y0, h)
    rest = h - dy
    m = w * (left * rest - right * dy)
    part = 2 * h * dy
    product = 2 * h * rest * part
    large = tl.abs(m) + tl.sqrt(m * m + product)
    # t = part / (m + root + part), with m + root = product / large where m < 0
    positive = m >= 0
    t = tl.where(positive, part, part * large)
    u = tl.where(positive, large, product)
    total = reciprocal(t + u)
    t *= total
    u *= total
    x = x0 + t * w
    denominator = h * (t * t + u * u) + (left + right) * w * t * u
    slope = w * (right * t * t + left * u * u) + 2 * h * t * u
    ratio = denominator * tl.rsqrt(h * h * slope)
    return tl.where(x > S.bound, S.bound, x), w * ratio * ratio
