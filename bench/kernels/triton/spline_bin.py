"""The bin of a rational-quadratic spline that holds a point, one element per thread.

Parameters per element: K width logits, K height logits, K - 1 raw derivatives, `step` apart.
Search and selection are unrolled comparisons that carry the running knots: no index, no gather.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from bench.kernels.eager import Shape
from bench.kernels.triton.arithmetic import LOG2E, log1p, reciprocal


class Spline(NamedTuple):
    """What a kernel is compiled for."""

    bins: int
    bound: float
    least: float  #: width and height of the smallest bin
    free: float  #: what the softmax shares out of the box
    least_derivative: float
    edge: float  #: raw derivative at the box's edges
    logit_scale: float


class Bin(NamedTuple):
    """The bin that holds each point; the axes are those of `find`."""

    number: Any
    begin: Any
    length: Any
    begin_across: Any
    length_across: Any
    left: Any  #: raw derivative at the left knot
    right: Any
    along: Any  #: K times exp(logit - greatest)
    across: Any
    scale: Any  #: such an exponential times it is a length less the least one
    scale_across: Any


def compiled_for(shape: Shape, parameters: int) -> Spline:
    """The constants of splines with 3K - 1 parameters."""
    bins, box = (parameters + 1) // 3, 2 * shape.bound
    free = box * (1 - shape.min_bin * bins)
    lengths = (shape.bound, box * shape.min_bin, free)
    return Spline(bins, *lengths, shape.min_derivative, shape.edge, shape.logit_scale)


@triton.jit
def find(point, row, step, ALONG: tl.constexpr, S: tl.constexpr):
    """The bin by the axis whose logits begin at parameter ALONG: 0 for x, K for y.

    The sums up to the knots are taken again, not kept, which saves registers.
    """
    along, total = _softmax(row + ALONG * step, step, S)
    across, total_across = _softmax(row + (S.bins - ALONG) * step, step, S)
    over = reciprocal(total * total_across)
    scale = _ratio(S.free, total, over * total_across)
    scale_across = _ratio(S.free, total_across, over * total)
    number = tl.zeros(point.shape, tl.int32)
    begin = tl.full(point.shape, -S.bound, point.dtype)
    e = along[0]
    e_across = across[0]
    before = tl.zeros(point.shape, point.dtype)
    reached = along[0]
    reached_across = across[0]
    for k in tl.static_range(1, S.bins):
        knot = reached * scale + (k * S.least - S.bound)
        beyond = point >= knot
        number = tl.where(beyond, k, number)
        begin = tl.where(beyond, knot, begin)
        e = tl.where(beyond, along[k], e)
        before = tl.where(beyond, reached_across, before)
        e_across = tl.where(beyond, across[k], e_across)
        reached += along[k]
        reached_across += across[k]
    begin_across = before * scale_across + (number.to(point.dtype) * S.least - S.bound)
    left = tl.full(point.shape, S.edge, point.dtype)
    right = left
    if S.bins > 1:
        at = row + (number + (2 * S.bins - 1)) * step
        left = tl.load(at, mask=number > 0, other=left)
        right = tl.load(at + step, mask=number < S.bins - 1, other=right)
    return Bin(
        number,
        begin,
        e * scale + S.least,
        begin_across,
        e_across * scale_across + S.least,
        left,
        right,
        along,
        across,
        scale,
        scale_across,
    )


@triton.jit
def _ratio(FREE: tl.constexpr, total, over):
    """FREE / total by a step of Newton from a rough 1 / total: every knot inherits its error."""
    free = tl.full(total.shape, FREE, total.dtype)
    rough = free * over
    return tl.fma(tl.fma(-total, rough, free), over, rough)


@triton.jit
def softplus(v):
    """log(1 + exp v), and exp(-|v|)."""
    small = tl.exp2(-tl.abs(v) * LOG2E)
    return tl.maximum(v, 0) + log1p(small), small


@triton.jit
def _softmax(row, step, S: tl.constexpr):
    """exp(logit - greatest) of K logits, and their sum."""
    top = tl.load(row)
    logits = (top,)
    for k in tl.static_range(1, S.bins):
        logits += (tl.load(row + k * step),)
        top = tl.maximum(top, logits[k])
    rate = tl.full(top.shape, LOG2E / S.logit_scale, top.dtype)
    offset = -top * rate
    e = (tl.exp2(tl.fma(logits[0], rate, offset)),)
    for k in tl.static_range(1, S.bins):
        e += (tl.exp2(tl.fma(logits[k], rate, offset)),)
    total = e[0]
    odd = tl.zeros(top.shape, top.dtype)
    for k in tl.static_range(1, S.bins):
        if k % 2:
            odd += e[k]
        else:
            total += e[k]
    return e, total + odd
