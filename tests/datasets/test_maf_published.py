"""MAF's preprocessing with every oddity: the same by hand, and no longer where one is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import maf_cases as cases
import numpy as np
import pandas as pd
import pytest

from bench.datasets import maf_bsds300, maf_gas, maf_hepmass, maf_miniboone, maf_power
from bench.datasets._maf_published import smallest_repeats, tenths, with_rows
from bench.datasets._table_readers import csv
from bench.errors import BenchError

Array = cases.Array


def scaled(parts: list[Array], by: str, ddof: int = 0) -> list[Array]:
    """Z-scored with train, with train and valid ("rest"), or with all rows."""
    of = np.concatenate(parts[: {"train": 1, "rest": 2, "all": 3}[by]])
    return [(x - of.mean(0)) / of.std(0, ddof=ddof) for x in parts]


def cut(x: Array) -> list[Array]:
    """81, 9 and 10 % of the rows, in their order."""
    test = len(x) - len(x) // 10
    return np.split(x, [test - test // 10, test])


def power(
    raw: Array,
    shuffled: bool = True,
    columns: tuple[int, ...] = (0, 2, 4, 5, 6, 7),
    drawn: tuple[str, ...] = ("voltage", "active", "meters"),
    seed: int = 42,
    by: str = "rest",
) -> list[Array]:
    generator = np.random.RandomState(seed)
    x = raw.copy()
    if shuffled:
        generator.shuffle(x)
    x = x[:, columns]
    for name in drawn:
        where, step = {
            "active": ([0], 0.001),
            "voltage": ([1], 0.01),
            "meters": ([2, 3, 4], 1.0),
            "time": ([5], 1.0),
        }[name]
        x[:, where] += step * generator.rand(len(x), len(where))
    return scaled(cut(x), by)


def gas(
    raw: pd.DataFrame,
    kept: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 9),
    by: str = "all",
    ddof: int = 1,
    ordered: bool = False,
) -> list[Array]:
    x = (raw.sort_values("Time") if ordered else raw)[[f"R{i}" for i in kept]].to_numpy()
    return scaled(cut(x), by, ddof)


def hepmass(
    train: pd.DataFrame,
    test: pd.DataFrame,
    both: bool = False,
    stray: bool = True,
    dropped: tuple[int, ...] = (5, 9, 13, 17, 21, 26),
    by: str = "rest",
    ddof: int = 1,
) -> list[Array]:
    x, y = (
        np.delete(t.to_numpy()[(t["# label"] == 1) | both, 1:], dropped, axis=1)
        for t in (train, test)
    )
    n = len(x) - len(x) // 10
    return scaled([x[:n], x[n:], y[:, :-1]], by, ddof) if stray else [x[:n], x[n:], y]


def miniboone(raw: Array, shuffled: bool = False, by: str = "rest", ddof: int = 0) -> list[Array]:
    order = np.random.RandomState(42).permutation(len(raw)) if shuffled else slice(None)
    return scaled(cut(raw[order]), by, ddof)


def bsds300(content: dict[str, Array], scale: bool = False, last: int = 0) -> list[Array]:
    parts = [content[key] for key in ("train", "validation", "test")]
    if last > 0:
        parts = [np.column_stack([x, -x.sum(1)]) for x in parts]
    if last < 0:
        parts = [x[:, :last] for x in parts]
    return scaled(parts, "rest") if scale else parts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is read of each original; HEPMASS by way of its files."""
    train, test = map(csv, cases.hepmass_files(tmp_path_factory.mktemp("hepmass")))
    return {
        "power": (cases.power(),),
        "gas": (cases.gas(),),
        "hepmass": (train, test),
        "miniboone": (cases.miniboone(),),
        "bsds300": (cases.bsds300(),),
    }


