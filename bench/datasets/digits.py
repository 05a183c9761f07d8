"""The 8 x 8 digits that come with scikit-learn, in 17 levels and in two."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from bench import dataset
from bench.contract import Splits

TRAIN, TRAIN_VALID = 1237, 1437  #: rows before these indices; the last 360 rows are the test split
THRESHOLD = 8  #: a pixel of at least this level is 1 in the binarized digits


def _split(x: Tensor) -> Splits:
    """The file's order is kept: first 1237 rows train, next 200 valid, last 360 test."""
    return Splits(x[:TRAIN], x[TRAIN:TRAIN_VALID], x[TRAIN_VALID:])


def _levels() -> Tensor:
    """All rows, int64 [1797, 1, 8, 8], levels 0..16."""
    return torch.from_numpy(load_digits().images).long()[:, None]


@dataset(
    "digits",
    kind="discrete",
    shape=[1, 8, 8],
    levels=17,
    requires=["scikit-learn"],
    source="UCI Optical Recognition of Handwritten Digits, test part (scikit-learn load_digits)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
)
def digits() -> Splits:
    """Levels 0..16."""
    return _split(_levels())


@dataset(
    "binarized-digits",
    kind="binary",
    shape=[1, 8, 8],
    levels=2,
    requires=["scikit-learn"],
    source="UCI Optical Recognition of Handwritten Digits, test part (scikit-learn load_digits)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
)
def binarized_digits() -> Splits:
    """1 where the level is at least 8."""
    return _split((_levels() >= THRESHOLD).long())
