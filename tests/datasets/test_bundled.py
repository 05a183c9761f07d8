"""The bundled data sets: their bytes, their splits, and scores that need no random number."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch
from torch import Tensor

from bench.contract import Splits
from bench.datasets import load_splits
from bench.registry import discover
from bench.settings import Sizes

LOG_2PI = math.log(2 * math.pi)


def splits(name: str) -> Splits:
    return load_splits(discover().dataset(name), Sizes())[0]


def fitted_on(name: str) -> tuple[Tensor, Tensor]:
    """Train and validation points together, and test points, float64 [N, dim]."""
    s = splits(name)
    fit = torch.cat([s.train, s.valid])
    return fit.flatten(1).double(), s.test.flatten(1).double()


def gaussian_nats(x: Tensor, mean: Tensor, covariance: Tensor, noise: float = 0.0) -> float:
    """Mean log-density of x + u in expectation over u of mean 0 and variance `noise`."""
    precision = torch.linalg.inv(covariance)
    d = x - mean
    square = (d @ precision * d).sum(-1).mean() + noise * precision.trace()
    return float(-(square + torch.logdet(covariance) + x.shape[1] * LOG_2PI) / 2)


def test_digits_are_the_known_bytes_in_the_file_order():
    s = splits("digits")
    whole = torch.cat([s.train, s.valid, s.test])
    sha = hashlib.sha256(whole.reshape(1797, 64).to(torch.uint8).numpy()).hexdigest()
    assert sha == "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
    assert [tuple(x.shape) for x in (s.train, s.valid, s.test)] == [
        (1237, 1, 8, 8),
        (200, 1, 8, 8),
        (360, 1, 8, 8),
    ]
    assert whole.dtype == torch.uint8


def test_binarized_digits_are_the_upper_half_of_the_levels():
    levels, bits = splits("digits"), splits("binarized-digits")
    for part in ("train", "valid", "test"):
        assert torch.equal(getattr(bits, part), (getattr(levels, part) >= 8).long())


def test_digits_uniform_and_categorical_bits_per_dim():
    fit, test = fitted_on("digits")
    counts = torch.stack([(fit == k).sum(0) for k in range(17)], 1)
    log_p = ((counts + 1) / (len(fit) + 17.0)).double().log()
    nats = log_p[torch.arange(64), test.long()].sum(-1).mean()
    assert float(-nats / (64 * math.log(2))) == pytest.approx(2.391317, abs=5e-7)
    assert math.log2(17) == pytest.approx(4.087463, abs=5e-7)


def test_digits_gaussians_in_exact_expectation_over_the_dequantization():
    fit, test = fitted_on("digits")
    centred = fit - fit.mean(0)
    full = centred.T @ centred / len(fit) + torch.eye(64).double() / 12
    for covariance, bits in ((full.diag().diag(), 3.353424), (full, 2.942816)):
        nats = gaussian_nats(test, fit.mean(0), covariance, noise=1 / 12)
        assert -nats / (64 * math.log(2)) == pytest.approx(bits, abs=5e-7)


def test_breast_cancer_gaussians_on_standardised_rows():
    fit, test = fitted_on("breast-cancer")
    mean, sd = fit.mean(0), fit.std(0, correction=0)
    fit, test = (fit - mean) / sd, (test - mean) / sd
    full = fit.T @ fit / len(fit)
    for covariance, nats in ((full.diag().diag(), -39.605848), (full, -5.910041)):
        assert gaussian_nats(test, fit.mean(0), covariance) == pytest.approx(nats, abs=5e-7)


def test_breast_cancer_gaussian_in_the_datas_own_units():
    fit, test = fitted_on("breast-cancer")
    volume = float(fit.std(0, correction=0).log().sum())
    nats = gaussian_nats(test, fit.mean(0), torch.cov(fit.T, correction=0))
    assert volume == pytest.approx(-39.125671, abs=5e-7)
    assert nats == pytest.approx(-5.910041 - volume, abs=1e-6)


def test_test_images_among_the_others():
    for name, repeated in (("digits", 0), ("binarized-digits", 10)):
        fit, test = fitted_on(name)
        seen = set(map(tuple, fit.tolist()))
        assert sum(tuple(row) in seen for row in test.tolist()) == repeated


def test_breast_cancer_splits_are_disjoint_and_deterministic():
    s = splits("breast-cancer")
    assert (len(s.train), len(s.valid), len(s.test)) == (399, 57, 113)
    assert len(torch.cat([s.train, s.valid, s.test]).unique(dim=0)) == 569
    assert torch.equal(s.valid, splits("breast-cancer").valid)
