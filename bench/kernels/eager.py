"""The rational-quadratic spline in PyTorch operations: every device, dtype and transform.

Branch-free, without a boolean index or a synchronisation: points outside the box are clamped,
computed and replaced; the order of operations is that of nflows 0.14. Parameters are turned
bins-major, so that each operation runs over contiguous points; on a CPU blocks of points keep the
temporaries in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 16_384  #: points per block on a CPU
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
    rows = parameters.T.contiguous()
    logits = rows[: 2 * count].unflatten(0, (2, count))
    if shape.logit_scale != 1:
        logits = logits / shape.logit_scale
    raw = F.pad(rows[2 * count :], (0, 0, 1, 1), value=shape.edge)
    return Turned(logits.softmax(1), raw, False)


def _find(points: Tensor, parameters: Turned, shape: Shape, axis: int) -> Bin:
    """The bin of each point inside the box, by x (axis 0) or y (axis 1)."""
    softmax, slopes, exact = parameters
    share = shape.min_bin + (1 - shape.min_bin * softmax.shape[1]) * softmax
    inner = 2 * shape.bound * share.cumsum(1)[:, :-1] - shape.bound
    knots = F.pad(F.pad(inner, (0, 0, 1, 0), value=-shape.bound), (0, 0, 0, 1), value=shape.bound)
    index = (points >= inner[axis]).sum(0, keepdim=True)
    pair = torch.cat((index, index + 1))
    corners = knots.gather(1, pair.expand(2, *pair.shape))
    x0, x1, y0, y1 = corners.flatten(0, 1).unbind(0)
    if exact:
        ends = slopes.gather(1, pair.T).T
    else:  # two derivatives per point instead of K + 1
        ends = shape.min_derivative + F.softplus(slopes.gather(0, pair))
    return Bin(x0, y0, x1 - x0, y1 - y0, *ends.unbind(0))


def _forward(x: Tensor, parameters: Turned, shape: Shape, logabsdet: bool) -> tuple[Tensor, Tensor]:
    inside = (x >= -shape.bound) & (x <= shape.bound)
    clamped = x.clamp(-shape.bound, shape.bound)
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


def inverse_turned(
    y: Tensor, parameters: Turned, shape: Shape, logabsdet: bool
) -> tuple[Tensor, Tensor]:
    """The inverse at points [N] from what `turned` gives.

    With v = (y - y0) / height, s the bin's slope and m = left (1 - v) - right v the discriminant
    is m^2 + 4 s^2 v (1 - v), and t = 2 s v / (m + root + 2 s v), where m + root is written without
    cancellation for either sign of m.
    """
    inside = (y >= -shape.bound) & (y <= shape.bound)
    clamped = y.clamp(-shape.bound, shape.bound)
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


def _log_slope(b: Bin, slope: Tensor, t: Tensor, tt: Tensor, denominator: Tensor) -> Tensor:
    """log dy/dx at the position t in [0, 1] of the bin; tt = t (1 - t)."""
    numerator = slope.pow(2) * (b.right * t.pow(2) + 2 * slope * tt + b.left * (1 - t).pow(2))
    return numerator.log() - 2 * denominator.log()
