"""Electric power of a household, every minute of four years: as MAF has it, and mended."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets._maf_mended import by_train, distinct, filled
from bench.datasets._maf_published import rounded, standardised, tenths, with_rows
from bench.datasets._table_readers import npy
from bench.datasets.fetch import local

Array = NDArray[np.float64]

COLUMNS = 8  #: active power, reactive power, voltage, current, three meters, time of day
DROPPED = [1, 3]  #: reactive power and current
STEPS = (0.001, 0.01, 1.0, 1.0, 1.0, 1.0)  #: of what is left: kW, V, Wh three times, minutes
WEEK = 7 * 24 * 60  #: rows


def published(raw: Array) -> Splits:
    """MAF's splits of the rows [N, 8], whose one generator shuffles, then draws the noise.

    The noise is drawn for the voltage, then the active power, then the meters, and none for the
    time of day.
    """
    generator = np.random.RandomState(42)
    order = np.arange(len(raw))
    generator.shuffle(order)
    x = np.delete(raw[order], DROPPED, axis=1)
    x[:, 1] += 0.01 * generator.rand(len(x))
    x[:, 0] += 0.001 * generator.rand(len(x))
    x[:, 2:5] += generator.rand(len(x), 3)
    train, valid, test = tenths(x)
    return rounded(*standardised(x[: len(train) + len(valid)], train, valid, test))


def mended(raw: Array, block: int = WEEK) -> Splits:
    """Each row once, noise on every lattice, and blocks of rows instead of a shuffle."""
    (x,) = distinct(np.delete(raw, DROPPED, axis=1))
    x = filled(x, STEPS)
    tenth = np.arange(len(x)) // block % 10
    return by_train(x[tenth < 8], x[tenth == 8], x[tenth == 9])


def _raw(name: str) -> Array:
    (file,) = local(name)
    return npy(file, COLUMNS)


@dataset(
    "power",
    kind="continuous",
    shape=[6],
    source="UCI Individual household electric power consumption, as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="rows shuffled by RandomState(42): the last tenth test, of the rest the last tenth valid",
    faults=[
        "The shuffle puts neighbouring minutes of one series into train and test.",
        "The time of day gets no noise, so where the file has whole minutes a lattice remains.",
        "Scores depend on the one draw of the noise that fills the other lattices.",
        "Values are z-scored with train and valid, and rounded to float32.",
    ],
)
def power() -> Splits:
    """Active power, voltage, three meters and the time of day: 1659917 / 184435 / 204928 rows.

    Nats are of these z-scores, as published. Row counts are those that papers state.
    """
    return with_rows("power", (1659917, 184435, 204928), published(_raw("power")))


@dataset(
    "power-audited",
    kind="continuous",
    shape=[6],
    source="UCI Individual household electric power consumption, as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="rows in the file's order, each once; of every ten blocks of 10080 (a week of minutes) "
    "eight train, one valid, one test",
    faults=[
        "Rows are minutes of one series, not independent, so that standard errors are too small.",
        "Blocks keep neighbours together only where the file is in the order of time, which nobody "
        "states.",
    ],
)
def power_audited() -> Splits:
    """The coordinates of `power`, mended: nats are of other z-scores, not to be compared with its.

    Rows that repeat an earlier one are left out, before they are split. Every column of multiples
    of its unit of record (1 W, 10 mV, 1 Wh, 1 minute) gets uniform noise of that width. Weeks
    are kept together, so that the minute before a test row is a test row. Z-scores are by train
    alone, in float64.
    """
    return mended(_raw("power-audited"))