BY_HAND = {f.__name__: f for f in (power, gas, hepmass, miniboone, bsds300)}
PUBLISHED = {
    "power": maf_power.published,
    "gas": maf_gas.published,
    "hepmass": maf_hepmass.published,
    "miniboone": maf_miniboone.published,
    "bsds300": lambda content: maf_bsds300.published(*content.values()),
}
#: data set and oddity -> how the steps go by hand once it is mended
MENDED: dict[tuple[str, str], dict[str, Any]] = {
    ("power", "shuffled first"): {"shuffled": False},
    ("power", "columns 1 and 3 dropped"): {"columns": (0, 2, 3, 5, 6, 7)},
    ("power", "noise of the voltage first"): {"drawn": ("active", "voltage", "meters")},
    ("power", "no noise for the time"): {"drawn": ("voltage", "active", "meters", "time")},
    ("power", "seed 42"): {"seed": 43},
    ("power", "scaled with train and valid"): {"by": "train"},
    ("gas", "the first of two goes"): {"kept": (0, 3, 4, 5, 6, 7, 8, 9)},
    ("gas", "opposites stay"): {"kept": (2, 4, 5, 6, 7, 8, 9)},
    ("gas", "scaled with all rows"): {"by": "rest"},
    ("gas", "variance of the sample"): {"ddof": 0},
    ("gas", "the file's order"): {"ordered": True},
    ("hepmass", "class 1 alone"): {"both": True},
    ("hepmass", "stray column"): {"stray": False},
    ("hepmass", "count of the smallest"): {"dropped": (3, 5, 9, 13, 17, 21, 26)},
    ("hepmass", "scaled with train and valid"): {"by": "train"},
    ("hepmass", "variance of the sample"): {"ddof": 0},
    ("miniboone", "not shuffled"): {"shuffled": True},
    ("miniboone", "scaled with train and valid"): {"by": "train"},
    ("miniboone", "variance of the population"): {"ddof": 1},
    ("bsds300", "last pixel left out"): {"last": 1},
    ("bsds300", "no other pixel left out"): {"last": -1},
    ("bsds300", "not scaled"): {"scale": True},
}


def same(a: list[Array], b: list[Array]) -> bool:
    """Within what rounding to float32 leaves."""
    return all(
        x.shape == y.shape and np.allclose(x, y, 1e-6, 1e-6) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_steps_by_hand(name: str, made: dict[str, Any]) -> None:
    splits = PUBLISHED[name](*made[name])
    assert same(cases.rows_of(splits), BY_HAND[name](*made[name]))
    rounded = all((x == x.astype(np.float32)).all() for x in cases.rows_of(splits))
    assert rounded == (name != "bsds300")


@pytest.mark.parametrize("case", MENDED, ids=": ".join)
def test_each_oddity_is_there(case: tuple[str, str], made: dict[str, Any]) -> None:
    name, _ = case
    by_hand = BY_HAND[name](*made[name], **MENDED[case])
    assert not same(cases.rows_of(PUBLISHED[name](*made[name])), by_hand)


def test_the_original_is_left_as_it_is(made: dict[str, Any]) -> None:
    (raw,) = made["power"]
    before = raw.copy()
    maf_power.published(raw)
    np.testing.assert_array_equal(raw, before)


def test_only_the_smallest_value_is_counted() -> None:
    x = np.arange(100.0)[:, None].repeat(3, 1)
    x[:6, 0], x[:5, 1], x[20:90, 2] = 0.0, 0.0, 50.0
    assert smallest_repeats(x).tolist() == [True, False, False]


#: rows of the official files -> rows of the splits that papers state
ROWS = {
    2049280: (1659917, 184435, 204928),
    1052065: (852174, 94685, 105206),
    36488: (29556, 3284, 3648),
    1523: (1234, 137, 152),
}


@pytest.mark.parametrize("n", ROWS)
def test_tenths_are_those_of_the_papers(n: int) -> None:
    assert tuple(map(len, tenths(np.broadcast_to(0.0, (n, 1))))) == ROWS[n]


def test_other_rows_than_the_papers_state() -> None:
    splits = maf_miniboone.published(cases.miniboone())
    assert with_rows("toy", (243, 27, 30), splits) is splits
    with pytest.raises(BenchError) as caught:
        with_rows("toy", (243, 27, 31), splits)
    assert "toy has 243 / 27 / 30 rows, but papers state 243 / 27 / 31" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_that_the_test_file_lacks(tmp_path: Path) -> None:
    train, test = map(csv, cases.hepmass_files(tmp_path))
    with pytest.raises(BenchError, match="lacks columns of its train file"):
        maf_hepmass.published(train, test.drop(columns="mass"))
