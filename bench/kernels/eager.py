"""The rational-quadratic spline in PyTorch operations: every device, dtype and transform.

Branch-free, without a boolean index or a synchronisation: points outside the box are computed
elsewhere and replaced. Parameters are turned bins-major, so that each operation runs over
contiguous points; on a CPU blocks of points keep the temporaries in the cache. The operations are
few, since on a GPU each is a launch; `exact` keeps those of nflows 0.14 and their order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 32_768  #: points per block on a CPU
MIN_BIN = 1e-3
MIN_DERIVATIVE = 1e-3


class Shape(NamedTuple):
    """What all splines of a call share."""

    bound: float = 1.0  #: the box is [-bound, bound]
    min_bin: float = MIN_BIN  #: least width and height of a bin, as a share of the box
    min_derivative: float = MIN_DERIVATIVE
    logit_scale: float = 1.0  #: the width and height logits are divided by it

    @property
    def edge(self) -> float:
        """The raw derivative whose derivative is one, that of the tails."""
        return math.log(math.exp(1 - self.min_derivative) - 1)


class Bin(NamedTuple):
    """The bin that holds each point: [N] each."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    left: Tensor  #: derivative at the left knot
    right: Tensor


def spline(
    x: Tensor,
    parameters: Tensor,
    shape: Shape,
    inverse: bool = False,
    logabsdet: bool = True,
    exact: bool = False,
) -> tuple[Tensor, Tensor]:
    """Value and log-derivative [N] of points [N] with parameters [N, 3K - 1].

    The second is empty unless asked for. `exact`: nflows' values to the last bit, half as fast.
    """
    run = inverse_turned if inverse else _forward
    if x.device.type != "cpu" or len(x) <= BLOCK or torch.compiler.is_compiling():
        return run(x, turned(parameters, shape, exact), shape, logabsdet)
    blocks = [
        run(points, turned(block, shape, exact), shape, logabsdet)
        for points, block in zip(x.split(BLOCK), parameters.split(BLOCK), strict=True)
    ]
    values, logs = zip(*blocks, strict=True)
    return torch.cat(values), torch.cat(logs)


def grads(
    x: Tensor,
    parameters: Tensor,
    shape: Shape,
    given: tuple[Tensor, Tensor],
    needs: Sequence[bool],
    inverse: bool = False,
) -> list[Tensor | None]:
    """Gradients of points and parameters, where needed, by autograd; recorded if it records."""
    wanted = [t for t, need in zip((x, parameters), needs, strict=False) if need]
    recorded = torch.is_grad_enabled()
    with torch.enable_grad():
        outputs = spline(x, parameters, shape, inverse)
    found = iter(torch.autograd.grad(outputs, wanted, given, create_graph=recorded))
    return [next(found) if need else None for need in needs[:2]]


class Turned(NamedTuple):
    """Parameters bins-major."""

    softmax: Tensor  #: [2, K, N], the bins' shares of the box
    slopes: Tensor  #: raw derivatives at the knots [K + 1, N]; if exact the derivatives [N, K + 1]
    exact: bool


def turned(parameters: Tensor, shape: Shape, exact: bool = False) -> Turned:
    """Bins-major parameters of [N, 3K - 1].

    Vectorised functions and sums round by where an entry lies. Hence `exact` calls them and their
    gradients on nflows' layout, which is slow.
    """
    count = (parameters.shape[1] + 1) // 3
    if exact:
        logits = parameters[:, : 2 * count].unflatten(1, (2, count)) / shape.logit_scale
        raw = F.pad(parameters[:, 2 * count :], (1, 1), value=shape.edge)
        slopes = shape.min_derivative + F.softplus(raw)
        return Turned(logits.softmax(2).movedim(0, 2).contiguous(), slopes, True)
    logits, raw = parameters.T.contiguous().split((2 * count, count - 1))
    if shape.logit_scale != 1:
        logits = logits / shape.logit_scale
    raw = F.pad(raw, (0, 0, 1, 1), value=shape.edge)
    return Turned(logits.unflatten(0, (2, count)).softmax(1), raw, False)


def _find(points: Tensor, parameters: Turned, shape: Shape, axis: int) -> Bin:
    """The bin of each point inside the box, by x (axis 0) or y (axis 1)."""
    softmax, slopes, exact = parameters
    knots = (_knots_exact if exact else _knots)(softmax, shape)
    index = (points >= knots[axis, 1:-1]).sum(0, keepdim=True)
    pair = torch.cat((index, index + 1))
    x0, x1, y0, y1 = knots.gather(1, pair.expand(2, *pair.shape)).flatten(0, 1).unbind(0)
    if exact:
        ends = slopes.gather(1, pair.T).T
    else:  # two derivatives per point instead of K + 1
        ends = shape.min_derivative + F.softplus(slopes.gather(0, pair))
    return Bin(x0, y0, x1 - x0, y1 - y0, *ends.unbind(0))


def _knots(softmax: Tensor, shape: Shape) -> Tensor:
    """Knots [2, K + 1, N] by x and y; the outer ones are the box to the last bit."""
    count, step = softmax.shape[1], 2 * shape.bound * shape.min_bin
    line = partial(torch.linspace, dtype=softmax.dtype, device=softmax.device)
    least = line(step - shape.bound, step * (count - 1) - shape.bound, count - 1)
    scale = 2 * shape.bound * (1 - shape.min_bin * count)
    inner = torch.add(least[:, None], softmax[:, :-1].cumsum(1), alpha=scale)
    box = line(-shape.bound, shape.bound, 2)
    low, high = box[:, None, None, None].expand(2, 2, 1, softmax.shape[2]).unbind(0)
    return torch.cat((low, inner, high), 1)


