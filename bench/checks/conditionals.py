"""Are an autoregressive model's conditionals distributions, and is their product log_prob?

On the trained weights and in any dimension, where a sum over all states needs a small model.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bench import check
from bench.adapters import Adapted
from bench.checks._base import (
    EXACT,
    SIGMAS,
    Finding,
    NotApplicable,
    difference,
    draws,
    flat,
    spread,
)
from bench.checks._capabilities import method, probes, rows_at_once, tables, terms
from bench.checks.quadrature import TOLERANCE, WIDTH, lattice
from bench.records import Check
from bench.subject import Subject

ROWS, FEW_ROWS = 256, 4  #: of each kind of point; where tables are made from terms
COLUMNS = 32  #: coordinates of which such tables are made
MASS = 1e-4  #: |log of a conditional's sum|, nats
ABSOLUTE, RELATIVE = 1.6e-6, 1e-5  #: of the product: nats per coordinate, share of |log_prob|
ROUNDING = 100.0  #: limits; a larger deviation is no rounding
LINES = 8  #: continuous conditionals integrated, each at a test point of its own
UNSETTLED = 2  #: so many conditionals that no grid settles end the search
NODES = ((4, 201), (4, 803), (16, 3203))  #: (random shifts, nodes), refined in turn
FARTHEST = 1e3  #: of the nodes, in widths; the third power of it where they are dense
ROUNDED = 1e-5  #: least error of an integral in float32

#: (model, x [n, ...]) -> deviation of each point and what rounding allows it, nats, [n] each
Deviation = Callable[[Adapted, Tensor], tuple[Tensor, Tensor]]


@check(
    "conditionals",
    question="Are the conditionals distributions, and is their product log_prob?",
    remedy=(
        "The axis of the softmax, a conditional that sees its own coordinate, a coordinate left "
        "out or counted twice in log_prob, another order or scaling there than in conditionals."
    ),
)
def conditionals(subject: Subject) -> Check:
    """The largest deviation of a conditional's sum from one, and of their product from log_prob."""
    if subject.likelihood not in EXACT:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} has no exact conditionals")
    discrete = subject.space.discrete
    direct = discrete and method(subject.model.obj, "conditionals") is not None
    if not direct and method(subject.model.obj, "terms") is None:
        raise NotApplicable("the model shows neither conditionals nor terms")
    points = probes(subject, ROWS, 171)
    if subject.model.sample is not None:
        points["its own draws"] = draws(subject)[:ROWS].to(subject.test)
    product = _judge(subject, points, _product(subject, direct), "their product is log_prob")
    if not discrete:
        return _worse(_lines(subject).check(), product)
    rows = ROWS if direct else FEW_ROWS
    few = {name: x[:rows] for name, x in points.items()}
    what = "the conditionals sum to one"
    return _worse(_judge(subject, few, _masses(subject, direct), what), product)


def _worse(first: Check, second: Check) -> Check:
    """The more severe of two outcomes; both are told where they agree."""
    rank = ("pass", "inconclusive", "fail").index
    if rank(first.verdict) != rank(second.verdict):
        return max(first, second, key=lambda c: rank(c.verdict))
    return first.model_copy(update={"detail": f"{first.detail[:-1]}; {second.detail}"})


def _product(subject: Subject, direct: bool) -> Deviation:
    """|sum of the terms - log_prob|."""
    levels = subject.spec.levels or 2

    def deviation(model: Adapted, x: Tensor) -> tuple[Tensor, Tensor]:
        if direct:
            chosen = flat(x).long().unsqueeze(-1)
            parts = tables(model.obj, x, levels).gather(-1, chosen).squeeze(-1)
        else:
            parts = terms(model.obj, x)
        whole = model.log_prob(x).double()
        size = whole.abs().nan_to_num(nan=0.0, posinf=0.0)
        limit = max(ABSOLUTE * subject.spec.dim, MASS) + RELATIVE * size
        return difference(parts.double().sum(1), whole).abs(), limit

    return deviation


def _masses(subject: Subject, direct: bool) -> Deviation:
    """The largest |log of the sum over levels| among a point's conditionals."""
    levels, dim = subject.spec.levels or 2, subject.spec.dim
    columns = torch.randperm(dim, generator=subject.generator(172))[:COLUMNS]

    def deviation(model: Adapted, x: Tensor) -> tuple[Tensor, Tensor]:
        if direct:
            table = tables(model.obj, x, levels)
        else:
            table = substituted(model.obj, x, levels, columns)
        log_mass = torch.logsumexp(table.double(), -1).abs().amax(1)
        return log_mass, torch.full_like(log_mass, MASS)

    return deviation


def substituted(obj: object, x: Tensor, levels: int, columns: Tensor) -> Tensor:
    """Tables of masses from terms: coordinate i's term with each level in its place, [n, C, K]."""
    found = []
    for i in columns.tolist():
        moved = flat(x).repeat_interleave(levels, 0)
        moved[:, i] = torch.arange(levels).to(moved).repeat(len(x))
        term = terms(obj, moved.reshape(-1, *x.shape[1:]))[:, i]
        found.append(term.reshape(len(x), levels))
    return torch.stack(found, 1)


