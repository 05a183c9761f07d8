"""Simulated collisions that make a particle of mass 1000: as MAF has them, and mended."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets._maf_mended import by_train, distinct
from bench.datasets._maf_published import rounded, smallest_repeats, standardised, with_rows
from bench.datasets._table_readers import csv
from bench.datasets.fetch import local
from bench.errors import BenchError

Array = NDArray[np.float64]


def signal(train: pd.DataFrame, test: pd.DataFrame) -> tuple[Array, Array]:
    """The features of the rows of class 1, [N, D] each: the first column is the class.

    The last column of the test file is none of train's, and dropped; columns are then taken by
    name. Columns go whose smallest value is frequent among the train file's rows.
    """
    rest, held = (table[table.iloc[:, 0] == 1].iloc[:, 1:] for table in (train, test))
    held = held.iloc[:, :-1]
    if set(rest.columns) != set(held.columns):
        raise BenchError(
            "the test file of hepmass lacks columns of its train file, once its last one is "
            "dropped: fetch the official files (bench data get hepmass)"
        )
    x, y = (table.to_numpy(np.float64) for table in (rest, held[rest.columns]))
    kept = ~smallest_repeats(x)
    return x[:, kept], y[:, kept]


def last_tenth(x: Array) -> tuple[Array, Array]:
    """Train and valid."""
    n = int(len(x) * 0.1)
    return x[:-n], x[-n:]


def published(train: pd.DataFrame, test: pd.DataFrame) -> Splits:
    """MAF's splits, z-scored with all rows of the train file by the sample's variance (N - 1)."""
    rest, held = signal(train, test)
    return rounded(*standardised(rest, *last_tenth(rest), held, ddof=1))


def mended(train: pd.DataFrame, test: pd.DataFrame) -> Splits:
    """Each row once, z-scored with train alone."""
    rest, held = signal(train, test)
    return by_train(*distinct(*last_tenth(rest), held))


def _raw(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test = map(csv, local(name))
    return train, test


@dataset(
    "hepmass",
    kind="continuous",
    shape=[21],
    source="UCI HEPMASS (the files of mass 1000), as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the files' own train and test; the last tenth of train is valid",
    faults=[
        "Columns with frequent values are sought by the count of the smallest value alone.",
        "Values are z-scored with train and valid, and rounded to float32.",
    ],
)
def hepmass() -> Splits:
    """Kinematic features of the class signal: 315123 / 35013 / 174987 rows.

    Nats are of these z-scores, as published. Row counts are those that papers state. By issue 8 of
    MAF's code the wrong count drops the columns that the right one would.
    """
    return with_rows("hepmass", (315123, 35013, 174987), published(*_raw("hepmass")))


@dataset(
    "hepmass-audited",
    kind="continuous",
    shape=[21],
    source="UCI HEPMASS (the files of mass 1000), as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the files' own train and test, each row once; the last tenth of train is valid",
    faults=["Columns with frequent values are sought by the count of the smallest value alone."],
)
def hepmass_audited() -> Splits:
    """The columns of `hepmass`, mended: nats are of other z-scores, not to be compared with its.

    Rows that repeat one of an earlier split, or an earlier one of their own, are left out. Z-scores
    are by train alone, in float64.
    """
    return mended(*_raw("hepmass-audited"))
