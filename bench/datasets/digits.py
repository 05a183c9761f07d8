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
    y = torch.from_numpy(load_digits().target).long()
    return Splits(
        x[:TRAIN],
        x[TRAIN:TRAIN_VALID],
        x[TRAIN_VALID:],
        train_labels=y[:TRAIN],
        valid_labels=y[TRAIN:TRAIN_VALID],
        test_labels=y[TRAIN_VALID:],
    )


def _levels() -> Tensor:
    """All rows, int64 [1797, 1, 8, 8], levels 0..16."""
    return torch.from_numpy(load_digits().images).long()[:, None]


@dataset(
    "digits",
    kind="discrete",
    shape=[1, 8, 8],
    levels=17,
    classes=10,
    requires=["scikit-learn"],
    source="UCI Optical Recognition of Handwritten Digits, test part (scikit-learn load_digits)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
    citation="Alpaydin, Kaynak 1998, Kybernetika 34 (4)",
    split="first 1237 rows train, next 200 valid, last 360 test, in the file's order",
    faults=[
        "The rows of the 13 writers are in the file's order: the splits are no random division.",
        "Pixels 0, 32 and 39 are 0 in every row of train and test.",
    ],
)
def digits() -> Splits:
    """Levels 0..16."""
    return _split(_levels())


@dataset(
    "binarized-digits",
    kind="binary",
    shape=[1, 8, 8],
    levels=2,
    classes=10,
    requires=["scikit-learn"],
    source="UCI Optical Recognition of Handwritten Digits, test part (scikit-learn load_digits)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
    citation="Alpaydin, Kaynak 1998, Kybernetika 34 (4)",
    split="first 1237 rows train, next 200 valid, last 360 test, in the file's order",
    faults=[
        "The rows of the 13 writers are in the file's order: the splits are no random division.",
        "10 of the 360 test rows occur verbatim in train.",
        "Pixel 1 is 0 in every row of train and 1 in one of test: -inf without smoothing.",
    ],
)
def binarized_digits() -> Splits:
    """1 where the level is at least 8."""
    return _split((_levels() >= THRESHOLD).long())
