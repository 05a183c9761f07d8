"""Sixteen gas sensors in a changing mixture: as MAF has them, and mended."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets._maf_mended import by_train, distinct, filled
from bench.datasets._maf_published import rounded, standardised, tenths, with_rows
from bench.datasets._old_frames import old_frame
from bench.datasets.fetch import local

Array = NDArray[np.float64]

NO_SENSORS = ["Meth", "Eth", "Time"]
ALIKE = 0.98  #: correlation above which one of two sensors goes
STEP = 0.01  #: of a reading


def sensors(raw: pd.DataFrame) -> Array:
    """The readings [N, D] of sensors that are not alike.

    While there is a pair of them, the first sensor that is in one goes. Correlations are over all
    rows; only positive ones count.
    """
    readings = raw.drop(columns=NO_SENSORS)
    alike = readings.corr().to_numpy() > ALIKE
    left = list(range(len(alike)))
    while (paired := alike[np.ix_(left, left)].sum(1) > 1).any():
        del left[int(paired.argmax())]
    return readings.iloc[:, left].to_numpy(np.float64)


def published(raw: pd.DataFrame) -> Splits:
    """MAF's splits, z-scored with all rows, test among them, by the sample's variance (N - 1)."""
    x = sensors(raw)
    return rounded(*tenths(standardised(x, x, ddof=1)[0]))


def mended(raw: pd.DataFrame) -> Splits:
    """Rows in the order of time, each once, readings filled, z-scored with train alone."""
    (x,) = distinct(sensors(raw.sort_values("Time", kind="stable")))
    return by_train(*tenths(filled(x, [STEP] * x.shape[1])))


def _raw(name: str) -> pd.DataFrame:
    (file,) = local(name)
    return old_frame(file)


@dataset(
    "gas",
    kind="continuous",
    shape=[8],
    source="UCI Gas sensor array under dynamic gas mixtures (ethylene and CO), as "
    "zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the file's order: the last tenth test, of the rest the last tenth valid",
    faults=[
        "Values are z-scored with all rows, those of the test split among them.",
        "Rows are one time series: where the file is in its order, the test split is another part "
        "of the experiment, and where it is shuffled, test rows have neighbours in train.",
        "Rows are not independent, so that standard errors are too small.",
        "Readings that have two decimals lie on a lattice.",
        "Values are rounded to float32.",
    ],
)
def gas() -> Splits:
    """Eight sensors that correlate by at most .98: 852174 / 94685 / 105206 rows.

    Nats are of these z-scores, as published. MAF's code has a line, put out of use, that thins
    the table with pandas' sample, which shuffles: the file's column Time says whether that was
    done. Row counts are those that papers state. The pickle is read without running it.
    """
    return with_rows("gas", (852174, 94685, 105206), published(_raw("gas")))


@dataset(
    "gas-audited",
    kind="continuous",
    shape=[8],
    source="UCI Gas sensor array under dynamic gas mixtures (ethylene and CO), as "
    "zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="rows in the order of their time, each once: the last tenth test, of the rest the last "
    "tenth valid",
    faults=[
        "The test split is the end of the experiment, another part than train: scores have a shift "
        "in them.",
        "Rows are not independent, so that standard errors are too small.",
        "The eight sensors are chosen by correlations over all rows, to be those of gas.",
    ],
)
def gas_audited() -> Splits:
    """The sensors of `gas`, mended: nats are of other z-scores, not to be compared with its.

    Rows are put in the order of the column Time, so that the splits are contiguous in time whatever
    the file's order; rows that repeat an earlier one are left out, before they are split. Sensors
    whose readings are all multiples of .01 get uniform noise of that width. Z-scores are by train
    alone, in float64.
    """
    return mended(_raw("gas-audited"))
