"""Tables that come with scikit-learn."""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer

from bench import dataset
from bench.contract import Splits


@dataset(
    "breast-cancer",
    kind="continuous",
    shape=[30],
    requires=["scikit-learn"],
    source="UCI Breast Cancer Wisconsin Diagnostic (scikit-learn load_breast_cancer)",
    licence="as bundled with scikit-learn (BSD-3-Clause)",
)
def breast_cancer() -> Splits:
    """569 rows: test where i % 5 == 4 (113); of the other 456, every eighth is valid (57)."""
    x = torch.from_numpy(load_breast_cancer().data).double()
    is_test = torch.arange(len(x)) % 5 == 4
    rest = x[~is_test]
    is_valid = torch.arange(len(rest)) % 8 == 7
    return Splits(rest[~is_valid], rest[is_valid], x[is_test])
