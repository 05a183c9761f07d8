"""Electron neutrinos in the MiniBooNE detector: as MAF has them, mended, and a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets._maf_mended import by_train, distinct, filled_digits
from bench.datasets._maf_published import rounded, standardised, tenths, with_rows
from bench.datasets._table_readers import npy
from bench.datasets.fetch import local, readers

Array = NDArray[np.float64]

COLUMNS = 43
#: of the first 1523 rows 146 are 0 in column 4; fractions such as 1/4 and 1/3 abound in the others
ATOMS = [4, 16, 19]
DIGITS = 6  #: significant ones, of every value


def published(raw: Array) -> Splits:
    """MAF's splits of the rows [N, 43], unshuffled and z-scored with train and valid."""
    train, valid, test = tenths(raw)
    return rounded(*standardised(raw[: len(raw) - len(test)], train, valid, test))


def mended(raw: Array) -> Splits:
    """Each row once, no column with atoms, values spread over their last digit."""
    (x,) = distinct(np.delete(raw, ATOMS, axis=1))
    return by_train(*tenths(filled_digits(x, DIGITS)))


def _raw(name: str) -> Array:
    (file,) = local(name)
    return npy(file, COLUMNS)


@dataset(
    "miniboone",
    kind="continuous",
    shape=[43],
    source="UCI MiniBooNE particle identification (signal), as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the file's order: the last tenth test, of the rest the last tenth valid",
    faults=[
        "Columns with frequent values were sought by the count of the smallest value alone, so "
        "that 4, 16 and 19 have near-atoms, where a density can grow without bound.",
        "Values have six significant digits, so that many repeat.",
        "Values are z-scored with train and valid, and rounded to float32.",
    ],
)
def miniboone() -> Splits:
    """43 features of the particle's light: 29556 / 3284 / 3648 rows.

    Nats are of these z-scores, as published. The file is past MAF's removal of rows (feature 0
    below -100) and columns.
    """
    return with_rows("miniboone", (29556, 3284, 3648), published(_raw("miniboone")))


@dataset(
    "miniboone-audited",
    kind="continuous",
    shape=[40],
    source="UCI MiniBooNE particle identification (signal), as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the file's order, each row once: the last tenth test, of the rest the last tenth valid",
    faults=["Which columns have near-atoms was seen on the first 1523 rows."],
)
def miniboone_audited() -> Splits:
    """`miniboone` mended: 40 features, so that its nats are not to be compared with its.

    Columns 4, 16 and 19 are dropped, as their atoms would stay atoms under noise. Every other value
    gets uniform noise over what is printed as it with six significant digits. Rows that repeat an
    earlier one are left out, before they are split. Z-scores are by train alone, in float64.
    """
    return mended(_raw("miniboone-audited"))


@dataset(
    "miniboone-head",
    kind="continuous",
    shape=[43],
    source="the first 1523 rows of MAF's MINIBOONE, from a copy that breaks off",
    licence="UCI",
    citation="arXiv 1705.07057",
    split="the file's order: the last tenth test (152), of the rest the last tenth valid (137)",
    faults=[
        "Columns 4, 16 and 19 have near-atoms, where a density can grow without bound.",
        "Values are z-scored with train and valid, and rounded to float32.",
    ],
)
def miniboone_head() -> Splits:
    """A sample of `miniboone` under its own name: 1234 / 137 / 152 rows, by the same steps.

    Nats are of its own z-scores: no figure on it is one on MINIBOONE.
    """
    (file,) = local("miniboone-head")
    return published(readers.npz(file, "x", "<f8", (1523, COLUMNS)))
