"""Patches of natural images: as MAF has them, and mended."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bench import dataset
from bench.contract import Splits
from bench.datasets._maf_mended import distinct
from bench.datasets._maf_published import with_rows
from bench.datasets._table_readers import hdf5
from bench.datasets.fetch import local

Array = NDArray[np.float64]

KEYS = ("train", "validation", "test")
COLUMNS = 63  #: pixels of a patch but the last, which is minus their sum


def published(train: Array, valid: Array, test: Array) -> Splits:
    """The file's own splits [N, 63], neither scaled nor rounded."""
    return Splits(*map(torch.from_numpy, (train, valid, test)))


def mended(train: Array, valid: Array, test: Array) -> Splits:
    """Each patch once."""
    return published(*distinct(train, valid, test))


def _raw(name: str) -> list[Array]:
    (file,) = local(name)
    return hdf5(file, KEYS, COLUMNS)


@dataset(
    "bsds300",
    kind="continuous",
    shape=[63],
    requires=["h5py"],
    source="Berkeley segmentation data set 300, patches of 8 x 8, as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the file's own train, validation and test",
    faults=[
        "Patches of one image overlap and are not independent, so that standard errors are too "
        "small.",
    ],
)
def bsds300() -> Splits:
    """Grey patches less their mean, without the last pixel: 1000000 / 50000 / 250000 rows.

    Nats are of these pixels, as published: they are not z-scored, hence positive. Row counts are
    those that papers state.
    """
    return with_rows("bsds300", (1000000, 50000, 250000), published(*_raw("bsds300")))


@dataset(
    "bsds300-audited",
    kind="continuous",
    shape=[63],
    requires=["h5py"],
    source="Berkeley segmentation data set 300, patches of 8 x 8, as zenodo.org/record/1161203",
    licence="as stated by UCI and Berkeley",
    citation="arXiv 1705.07057",
    split="the file's own train, validation and test, each row once",
    faults=[
        "Patches of one image overlap and are not independent, so that standard errors are too "
        "small.",
    ],
)
def bsds300_audited() -> Splits:
    """`bsds300` without patches that repeat one of an earlier split, or of their own.

    Nats are of the same pixels.
    """
    return mended(*_raw("bsds300-audited"))
