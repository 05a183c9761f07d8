"""Ranks by paired differences, with shared ranks where a difference is within its error.

The rule, per data set. The best row leads the first group, which takes every row whose difference
to it is within 2 standard errors (or below RESOLUTION); the best row left leads the next group, and
so on. Groups are disjoint, so sharing a rank is transitive, and rank 1 means: not separable from
the best row. A group's rank is one more than the number of rows in the groups above it. (A row with
a wide error may so stand above a better one that is clearly separated from the leader.) A bound
never beats an exact row for "best": if there is an exact row, the first group holds exact rows
only, and bounds that score as well or better follow it in their own order.

Errors: the paired error over test points of the seed-averaged scores (unpaired, from the two rows'
errors, where the per-point scores are absent), and the error over seeds, paired likewise; the
larger one counts, they are never added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from bench.report.artifacts import Array

EXACT = ("exact", "exact-discrete")
RESOLUTION = 1e-4  #: nats; float32 log-densities of one function differ by as much
WIDTH = 2.0  #: standard errors within which two rows share a rank


@dataclass(frozen=True)
class Entrant:
    """A row that may be ranked. `nats`: mean over test points; `points` [n]: per test point."""

    model: str
    nats: float
    kind: str = "exact"
    se_test: float | None = None
    se_seeds: float | None = None
    points: Array | None = field(default=None, repr=False, compare=False)
    seeds: tuple[float, ...] = ()  #: test nats of each seed

    @property
    def exact(self) -> bool:
        """The score is the likelihood itself, not a bound or an estimate."""
        return self.kind in EXACT


@dataclass(frozen=True)
class Difference:
    """a minus b in nats, its standard error over test points and over seeds."""

    mean: float
    se_points: float
    se_seeds: float
    paired: bool

    @property
    def se(self) -> float:
        """The larger of the two errors."""
        return max(self.se_points, self.se_seeds)

    @property
    def within(self) -> bool:
        """Zero lies within 2 standard errors, or the difference is below what float32 resolves."""
        return abs(self.mean) <= max(WIDTH * self.se, RESOLUTION)


@dataclass(frozen=True)
class Place:
    """A ranked row: `behind` is its score minus the best row's; `leader` names its group."""

    model: str
    rank: int
    leader: str
    behind: Difference
    above_exact: bool = False  #: a bound that scores above the best exact row


def difference(a: Entrant, b: Entrant) -> Difference:
    """Score of a minus score of b, nats; paired over test points where both have the same ones."""
    if a.model == b.model:
        return Difference(0.0, 0.0, 0.0, True)
    seeds = _seed_error(a, b)
    if a.points is not None and b.points is not None and a.points.shape == b.points.shape:
        delta = a.points - b.points
        if len(delta) > 1 and bool(np.isfinite(delta).all()):
            se = float(delta.std(ddof=1) / math.sqrt(len(delta)))
            return Difference(float(delta.mean()), se, seeds, True)
    points = math.hypot(a.se_test or 0.0, b.se_test or 0.0)
    return Difference(a.nats - b.nats, points, seeds, False)


def _seed_error(a: Entrant, b: Entrant) -> float:
    """Paired where both rows ran the same seeds, on the same batches; else from the two errors."""
    if len(a.seeds) == len(b.seeds) > 1:
        delta = np.subtract(a.seeds, b.seeds)
        return float(delta.std(ddof=1) / math.sqrt(len(delta)))
    return math.hypot(a.se_seeds or 0.0, b.se_seeds or 0.0)


def rank(entrants: Iterable[Entrant]) -> list[Place]:
    """Places in the order of the table. Independent of the order of `entrants`."""
    rows = sorted(entrants, key=lambda e: (-e.nats, e.model))
    if not rows:
        return []
    best = next((e for e in rows if e.exact), rows[0])
    first = _group([e for e in rows if e.exact], best) if best.exact else []
    groups = [first] if first else []
    rest = [e for e in rows if e not in first]
    while rest:
        groups.append(_group(rest, rest[0]))
        rest = [e for e in rest if e not in groups[-1]]
    return list(_places(groups, best))


def _group(rows: list[Entrant], leader: Entrant) -> list[Entrant]:
    """The rows within 2 s.e. of the leader, itself included."""
    return [row for row in rows if row is leader or difference(row, leader).within]


def _places(groups: list[list[Entrant]], best: Entrant) -> Iterable[Place]:
    above = 0
    for group in groups:
        for row in group:
            behind = difference(row, best)
            jumped = best.exact and not row.exact and row.nats > best.nats
            yield Place(row.model, above + 1, group[0].model, behind, jumped)
        above += len(group)
