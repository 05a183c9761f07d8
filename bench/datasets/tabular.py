"""Tables that come with scikit-learn, in their own units: nats are of these."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from bench import dataset
from bench.contract import Splits

SEX = 1  #: column of diabetes


def _split(table: NDArray[np.float64]) -> Splits:
    """Row i is test where i % 5 == 4; of the others every eighth is valid."""
    x = torch.from_numpy(table).double()
    is_test = torch.arange(len(x)) % 5 == 4
    rest = x[~is_test]
    is_valid = torch.arange(len(rest)) % 8 == 7
    return Splits(rest[~is_valid], rest[is_valid], x[is_test])


@dataset(
    "breast-cancer",
    kind="continuous",
    shape=[30],
    requires=["scikit-learn"],
    source="UCI Breast Cancer Wisconsin Diagnostic (scikit-learn load_breast_cancer)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
    split="row i is test where i % 5 == 4; of the others every eighth is valid",
    faults=[
        "Values are rounded to a few digits: some repeat, and a density can grow without bound.",
    ],
)
def breast_cancer() -> Splits:
    """569 rows: test where i % 5 == 4 (113); of the other 456, every eighth is valid (57)."""
    return _split(load_breast_cancer().data)


@dataset(
    "iris",
    kind="continuous",
    shape=[4],
    requires=["scikit-learn"],
    source="UCI Iris (scikit-learn load_iris)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
    split="row i is test where i % 5 == 4; of the others every eighth is valid",
    faults=[
        "Values are whole millimetres, so that most repeat and a density can grow without bound.",
    ],
)
def iris() -> Splits:
    """150 flowers of three species, sepals and petals in cm: 105 / 15 / 30 rows."""
    return _split(load_iris().data)


@dataset(
    "wine",
    kind="continuous",
    shape=[13],
    requires=["scikit-learn"],
    source="UCI Wine (scikit-learn load_wine)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
    split="row i is test where i % 5 == 4; of the others every eighth is valid",
    faults=[
        "Values are rounded to a few digits: half of them repeat, and a density can grow without "
        "bound.",
    ],
)
def wine() -> Splits:
    """178 wines of three growers by 13 chemical analyses: 126 / 17 / 35 rows."""
    return _split(load_wine().data)


@dataset(
    "diabetes",
    kind="continuous",
    shape=[9],
    requires=["scikit-learn"],
    source="Efron, Hastie, Johnstone and Tibshirani 2004 (scikit-learn load_diabetes)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
    citation="doi 10.1214/009053604000000067",
    split="row i is test where i % 5 == 4; of the others every eighth is valid",
    faults=[
        "Values are rounded to a few digits: most repeat, and a density can grow without bound.",
    ],
)
def diabetes() -> Splits:
    """442 patients: age, body mass, blood pressure and six sera, unscaled; 310 / 44 / 88 rows.

    The column `sex` has two values, and so no density: it is left out.
    """
    return _split(np.delete(load_diabetes(scaled=False).data, SEX, axis=1))
