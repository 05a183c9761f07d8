"""The tables of scikit-learn: their splits, and Gaussians that need no random number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris, load_wine
from test_bundled import fitted_on, gaussian_nats, splits
from torch import Tensor

#: data set -> test nats per row in z-scores of all other rows, diagonal and full covariance
GAUSSIANS = {
    "iris": ("-5.476775", "-3.315220"),
    "wine": ("-18.700744", "-16.179118"),
    "breast-cancer": ("-39.605848", "-5.910041"),
    "diabetes with sex": ("-13.497662", "-10.126942"),
}
ROWS = {
    "iris": (load_iris().data, (105, 15, 30)),
    "wine": (load_wine().data, (126, 17, 35)),
    "diabetes": (load_diabetes(scaled=False).data, (310, 44, 88)),
}


def rows(name: str) -> tuple[Tensor, Tensor]:
    """Train and valid together, and test; of diabetes the published table with both sexes."""
    if name != "diabetes with sex":
        return fitted_on(name)
    table = torch.from_numpy(load_diabetes(scaled=False).data)
    is_test = torch.arange(len(table)) % 5 == 4
    return table[~is_test], table[is_test]


@pytest.mark.parametrize("name", GAUSSIANS)
def test_gaussians_on_standardised_rows(name: str) -> None:
    fit, test = rows(name)
    mean, sd = fit.mean(0), fit.std(0, correction=0)
    fit, test = (fit - mean) / sd, (test - mean) / sd
    full = fit.T @ fit / len(fit)
    for covariance, printed in zip((full.diag().diag(), full), GAUSSIANS[name], strict=True):
        nats = gaussian_nats(test, fit.mean(0), covariance)
        assert nats == pytest.approx(float(printed), abs=5.01e-7)


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_the_tables_own_in_its_order(name: str) -> None:
    table, sizes = ROWS[name]
    if name == "diabetes":
        assert len(np.unique(table[:, 1])) == 2
        table = table[:, [0, *range(2, 10)]]
    s = splits(name)
    assert (len(s.train), len(s.valid), len(s.test)) == sizes
    rest = [row for i, row in enumerate(table.tolist()) if i % 5 != 4]
    assert s.test.tolist() == table[4::5].tolist()
    assert s.valid.tolist() == rest[7::8]
    assert s.train.tolist() == [row for i, row in enumerate(rest) if i % 8 != 7]
