"""Ties, grids, constants and dependence: found where planted, and worth what is said."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from leak_cases import normal, noted, report_on, three, warned
from sklearn.datasets import load_breast_cancer

from bench.contract import Splits
from bench.leaks.columns import LN_10, column, grid

RNG = np.random.default_rng(0)
K = np.unique(RNG.integers(0, 10_000, 500))

GRIDS: dict[str, tuple[np.ndarray, float]] = {
    "hundredths": (np.round(RNG.normal(size=400), 2), 0.01),
    "hundredths far from zero": (np.round(1000 + RNG.normal(size=400), 2), 0.01),
    "integers": (K.astype(float), 1.0),
    "shifted and scaled": (0.3 + K / math.pi, 1 / math.pi),
    "z-scored": ((K - K.mean()) / K.std(), 1 / K.std()),
    "multiples of 3, 5 and 7": (np.array([0, 3, 5, 7, 10, 21, 35, 105, 210.0]), 1.0),
    "heavy tail": (np.round(np.exp(2.5 * RNG.normal(size=2000)), 2), 0.01),
    "day of time": (RNG.integers(0, 1440, 3000) / 1440, 1 / 1440),
    "float32": (np.float64(np.float32(np.round(RNG.normal(size=800), 1))), 0.1),
    "four digits": (np.array([float(f"{v:.4g}") for v in RNG.uniform(0.01, 5, 900)]), 1e-5),
    "perimeter error": (load_breast_cancer().data[:, 12], 1e-4),
}


@pytest.mark.parametrize(("values", "spacing"), GRIDS.values(), ids=GRIDS.keys())
def test_a_grid_is_found(values: np.ndarray, spacing: float) -> None:
    assert grid(np.unique(values)) == pytest.approx(spacing, rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_a_random_grid_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shift, spacing = rng.normal() * 10 ** rng.uniform(-2, 2), 10 ** rng.uniform(-4, 4)
    steps = np.unique(rng.integers(0, 10 ** rng.integers(2, 6), rng.integers(20, 3000)))
    found = grid(np.unique(shift + spacing * steps))
    true = spacing * np.gcd.reduce(np.diff(steps))
    assert found == pytest.approx(true, rel=1e-6)


@pytest.mark.parametrize("n", [8, 20, 100, 1000, 30_000])
def test_real_numbers_lie_on_no_grid(n: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for values in (rng.normal(size=n), rng.random(n), np.exp(3 * rng.normal(size=n))):
            assert grid(np.sort(values)) is None
    assert grid(np.arange(5.0)) is None  # too few to say


def score(kernels: np.ndarray, test: np.ndarray, width: float) -> float:
    """Mean log-density of half a normal and half kernels at the values seen in training."""
    smooth = np.exp(-(test**2) / 2) / math.sqrt(2 * math.pi)
    z = (test[:, None] - kernels) / width
    spikes = np.exp(-(z**2) / 2).mean(1) / width / math.sqrt(2 * math.pi)
    return float(np.log(0.5 * smooth + 0.5 * spikes).mean())


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_the_gain_is_what_a_kernel_estimate_gains(decimals: int) -> None:
    train, test = (np.round(np.random.default_rng(k).normal(size=700), decimals) for k in (1, 2))
    found = column(0, train, train[:10], test)
    narrower = score(train, test, 1e-10) - score(train, test, 1e-9)
    assert 0 < found.tied_test <= 1
    assert found.gain == pytest.approx(LN_10 * found.tied_test)
    assert narrower == pytest.approx(found.gain, abs=1e-3)


def with_column(splits: Splits, make: object) -> Splits:
    """Column 1 of all splits replaced by a function of the split."""
    parts = []
    for x in (splits.train, splits.valid, splits.test):
        y = x.clone()
        y[:, 1] = make(x)  # type: ignore[operator]
        parts.append(y)
    return Splits(*parts)


PLANTED = {
    "few values": (lambda x: x[:, 1].clamp(-1.49, 1.49).mul(2).round(), "takes 7 values only"),
    "constant": (lambda x: torch.full_like(x[:, 1], 0.3), "column 1 has one value in all"),
    "copy": (lambda x: x[:, 2], "columns 1 and 2 are equal in all"),
    "sum": (lambda x: 2 * x[:, 0] - x[:, 2], "span 2 dimensions"),
    "ties": (lambda x: (20 * x[:, 1]).round() / 20, "in 1 column test values are values"),
    "grid": (lambda x: (5 * x[:, 1]).round() / 5, "lies on a grid, the coarsest (column 1)"),
}


@pytest.mark.parametrize(("make", "words"), PLANTED.values(), ids=PLANTED.keys())
def test_what_is_planted_is_warned_of(make: object, words: str) -> None:
    report = report_on(with_column(three(normal), make))
    assert any(words in text for text in warned(report))
    assert warned(report_on(three(normal))) == []


def test_an_atom_is_noted_as_in_miniboone() -> None:
    """Its column 4 holds one value in 146 of 1523 rows."""
    splits = three(normal, 1500)
    splits.train[:144, 1] = splits.test[:144, 1] = -1.0
    report = report_on(splits)
    assert any("column 1 holds one value in up to 8.53 % of the rows" in t for t in noted(report))
    (one,) = report.columns.each
    assert one.top_share == pytest.approx(288 / 3375, rel=1e-5)  # six digits are kept
    assert one.tied_test == pytest.approx(144 / 1500)


def test_a_fine_grid_and_few_ties_are_notes() -> None:
    splits = three(normal, 1000)
    fine = with_column(splits, lambda x: x[:, 1].mul(1e5).round().div(1e5))
    report = report_on(fine)
    assert warned(report) == []
    assert any("lies on a grid" in text for text in noted(report))


def test_levels_have_constants_and_copies_and_no_columns() -> None:
    x = torch.arange(400).reshape(200, 2) % 5
    x = torch.cat([x, x[:, :1], torch.zeros(200, 1, dtype=torch.int64)], 1)
    report = report_on(Splits(x, x, x))
    assert (report.columns.constant, report.columns.copies) == ([3], [[0, 2]])
    assert (report.columns.rank, report.columns.each) == (None, [])
    assert not any("columns" in text for text in warned(report))


def test_sound_columns_are_left_out_and_dependence_is_measured() -> None:
    splits = three(normal, 4000)
    shear = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1e3]]).double()
    columns = report_on(Splits(*(x @ shear.T for x in (splits.train, splits.valid, splits.test))))
    assert columns.columns.each == []
    assert columns.columns.rank == columns.columns.varying == 3
    # correlation .6: eigenvalues 1.6, 1 and .4
    assert columns.columns.eigenvalue_ratio == pytest.approx(0.25, abs=0.02)


def test_a_constant_that_only_training_has() -> None:
    splits = three(normal)
    splits.train[:, 0] = 1.0
    report = report_on(replace(splits))
    assert report.columns.constant == [0]
    assert report.columns.rank == report.columns.varying == 2
