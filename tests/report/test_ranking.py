"""Ranks: shared by paired differences, whatever the order, and no bound above an exact best."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bench.report.ranking import Difference, Entrant, difference, rank

RNG = np.random.default_rng(0)
COMMON = RNG.normal(0, 1, 2000)


def entrant(name: str, nats: float, kind: str = "exact", spread: float = 0.01) -> Entrant:
    """A row whose points share the hard part with every other row's."""
    own = RNG.normal(0, spread, len(COMMON))
    points = COMMON - COMMON.mean() + own - own.mean() + nats
    return Entrant(
        name, nats, kind, float(points.std(ddof=1) / math.sqrt(len(points))), None, points
    )


def test_equal_seeds_are_paired() -> None:
    a = Entrant("a", 0.0, se_seeds=0.5, seeds=(-0.5, 0.5, 0.0))
    twin = Entrant("b", 0.0, se_seeds=0.5, seeds=(-0.5, 0.5, 0.0))
    shifted = Entrant("c", -0.1, se_seeds=0.5, seeds=(-0.6, 0.4, -0.1))
    other = Entrant("d", 0.0, se_seeds=0.5, seeds=(0.0,))
    assert difference(a, twin).se_seeds == 0
    assert not difference(a, shifted).within
    assert difference(a, other).se_seeds == pytest.approx(math.hypot(0.5, 0.5))


CASES: dict[str, tuple[list[Entrant], dict[str, int]]] = {
    "separated": (
        [entrant("a", 0), entrant("b", -0.1), entrant("c", -0.2)],
        {"a": 1, "b": 2, "c": 3},
    ),
    "tie": ([entrant("a", 0), entrant("b", -1e-5), entrant("c", -0.2)], {"a": 1, "b": 1, "c": 3}),
    "one": ([entrant("a", 0)], {"a": 1}),
    "none": ([], {}),
    "bound wins on paper": (
        [entrant("exact", 0), entrant("bound", 0.5, "lower-bound"), entrant("low", -1)],
        {"exact": 1, "bound": 2, "low": 3},
    ),
    "bound ties": (
        [entrant("exact", 0), entrant("bound", -1e-5, "lower-bound")],
        {"exact": 1, "bound": 2},
    ),
    "bound loses": (
        [entrant("exact", 0), entrant("bound", -1, "unbiased")],
        {"exact": 1, "bound": 2},
    ),
    "bounds keep their order": (
        [entrant("exact", 0), entrant("b2", 0.4, "stochastic"), entrant("b1", 0.5, "upper-bound")],
        {"exact": 1, "b1": 2, "b2": 3},
    ),
    "bounds alone": (
        [entrant("b1", 0.5, "lower-bound"), entrant("b2", 0.4, "lower-bound")],
        {"b1": 1, "b2": 2},
    ),
    "exact-discrete is exact": (
        [entrant("a", 0, "exact-discrete"), entrant("b", 0.1, "lower-bound")],
        {"a": 1, "b": 2},
    ),
    "a noisy row ties across a separated one": (
        [entrant("a", 0), entrant("b", -0.01), entrant("c", -0.02, spread=2.0)],
        {"a": 1, "c": 1, "b": 3},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_ranks(name: str) -> None:
    rows, expected = CASES[name]
    assert {p.model: p.rank for p in rank(rows)} == expected


@pytest.mark.parametrize("name", CASES)
def test_order_of_the_rows_does_not_matter(name: str) -> None:
    rows, _ = CASES[name]
    first = rank(rows)
    assert all(rank(p) == first for p in itertools.permutations(rows))


def test_sharing_a_rank_is_being_within_two_errors_of_the_leader() -> None:
    rows = [entrant(f"m{i}", -0.0004 * i) for i in range(12)]
    by_name = {r.model: r for r in rows}
    places = rank(rows)
    assert 1 < len({p.leader for p in places}) < len(rows)
    for place in places:
        assert difference(by_name[place.model], by_name[place.leader]).within
    for leader in {p.leader for p in places} - {"m0"}:
        assert not difference(by_name[leader], by_name["m0"]).within


def test_paired_differences_separate_what_unpaired_ones_do_not() -> None:
    a, b = entrant("a", 0), entrant("b", -0.01)
    bare = [Entrant(e.model, e.nats, se_test=e.se_test) for e in (a, b)]
    assert [p.rank for p in rank([a, b])] == [1, 2]
    assert [p.rank for p in rank(bare)] == [1, 1]
    assert not rank(bare)[1].behind.paired


def test_difference_has_the_error_of_the_paired_mean() -> None:
    a, b = entrant("a", 0.3), entrant("b", 0.1)
    d = difference(a, b)
    assert a.points is not None
    assert b.points is not None
    delta = a.points - b.points
    assert d.mean == pytest.approx(0.2, abs=1e-12)
    assert d.se_points == pytest.approx(delta.std(ddof=1) / math.sqrt(len(delta)), rel=1e-12)


@pytest.mark.parametrize("points", [np.full(2000, np.nan), np.full(2000, -np.inf), np.zeros(3)])
def test_points_that_cannot_be_paired_fall_back(points: np.ndarray) -> None:
    d = difference(Entrant("a", 0.5, se_test=0.3, points=points), entrant("b", 0.1))
    assert not d.paired
    assert d.mean == pytest.approx(0.4)
    assert d.se_points > 0.3


def test_the_larger_error_counts_and_they_are_not_added() -> None:
    assert Difference(0.5, 0.1, 0.3, True).se == 0.3
    assert Difference(0.5, 0.1, 0.3, True).within
    assert not Difference(0.5, 0.1, 0.2, True).within
