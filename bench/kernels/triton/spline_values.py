"""The rational-quadratic spline of one element whose raw parameters are values, not addresses."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.kernels.triton.arithmetic import LOG2E, log
from bench.kernels.triton.spline_bin import softplus
from bench.kernels.triton.spline_forward import forward_in_bin
from bench.kernels.triton.spline_inverse import inverse_in_bin


@triton.jit
def spline_of(x, widths, heights, raw, S: tl.constexpr, INVERSE: tl.constexpr):
    """Value and log-derivative; tuples of K and K logits and K (the last unused) derivatives."""
    inside = tl.abs(x) <= S.bound
    point = tl.where(inside, x, 0)
    if INVERSE:
        begin, h, begin_across, w, left, right = _bin(point, heights, widths, raw, S)
        value, slope = inverse_in_bin(point, begin_across, w, begin, h, left, right, S)
    else:
        begin, w, begin_across, h, left, right = _bin(point, widths, heights, raw, S)
        value, slope = forward_in_bin(point, begin, w, begin_across, h, left, right)
    return tl.where(inside, value, x), tl.where(inside, log(slope), 0)


@triton.jit
def _bin(point, along, across, raw, S: tl.constexpr):
    """Begin and length of the point's bin by both axes, and the derivatives at its knots."""
    along, total = _softmax(along, S)
    across, total_across = _softmax(across, S)
    scale = S.free / total
    scale_across = S.free / total_across
    number = tl.zeros(point.shape, point.dtype)
    begin = tl.full(point.shape, -S.bound, point.dtype)
    before = tl.zeros(point.shape, point.dtype)
    e = along[0]
    e_across = across[0]
    reached = along[0]
    reached_across = across[0]
    edge = tl.full(point.shape, S.edge, point.dtype)
    left = edge
    right = raw[0] if S.bins > 1 else edge
    for k in tl.static_range(1, S.bins):
        knot = reached * scale + (k * S.least - S.bound)
        beyond = point >= knot
        number = tl.where(beyond, k, number)
        begin = tl.where(beyond, knot, begin)
        before = tl.where(beyond, reached_across, before)
        e = tl.where(beyond, along[k], e)
        e_across = tl.where(beyond, across[k], e_across)
        left = tl.where(beyond, raw[k - 1], left)
        right = tl.where(beyond, raw[k] if k < S.bins - 1 else edge, right)
        reached += along[k]
        reached_across += across[k]
    left, _ = softplus(left)
    right, _ = softplus(right)
    return (
        begin,
        e * scale + S.least,
        before * scale_across + (number * S.least - S.bound),
        e_across * scale_across + S.least,
        left + S.least_derivative,
        right + S.least_derivative,
    )


@triton.jit
def _softmax(logits, S: tl.constexpr):
    """exp(logit - greatest) of K logits, and their sum."""
    top = logits[0]
    for k in tl.static_range(1, S.bins):
        top = tl.maximum(top, logits[k])
    rate = tl.full(top.shape, LOG2E / S.logit_scale, top.dtype)
    offset = -top * rate
    total = tl.exp2(tl.fma(logits[0], rate, offset))
    e = (total,)
    for k in tl.static_range(1, S.bins):
        e += (tl.exp2(tl.fma(logits[k], rate, offset)),)
        total += e[k]
    return e, total
