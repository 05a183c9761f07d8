"""Test rows seen in training, exactly or nearly: counted, and told from chance."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from leak_cases import bits, normal, noted, report_on, three, warned
from scipy.stats import hypergeom

from bench.contract import Splits
from bench.datasets._markov import MarkovChain, sticky_chain
from bench.leaks import rows


def planted(splits: Splits, n: int, noise: float = 0.0, first: int = 0) -> Splits:
    """The first n test rows made copies of training rows, up to noise."""
    test = splits.test.clone()
    copies = splits.train[first : first + n]
    test[:n] = copies + noise * torch.randn_like(copies) if noise else copies
    return replace(splits, test=test)


def test_copies_are_counted_and_warned_of() -> None:
    report = report_on(planted(three(normal), 23))
    seen = report.rows.test_in_train
    assert (seen.count, seen.n, seen.share, seen.chance) == (23, 1000, 0.023, 0.0)
    assert report.rows.valid_in_train.count == 0
    assert warned(report)[0] == (
        "2.3 % of the test rows (23 of 1000) are training rows; 0 % would be by chance "
        "(held-out training rows). A density can gain there without bound."
    )


def test_minus_zero_is_zero() -> None:
    zero = torch.zeros(5, 2, dtype=torch.float64)
    splits = Splits(zero, -zero, torch.cat([-zero, zero + 1]))
    found = rows.repeats(splits, None)
    assert found.test_in_train.count == found.valid_in_train.count == 5
    assert found.repeated_in_train == 0.8
    assert found.repeated_in_test == 0.8


def test_a_point_under_another_context_is_another_row() -> None:
    x, c = normal(100, 0), normal(100, 1, 2)
    same = Splits(x, x, x, c, c, c)
    other = Splits(x, x, x, c, c + 1, c + 1)
    assert rows.repeats(same, None).test_in_train.share == 1
    assert rows.repeats(other, None).test_in_train.share == 0


def brute_mass(chain: MarkovChain, train: torch.Tensor) -> float:
    known = {tuple(row) for row in train.tolist()}
    states = [s for s in product(range(chain.initial.numel()), repeat=train.shape[1]) if s in known]
    return float(chain.log_prob(torch.tensor(states)).exp().sum())


@pytest.mark.parametrize("n", [50, 2000])
def test_the_known_law_says_what_is_chance(n: int) -> None:
    chain = sticky_chain(5, 4)
    splits = Splits(*(chain.sample(n, torch.Generator().manual_seed(k)) for k in range(3)))
    report = report_on(splits, chain)
    seen = report.rows.test_in_train
    assert seen.chance_by == "truth"
    assert seen.chance == pytest.approx(brute_mass(chain, splits.train), rel=1e-5)
    assert abs(seen.z) < 5
    assert seen.share > 0.3
    assert warned(report) == []
    assert any("would be by chance (known law)" in text for text in noted(report))


def test_repeats_beyond_the_known_law_are_warned_of() -> None:
    chain = sticky_chain(24, 2)
    splits = Splits(*(chain.sample(1000, torch.Generator().manual_seed(k)) for k in range(3)))
    assert warned(report_on(splits, chain)) == []
    assert "are training rows" in warned(report_on(planted(splits, 400), chain))[0]


def test_held_out_rows_say_what_is_chance_where_no_law_is_known() -> None:
    """Independent bits: the chance is at most the mass of the distinct rows."""
    splits = three(bits, 2000, dim=18)
    report = report_on(splits)
    seen = report.rows.test_in_train
    mass = (0.3**s * 0.7 ** (18 - s) for s in torch.unique(splits.train, dim=0).sum(1).tolist())
    assert seen.chance_by == "held-out rows"
    assert 0.05 < seen.chance < sum(mass) + 0.03
    assert abs(seen.z) < 5
    assert warned(report) == []
    assert "are training rows" in warned(report_on(planted(splits, 800)))[0]


SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_independent_draws_are_never_warned_of(seed: int) -> None:
    for splits in (three(normal, 500, seed), three(bits, 500, seed, dim=8)):
        report = report_on(splits)
        assert warned(report) == []
        near = report.nearest
        assert near is not None
        assert abs(near.z) < 5
        assert abs(near.closest_z) < 5


def test_the_distances_z_is_standard_over_seeds() -> None:
    found = [rows.nearest(three(normal, 300, seed)) for seed in range(60)]
    for z in (torch.tensor([f.z for f in found]), torch.tensor([f.closest_z for f in found])):
        assert abs(float(z.mean())) < 4 / 60**0.5
        assert 0.7 < float(z.std()) < 1.35


NEAR = {
    "one in ten, continuous": (planted(three(normal, 4000), 400, 1e-4), "closest"),
    "all, continuous": (planted(three(normal, 2000), 2000, 0.02), "nearer"),
    "another scale per column": (
        planted(three(lambda n, s: normal(n, s) * torch.tensor([1e-3, 1.0, 1e3])), 1000, 1e-5),
        "nearer",
    ),
}


@pytest.mark.parametrize(("splits", "words"), NEAR.values(), ids=NEAR.keys())
def test_near_copies_are_warned_of(splits: Splits, words: str) -> None:
    report = report_on(splits)
    assert report.rows.test_in_train.count == 0
    assert any(words in text for text in warned(report))


def test_near_copies_of_levels_are_warned_of() -> None:
    splits = planted(three(bits, 1000, dim=64), 900)
    splits.test[:, 5] = 1 - splits.test[:, 5]
    report = report_on(splits)
    assert report.rows.test_in_train.count == 0
    assert any("nearer to training rows" in text for text in warned(report))


def test_splits_of_two_laws_are_noted() -> None:
    splits = three(normal)
    report = report_on(replace(splits, test=splits.test + 2))
    assert warned(report) == []
    assert "not drawn at random" in noted(report)[0]


def test_splits_too_small_to_hold_rows_out() -> None:
    report = report_on(three(normal, 40))
    assert report.nearest is None
    assert report.rows.test_in_train.chance is None
    assert report.findings == []


@pytest.mark.parametrize(("n", "m"), [(113, 79), (2000, 2000), (50, 400)])
def test_the_closest_follow_the_hypergeometric_law(n: int, m: int) -> None:
    a, b = normal(n, 1, 1)[:, 0], normal(m, 2, 1)[:, 0]
    found = rows._closest(a, b)
    law = hypergeom(n + m, n, found["closest"])
    seen = round(found["closest_share"] * found["closest"])
    assert found["closest_chance"] == n / (n + m)
    assert found["closest_z"] == pytest.approx((seen - law.mean()) / law.std(), rel=1e-9)
