"""Does an autoregressive model read earlier coordinates only?

By intervention: one coordinate is replaced in every row, and what must not react is compared with
its value before, at the same place of a batch of the same shape, where masked arithmetic gives the
same bits. Unlike a Jacobian this sees integers, detached tensors and statistics of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench import check
from bench.checks._base import EXACT, NotApplicable, difference, flat, spread
from bench.checks._capabilities import (
    Values,
    method,
    order_of,
    precise,
    probes,
    rows_at_once,
    tables,
    terms,
)
from bench.jacobian import brute_force_logdet
from bench.records import Check
from bench.subject import Subject

ROWS = 16  #: of each kind of point
COLUMNS = 64  #: coordinates replaced; drawn at random where there are more
DOUBLE, SINGLE = 1e-11, 1e-5  #: rounding relative to 1 + |value|
LOGDET_POINTS, LOGDET_DIM = 4, 64
LOGDET = 1e-5  #: error of a layer's log-determinant over 1 + |log-det|; in float32 a thousandfold


@dataclass(frozen=True)
class Part:
    """Values by coordinate that follow one declared order.

    `values` maps x [B, ...] to [B, D] or [B, D, K]; row i may read coordinates of positions before
    `order[i]`, and x_i itself where `own`. Coordinates of one position are mutually blind.
    """

    name: str
    values: Values
    order: Tensor  #: int64 [D]
    own: bool


@dataclass(frozen=True)
class Pattern:
    """What reacted to what in one part: values i in rows, replaced coordinates in columns."""

    part: Part
    columns: Tensor  #: the coordinates replaced, [C]
    change: Tensor  #: largest reaction, [D, C]
    excess: Tensor  #: largest reaction in units of rounding, [D, C]
    double: bool  #: computed in float64
    undefined: int  #: NaN values, which say nothing

    @property
    def earlier(self) -> Tensor:
        """Whether the coordinate's position precedes the value's, [D, C]."""
        return self.part.order[self.columns] < self.part.order[:, None]

    @property
    def forbidden(self) -> Tensor:
        """Pairs that must not react, [D, C]."""
        own = self.columns == torch.arange(len(self.part.order))[:, None]
        return ~self.earlier & ~(own & self.part.own)

    @property
    def leak(self) -> float:
        """The largest forbidden reaction in units of rounding."""
        return float(self.excess[self.forbidden].max()) if self.forbidden.any() else 0.0


@check(
    "causality",
    question="Does an autoregressive model read earlier coordinates only?",
    remedy=(
        "The masks (strict in exactly one layer), the shift to the right, the declared order, "
        "statistics taken over positions or over the batch."
    ),
)
def causality(subject: Subject) -> Check:
    """Largest reaction of a conditional to a coordinate that its declared order hides from it."""
    if subject.likelihood not in EXACT:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} has no exact conditionals")
    if not parts(subject, subject.model.obj):
        raise NotApplicable("the model shows no conditionals, terms or autoregressive layers")
    rows = min(ROWS, rows_at_once(subject))
    points = torch.cat(list(probes(subject, rows, 161).values()))
    obj, x = precise(subject, points, lambda obj: parts(subject, obj)[0].values)
    y = _replacements(subject, x)
    with torch.no_grad():
        patterns = [pattern(part, x, y, _columns(subject)) for part in parts(subject, obj)]
    found = _verdict(max(patterns, key=lambda p: p.leak), len(x))
    if found.verdict == "pass":
        found = _layers(subject, obj, x) or found
    return found.model_copy(update={"detail": f"{found.detail}; {_blind_spots(patterns)}."})


def parts(subject: Subject, obj: Any) -> list[Part]:
    """What the object shows, by its most telling capability; empty where it shows nothing."""
    dim, levels = subject.spec.dim, subject.spec.levels or 2
    if method(obj, "conditionals") is not None and subject.space.discrete:
        return [Part("", lambda x: tables(obj, x, levels), order_of(obj, dim), own=False)]
    if method(obj, "terms") is not None:
        return [Part("", lambda x: terms(obj, x), order_of(obj, dim), own=True)]
    return [
        Part(f"layer {i}: ", _noise(layer), order_of(layer, dim), own=True)
        for i, layer in enumerate(_layers_of(obj), 1)
    ]


def _layers_of(obj: Any) -> list[Any]:
    layers = method(obj, "autoregressive_layers")
    return [] if layers is None else list(layers())


def _noise(layer: Any) -> Values:
    return lambda x: flat(layer.transform(x)[0])


def _columns(subject: Subject) -> Tensor:
    dim = subject.spec.dim
    return torch.randperm(dim, generator=subject.generator(162))[:COLUMNS].sort().values


def _replacements(subject: Subject, x: Tensor) -> Tensor:
    """Another value for every coordinate of x [B, ...]: another level, or a step of its spread."""
    generator = subject.generator(163)
    if subject.space.discrete:
        levels = subject.spec.levels or 2
        step = 1 + torch.randint(levels - 1, x.shape, generator=generator).to(x)
        return (x + step) % levels
    _, scale = spread(flat(subject.test))
    noise = torch.randn(flat(x).shape, generator=generator, dtype=torch.float64)
    return x + (scale * noise).reshape(x.shape).to(x)


def pattern(part: Part, x: Tensor, y: Tensor, columns: Tensor) -> Pattern:
    """Reactions of a part's values at x [B, ...] to each coordinate's replacement by that of y."""
    before = part.values(x)
    double = before.dtype == torch.float64
    before = before.double().reshape(len(x), len(part.order), -1)
    size = before.abs().nan_to_num(nan=0.0, posinf=0.0)
    limit = (DOUBLE if double else SINGLE) * (1 + size)
    change, excess, undefined = [], [], 0
    for j in columns.tolist():
        moved = flat(x).clone()
        moved[:, j] = flat(y)[:, j]
        after = part.values(moved.reshape(x.shape)).double().view_as(before)
        gap = difference(before, after).abs()
        undefined += int(gap.isnan().sum())
        gap = torch.where(gap.isnan(), 0.0, gap)
        change.append(gap.amax((0, 2)))
        excess.append((gap / limit).amax((0, 2)))
    return Pattern(
        part=part,
        columns=columns,
        change=torch.stack(change, 1).cpu(),
        excess=torch.stack(excess, 1).cpu(),
        double=double,
        undefined=undefined,
    )


def _verdict(found: Pattern, rows: int) -> Check:
    """`fail` beyond rounding, which only float64 tells from a small leak."""
    sizes, leaking = found.change[found.forbidden], int((found.excess > 1)[found.forbidden].sum())
    largest = float(sizes.max()) if len(sizes) else 0.0
    pairs = f"{found.part.name}{leaking} of {len(sizes)} forbidden pairs react"
    verdict, detail = (
        "pass",
        pairs if not largest else f"{pairs} by more than rounding, {largest:.1g}",
    )
    if leaking:
        verdict, detail = "fail", f"{pairs}; {_worst(found)}"
    elif largest > 0 and not found.double:
        verdict, detail = "inconclusive", f"{detail}, which may be float32's rounding"
    elif found.undefined:
        verdict, detail = "inconclusive", f"{found.undefined} values are NaN"
    return Check(
        verdict=verdict,
        statistic=largest,
        threshold=DOUBLE if found.double else SINGLE,
        n=rows * len(found.columns),
        detail=detail,
    )


def _worst(found: Pattern) -> str:
    """The pair behind `leak` in words."""
    place = int(torch.where(found.forbidden, found.excess, -1.0).argmax())
    i, column = divmod(place, len(found.columns))
    j, order = int(found.columns[column]), found.part.order
    change = f"by {float(found.change[i, column]):.2g}"
    if i == j:
        return f"the masses of coordinate {i} move with its own value, {change}"
    return (
        f"that of coordinate {i} (position {order[i]}) moves with coordinate {j} "
        f"(position {order[j]}), {change}"
    )


def _blind_spots(patterns: list[Pattern]) -> str:
    """How much of the past is never read: no fault, but lost information."""
    unread = sum(int((p.earlier & (p.change == 0)).sum()) for p in patterns)
    total = sum(int(p.earlier.sum()) for p in patterns)
    return f"{unread} of {total} earlier coordinates are never read"


def _layers(subject: Subject, obj: Any, x: Tensor) -> Check | None:
    """The layer whose reported log-determinant is not that of its Jacobian, if there is one."""
    if subject.spec.dim > LOGDET_DIM or method(obj, "terms") or method(obj, "conditionals"):
        return None
    for i, layer in enumerate(_layers_of(obj), 1):
        reported, exact = brute_force_logdet(layer.transform, x[:LOGDET_POINTS])
        error = (reported - exact).abs().nan_to_num(nan=0.0)
        limit = LOGDET * (1 if x.dtype == torch.float64 else 1000) * (1 + exact.abs())
        worst = int((error / limit).nan_to_num(nan=0.0).argmax())
        if error[worst] > limit[worst]:
            return Check(
                verdict="fail",
                statistic=float(error[worst]),
                threshold=float(limit[worst]),
                n=len(reported),
                detail=f"layer {i} reports a log-determinant {float(error[worst]):.1e} nats off",
            )
    return None
