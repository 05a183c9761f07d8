"""Gradients of a rational-quadratic spline and of its inverse, one element per thread."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.kernels.triton.arithmetic import reciprocal
from bench.kernels.triton.launch import elements, long
from bench.kernels.triton.spline_bin import find, softplus


@triton.jit
def spline_backward(
    x_ptr,
    row_ptr,
    row_stride,
    bin_stride,
    count,
    grad_value_ptr,
    grad_log_ptr,
    grad_x_ptr,
    grad_row_ptr,
    grad_row_stride,
    grad_bin_stride,
    S: tl.constexpr,
    INVERSE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """At x, of the inverse its result, from the gradients of the value and the log-derivative.

    Recomputes the bin. With dx and rest = w - dx the distances to the knots, y - y0 = h A / D and
    dy/dx = h^2 w N / D^2.
    """
    at = elements(count, BLOCK)
    step = long(bin_stride)
    x = tl.load(x_ptr + at)
    given = tl.load(grad_value_ptr + at)
    inside = tl.abs(x) <= S.bound
    point = tl.where(inside, x, 0)
    gy = tl.where(inside, given, 0)
    gl = tl.where(inside, tl.load(grad_log_ptr + at), 0)
    b = find(point, row_ptr + at * row_stride, step, 0, S)
    w = b.length
    h = b.length_across
    left, small_left = softplus(b.left)
    right, small_right = softplus(b.right)
    left += S.least_derivative
    right += S.least_derivative

    # f_x is the derivative of f by x with the bin fixed
    dx = tl.minimum(point - b.begin, w)
    rest = w - dx
    turn = rest - dx
    xx = dx * dx
    rr = rest * rest
    xr = dx * rest
    both = left + right
    D = h * (xx + rr) + both * w * xr
    A = h * xx + left * w * xr
    ends = right * xx + left * rr
    N = w * ends + 2 * h * xr
    D_x = turn * (both * w - 2 * h)
    N_x = 2 * w * (right * dx - left * rest) + 2 * h * turn
    over_D = reciprocal(D)
    over_N = reciprocal(N)
    over = reciprocal(w * h)
    over_w = over * h
    over_h = over * w
    if INVERSE:  # implicit function: x(y, p) has dx/dp = -f_p / f_x, and log dx/dy = -log f_x
        curvature = N_x * over_N - 2 * D_x * over_D
        root = D * over_h
        gy = (gl * curvature - gy) * (root * root * over_N * over_w)
        gl = -gl
    gA = gy * h * over_D
    gD = -(gA * A + 2 * gl) * over_D
    gN = gl * over_N
    gx = gA * (2 * h * dx + left * w * turn) + gD * D_x + gN * N_x
    g_rest = gA * left * w * dx + gD * (2 * h * rest + both * w * dx)
    g_rest += 2 * gN * (left * w * rest + h * dx)
    gw = g_rest + (gA * left + gD * both) * xr + gN * ends + gl * over_w
    gh = gy * A * over_D + gA * xx + gD * (xx + rr) + 2 * gN * xr + 2 * gl * over_h
    g_left = w * ((gA + gD) * xr + gN * rr)
    g_right = w * (gD * xr + gN * xx)
    grad_x = -gy if INVERSE else gx
    tl.store(grad_x_ptr + at, tl.where(inside, grad_x, given))

    # a share moves the left knot if its bin lies before the point's, the length if it is the
    # point's; the sum of the softmax before the bin is known from its left knot
    grad_row = grad_row_ptr + at * grad_row_stride
    grad_step = long(grad_bin_stride)
    least = b.number.to(x.dtype) * S.least - S.bound
    PER_FREE: tl.constexpr = 1 / S.free if S.free > 0 else 0.0
    mean = (gw * (w - S.least) - gx * (b.begin - least)) * PER_FREE
    scale = b.scale / S.logit_scale
    _store(grad_row, grad_step, b.along, b.number, scale, (-gx, gw, mean), S)
    mean = (gh * (h - S.least) + gy * (b.begin_across - least)) * PER_FREE
    scale = b.scale_across / S.logit_scale
    grad_row += S.bins * grad_step
    _store(grad_row, grad_step, b.across, b.number, scale, (gy, gh, mean), S)

    # the derivative of softplus v is 1 / (1 + small), times small where v < 0
    over = reciprocal((1 + small_left) * (1 + small_right))
    g_left *= tl.where(b.left < 0, small_left, 1) * (1 + small_right) * over
    g_right *= tl.where(b.right < 0, small_right, 1) * (1 + small_left) * over
    grad_row += (S.bins - 1) * grad_step
    for k in tl.static_range(1, S.bins):
        beside = tl.where(b.number == k - 1, g_right, 0)
        grad = tl.where(b.number == k, g_left, beside)
        tl.store(grad_row + k * grad_step, grad)


@triton.jit
def _store(row, step, e, number, scale, grads, S: tl.constexpr):
    """Gradients of the logits, from those of the left knot and the length, and their mean."""
    knot, length, mean = grads
    before = scale * (knot - mean)
    here = scale * (length - mean)
    behind = scale * -mean
    for k in tl.static_range(S.bins):
        grad = tl.where(number == k, here, behind)
        grad = tl.where(number > k, before, grad)
        tl.store(row + k * step, e[k] * grad)