def _knots_exact(softmax: Tensor, shape: Shape) -> Tensor:
    """`_knots` as nflows rounds them."""
    share = shape.min_bin + (1 - shape.min_bin * softmax.shape[1]) * softmax
    inner = 2 * shape.bound * share.cumsum(1)[:, :-1] - shape.bound
    return F.pad(F.pad(inner, (0, 0, 1, 0), value=-shape.bound), (0, 0, 0, 1), value=shape.bound)


def _forward(x: Tensor, parameters: Turned, shape: Shape, logabsdet: bool) -> tuple[Tensor, Tensor]:
    if parameters.exact:
        return _forward_exact(x, parameters, shape, logabsdet)
    outside, safe = _split(x, shape)
    b = _find(safe, parameters, shape, 0)
    slope = b.height / b.width
    t = (safe - b.x) / b.width
    c = _curve(b, slope, t)
    y = torch.where(outside, x, b.y + b.height * (t * c.p / c.denominator))
    if not logabsdet:
        return y, x.new_empty(0)
    ratio = slope / c.denominator
    return y, (c.numerator * ratio * ratio).log().masked_fill(outside, 0.0)


def inverse_turned(
    y: Tensor, parameters: Turned, shape: Shape, logabsdet: bool
) -> tuple[Tensor, Tensor]:
    """The inverse at points [N] from what `turned` gives.

    With v = (y - y0) / height, s the bin's slope and m = left (1 - v) - right v the discriminant
    is m^2 + 4 s^2 v (1 - v), and t = 2 s v / (m + root + 2 s v), where m + root is written without
    cancellation for either sign of m.
    """
    if parameters.exact:
        return _inverse_exact(y, parameters, shape, logabsdet)
    outside, safe = _split(y, shape)
    b = _find(safe, parameters, shape, 1)
    slope = b.height / b.width
    v = (safe - b.y) / b.height
    w = 1 - v
    m = b.left * w - b.right * v
    twice = 2 * slope
    t = twice * v
    product = t * (twice * w)
    large = m.abs() + (m * m + product).sqrt()
    t = t / (torch.where(m >= 0, large, product / large) + t)
    x = torch.where(outside, y, b.x + t * b.width)
    if not logabsdet:
        return x, y.new_empty(0)
    c = _curve(b, slope, t)
    ratio = c.denominator / slope
    return x, (ratio * ratio / c.numerator).log().masked_fill(outside, 0.0)


def _split(x: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Which points lie outside the box or are NaN, and the points with those at its centre."""
    given = x.detach()
    outside = given.clamp(-shape.bound, shape.bound) != given
    return outside, x.masked_fill(outside, 0.0)


class Curve(NamedTuple):
    """The bin's curve at the position t: the rational quadratic of eq. 4 as nested averages.

    With u = 1 - t the value is y0 + height t p / denominator, and the derivative is
    slope^2 numerator / denominator^2: sums of positive terms.
    """

    p: Tensor  #: slope t + left u
    denominator: Tensor  #: p t + q u with q = slope u + right t
    numerator: Tensor  #: q t + p u = right t^2 + 2 slope t u + left u^2


def _curve(b: Bin, slope: Tensor, t: Tensor) -> Curve:
    p, q = torch.lerp(b.left, slope, t), torch.lerp(slope, b.right, t)
    return Curve(p, torch.lerp(q, p, t), torch.lerp(p, q, t))


def _forward_exact(
    x: Tensor, parameters: Turned, shape: Shape, logabsdet: bool
) -> tuple[Tensor, Tensor]:
    """`_forward` in nflows' order of operations."""
    inside, clamped = _clamped(x, shape)
    b = _find(clamped, parameters, shape, 0)
    slope = b.height / b.width
    t = (clamped - b.x) / b.width
    tt = t * (1 - t)
    numerator = b.height * (slope * t.pow(2) + b.left * tt)
    denominator = slope + (b.left + b.right - 2 * slope) * tt
    y = torch.where(inside, b.y + numerator / denominator, x)
    if not logabsdet:
        return y, x.new_empty(0)
    return y, torch.where(inside, _log_slope(b, slope, t, tt, denominator), 0.0)


def _inverse_exact(
    y: Tensor, parameters: Turned, shape: Shape, logabsdet: bool
) -> tuple[Tensor, Tensor]:
    """`inverse_turned` with the bits that recorded inverses have always had."""
    inside, clamped = _clamped(y, shape)
    b = _find(clamped, parameters, shape, 1)
    slope = b.height / b.width
    v = (clamped - b.y) / b.height
    m = b.left * (1 - v) - b.right * v
    product = 4 * slope.pow(2) * v * (1 - v)
    large = m.abs() + (m.pow(2) + product).sqrt()
    t = 2 * slope * v
    t = t / (torch.where(m >= 0, large, product / large) + t)
    x = torch.where(inside, b.x + t * b.width, y)
    if not logabsdet:
        return x, y.new_empty(0)
    tt = t * (1 - t)
    denominator = slope * (t.pow(2) + (1 - t).pow(2)) + (b.left + b.right) * tt
    return x, torch.where(inside, -_log_slope(b, slope, t, tt, denominator), 0.0)


def _clamped(x: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Which points lie in the box, and the points with the others at its edge."""
    inside = (x >= -shape.bound) & (x <= shape.bound)
    return inside, x.clamp(-shape.bound, shape.bound)


def _log_slope(b: Bin, slope: Tensor, t: Tensor, tt: Tensor, denominator: Tensor) -> Tensor:
    """log dy/dx at the position t in [0, 1] of the bin; tt = t (1 - t)."""
    numerator = slope.pow(2) * (b.right * t.pow(2) + 2 * slope * tt + b.left * (1 - t).pow(2))
    return numerator.log() - 2 * denominator.log()