def _judge(subject: Subject, points: dict[str, Tensor], deviation: Deviation, what: str) -> Check:
    """`fail` beyond the limit, unless float64 takes the deviation away."""
    ratio, size, limit, where, undefined, n = 0.0, 0.0, MASS, "", 0, 0
    for name, x in points.items():
        sizes, limits = _evaluate(subject, subject.model, deviation, x)
        undefined, n = undefined + int(sizes.isnan().sum()), n + len(x)
        ratios = torch.where(sizes.isnan(), 0.0, sizes / limits)
        i = int(ratios.argmax())
        if not where or float(ratios[i]) > ratio:
            ratio, size, limit, where = float(ratios[i]), float(sizes[i]), float(limits[i]), name
    verdict, note = "pass", ""
    if ratio > 1:
        verdict, note = _second_opinion(subject, points[where], deviation, ratio)
    elif undefined:
        verdict, note = "inconclusive", f", {undefined} points aside where they are NaN"
    found = f"{what} within {size:.1e} nats at {where}{note}"
    if verdict == "fail":
        found = f"{what} only within {size:.2g} nats at {where}"
    return Check(verdict=verdict, statistic=size, threshold=limit, n=n, detail=f"{found}.")


def _second_opinion(
    subject: Subject, x: Tensor, deviation: Deviation, ratio: float
) -> tuple[str, str]:
    """Verdict on a deviation beyond float32's limit, and what to say with it."""
    if ratio > ROUNDING:
        return "fail", ""
    double = subject.double()
    if double is None:
        return "inconclusive", ", which may be float32's rounding: the model has no float64 copy"
    wide = x.double() if x.is_floating_point() else x
    try:
        sizes, limits = _evaluate(subject, double, deviation, wide)
    except (RuntimeError, TypeError):
        return "inconclusive", ", which may be float32's rounding: its float64 copy raised"
    if bool((sizes < 1e-3 * limits).all()):
        return "pass", ": float32's rounding, absent in float64"
    return "fail", ""


def _evaluate(
    subject: Subject, model: Adapted, deviation: Deviation, x: Tensor
) -> tuple[Tensor, Tensor]:
    """`deviation` at x in batches whose tables fit into memory, float64 [n] each."""
    parts = x.to(subject.device).split(rows_at_once(subject))
    with torch.no_grad():
        found = [deviation(model, part) for part in parts]
    sizes, limits = zip(*found, strict=True)
    return torch.cat(sizes).double().cpu(), torch.cat(limits).double().cpu()


def _lines(subject: Subject) -> Finding:
    """Of the conditional densities integrated, the first fault, else the farthest from one."""
    generator = subject.generator(173)
    x = flat(subject.test)[:LINES]
    coordinates = torch.randint(subject.spec.dim, (len(x),), generator=generator).tolist()
    found: list[Finding] = []
    for row, i in zip(x, coordinates, strict=True):
        found.append(_line(subject, row, i, generator))
        if found[-1].check().verdict == "fail" or sum(not f.known for f in found) == UNSETTLED:
            return found[-1]
    return max(found, key=lambda f: abs(f.effect) if f.known else math.inf)


def _line(subject: Subject, row: Tensor, i: int, generator: torch.Generator) -> Finding:
    """Integral over x_i of exp(term i) minus one, the other coordinates as in row [D].

    Of an honest density that is narrower than the grid some mass may be missed every time, but too
    much is not found again and again: only an excess is a fault.
    """
    before = math.inf
    for shifts, n in NODES:
        shift = torch.rand(shifts, 1, generator=generator, dtype=torch.float64)
        x, volume = _nodes(subject, float(row[i]), i, (lattice(n, 1).T + shift).frac())
        points = row.repeat(x.numel(), 1)
        points[:, i] = x.flatten().to(points)
        with torch.no_grad():
            term = terms(subject.model.obj, points.reshape(-1, *subject.test.shape[1:]))[:, i]
        integrals = (term.double().cpu().exp() * volume.flatten()).reshape(shifts, -1).mean(1)
        effect, step = float(integrals.mean()) - 1, abs(float(integrals.mean()) - 1 - before)
        error = max(float(integrals.std() / math.sqrt(shifts)), ROUNDED)
        before = effect
        if abs(effect) + 2 * error < TOLERANCE:
            break
    doubt = "its mass is missing, or narrower than the grid" if effect < -TOLERANCE else ""
    if TOLERANCE < effect <= SIGMAS * max(error, step):
        doubt = "coarse and fine grids disagree"
    return Finding(
        effect=effect,
        error=error,
        threshold=TOLERANCE,
        n=shifts * n,
        what=f"the density of coordinate {i} given those before integrates to {1 + effect:.5f}",
        upper=True,
        doubt=doubt,
    )


def _nodes(subject: Subject, own: float, i: int, u: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes [S, 2 n] of the line and what each stands for, from u [S, n] in [0, 1).

    Half of them are spread as in `quadrature`, half lie dense around `own`, the row's value: at
    own + 1.5 sd t^3 with t from Cauchy's law. All count by the density of the mixture.
    """
    centre, width = (float(s[i]) for s in spread(flat(subject.test)))
    width *= WIDTH
    t = torch.tan(math.pi * (u - 0.5)).clamp(-FARTHEST, FARTHEST)
    x = torch.cat([centre + width * t, own + width * t**3], 1)
    wide = ((x - centre) / width).square()
    near = ((x - own) / width).abs().pow(2 / 3)  # t^2
    density = 1 / (1 + wide) + 1 / ((1 + near) * 3 * near)
    return x, 2 * math.pi * width / density
