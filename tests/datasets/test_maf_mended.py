"""The audited tables: nothing repeated, nothing on a lattice, nothing learned from test rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import maf_cases as cases
import numpy as np
import pandas as pd
import pytest

from bench import load
from bench.contract import Splits
from bench.datasets import maf_bsds300, maf_gas, maf_hepmass, maf_miniboone, maf_power
from bench.datasets._maf_mended import distinct, filled, filled_digits
from bench.datasets._table_readers import csv

Array = cases.Array
MIRROR = os.environ.get("BENCH_DATA_MIRROR")
BLOCK = 20
SENSORS = [f"R{i}" for i in range(10)]


def of_hepmass(steps: Callable[..., Splits], folder: Path) -> Splits:
    return steps(*map(csv, cases.hepmass_files(folder)))


#: data set -> its two pipelines on made-up originals; a folder for files
BOTH: dict[str, tuple[Callable[[Path], Splits], Callable[[Path], Splits]]] = {
    "power": (
        lambda _: maf_power.published(cases.power()),
        lambda _: maf_power.mended(cases.power(), BLOCK),
    ),
    "gas": (lambda _: maf_gas.published(cases.gas()), lambda _: maf_gas.mended(cases.gas())),
    "hepmass": (
        lambda folder: of_hepmass(maf_hepmass.published, folder),
        lambda folder: of_hepmass(maf_hepmass.mended, folder),
    ),
    "miniboone": (
        lambda _: maf_miniboone.published(cases.miniboone()),
        lambda _: maf_miniboone.mended(cases.miniboone()),
    ),
    "bsds300": (
        lambda _: maf_bsds300.published(*cases.bsds300().values()),
        lambda _: maf_bsds300.mended(*cases.bsds300().values()),
    ),
}
COLUMNS = {"power": 6, "gas": 8, "hepmass": 21, "miniboone": 40, "bsds300": 63}


@pytest.mark.parametrize("name", BOTH)
def test_rows_stand_once_and_scales_are_those_of_train(name: str, tmp_path: Path) -> None:
    published, mended = (cases.rows_of(make(tmp_path)) for make in BOTH[name])
    assert {x.shape[1] for x in mended} == {COLUMNS[name]}
    whole = np.concatenate(mended)
    assert len(np.unique(whole, axis=0)) == len(whole) < sum(map(len, published))
    if name != "bsds300":
        np.testing.assert_allclose(mended[0].mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(mended[0].std(0), 1, rtol=1e-12)
        assert abs(published[0].std(0) - 1).max() > 1e-3


@pytest.mark.parametrize("name", ["power", "gas", "miniboone"])
def test_no_value_repeats(name: str, tmp_path: Path) -> None:
    published, mended = (np.concatenate(cases.rows_of(make(tmp_path))) for make in BOTH[name])
    ties = [[len(x) - len(np.unique(column)) for column in x.T] for x in (published, mended)]
    assert max(ties[0]) > 0
    assert max(ties[1]) == 0


def later(raw: Array) -> Array:
    """The same lattices and the same minutes, with other values in each last block of ten."""
    out = raw.copy()
    test = np.arange(len(raw)) // BLOCK % 10 == 9
    out[test, 0] += 5
    return out


def hotter(raw: Any) -> Any:
    """Other readings in the last rows by time, which are test rows; 3 and 4 stay opposite."""
    out, end = raw.copy(), raw["Time"] >= 2.8
    out.loc[end, [f"R{i}" for i in (0, 3, 5)]] += np.array([4.0, 0.0, 7.0])
    return out


def farther(raw: Array) -> Array:
    """Other values in the last rows, which are test rows."""
    out = raw.copy()
    out[-5:] *= 2
    return out


def power_without_copies() -> Array:
    """Left out are the copies, after which rows would move from block to block."""
    raw = cases.power()
    return raw[np.sort(np.unique(np.delete(raw, [1, 3], 1), axis=0, return_index=True)[1])]


def gas_without_copies() -> pd.DataFrame:
    """In the order of time, for what is left of copies depends on it."""
    return cases.gas().sort_values("Time").drop_duplicates(SENSORS)


@pytest.mark.parametrize(
    ("steps", "raw", "change"),
    [
        (lambda x: maf_power.mended(x, BLOCK), power_without_copies(), later),
        (maf_gas.mended, gas_without_copies(), hotter),
        (maf_miniboone.mended, cases.miniboone(), farther),
    ],
    ids=["power", "gas", "miniboone"],
)
def test_what_test_rows_hold_changes_nothing_else(steps: Any, raw: Any, change: Any) -> None:
    before, after = (cases.rows_of(steps(x)) for x in (raw, change(raw)))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])
    assert not np.array_equal(before[2], after[2])


def test_the_published_gas_changes_with_its_test_rows() -> None:
    raw = cases.gas()
    changed = raw.copy()
    changed.loc[len(raw) - 10 :, "R5"] += 50
    before, after = (cases.rows_of(maf_gas.published(x)) for x in (raw, changed))
    assert not np.allclose(before[0], after[0], 1e-3)


def test_power_in_blocks_of_the_files_order() -> None:
    raw = power_without_copies()
    parts = cases.rows_of(maf_power.mended(raw, BLOCK))
    row = np.arange(len(raw)) // BLOCK % 10
    wanted = [raw[part, 7] for part in (row < 8, row == 8, row == 9)]
    for x, minutes in zip(parts, wanted, strict=True):
        order = np.argsort(np.argsort(x[:, 5]))  # noise of less than a minute keeps the order
        np.testing.assert_array_equal(order, np.argsort(np.argsort(minutes)))


def test_gas_in_the_order_of_time() -> None:
    x = np.concatenate(cases.rows_of(maf_gas.mended(cases.gas())))
    ordered = gas_without_copies()
    assert len(x) == len(ordered)
    for column, name in zip(x.T, SENSORS[2:], strict=True):
        assert np.corrcoef(column, ordered[name])[0, 1] > 1 - 1e-6


def test_rows_of_an_earlier_part_are_left_out() -> None:
    r = np.random.default_rng(0)
    parts = [r.integers(-1, 2, (n, 4)) * 0.5 for n in (60, 30, 30)]
    parts[0][0], parts[1][0] = 0.0, -0.0
    seen: set[tuple[float, ...]] = set()
    for x, kept in zip(parts, distinct(*parts), strict=True):
        new = [row for row in map(tuple, x.tolist()) if not (row in seen or seen.add(row))]
        assert kept.tolist() == [list(row) for row in new]


def test_lattices_are_filled_and_other_columns_left() -> None:
    r = np.random.default_rng(1)
    whole = r.integers(-(10**6), 10**6, (500, 3))
    steps = [0.001, 0.01, 1.0]
    x = np.column_stack([whole * steps, r.normal(size=500)])
    made = filled(x, [*steps, 0.01])
    np.testing.assert_array_equal(np.floor(made[:, :3] / steps + 1e-7), whole)
    share = made[:, :3] / steps - whole
    np.testing.assert_allclose(share.mean(0), 0.5, atol=0.06)
    np.testing.assert_array_equal(made[:, 3], x[:, 3])


def test_last_digits_are_filled() -> None:
    r = np.random.default_rng(2)
    x = np.array([float(f"{v:.6g}") for v in r.normal(size=999) * 10.0 ** r.integers(-9, 9, 999)])
    x[0] = 0.0
    made = filled_digits(x[:, None], 6)[:, 0]
    assert [float(f"{v:.6g}") for v in made] == x.tolist()
    assert made[0] == 0
    assert (made[1:] != x[1:]).all()


@pytest.mark.slow
@pytest.mark.skipif(MIRROR is None, reason="needs the sample: set BENCH_DATA_MIRROR")
class TestTheSample:
    """The first 1523 rows of MINIBOONE itself."""

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BENCH_DATA", str(tmp_path))

    def raw(self) -> Array:
        from bench.datasets.fetch import local, readers

        return readers.npz(local("miniboone-head")[0], "x", "<f8", (1523, 43))

    def test_its_values_have_six_significant_digits(self) -> None:
        x = self.raw()
        np.testing.assert_allclose([float(f"{v:.6g}") for v in x.flat], x.ravel(), rtol=1e-14)

    def test_its_near_atoms(self) -> None:
        counts = [np.unique(column, return_counts=True)[1].max() for column in self.raw().T]
        assert [i for i, n in enumerate(counts) if n > 2] == maf_miniboone.ATOMS
        assert [int(counts[i]) for i in maf_miniboone.ATOMS] == [146, 8, 10]

    def test_its_splits(self) -> None:
        parts = cases.rows_of(load("miniboone-head"))
        assert [len(x) for x in parts] == [1234, 137, 152]
        rest = np.concatenate(parts[:2])
        np.testing.assert_allclose(rest.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(rest.std(0), 1, rtol=1e-6)

    def test_mended_it_has_no_ties(self) -> None:
        x = np.concatenate(cases.rows_of(maf_miniboone.mended(self.raw())))
        assert x.shape == (1523, 40)
        assert all(len(np.unique(column)) == 1523 for column in x.T)
