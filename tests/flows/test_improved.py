"""Flows that start as the identity, and marginals fitted to data."""

from __future__ import annotations

import pytest
import torch

from bench.flows import (
    Affine,
    DeepSigmoid,
    LogisticMixture,
    Marginals,
    RationalQuadratic,
    Univariate,
    autoregressive_flow,
    coupling_flow,
)

FAMILIES: dict[str, Univariate] = {
    "affine": Affine(),
    "rational-quadratic": RationalQuadratic(8, 4.0),
    "logistic mixture": LogisticMixture(4),
    "deep sigmoid": DeepSigmoid(4),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("make", [coupling_flow, autoregressive_flow])
def test_the_start_is_nearly_the_standard_normal(name, make):
    torch.manual_seed(0)
    flow = make(5, FAMILIES[name], hidden=16)
    x = torch.randn(200, 5)
    z, logabsdet = flow.transform(x)
    assert logabsdet.abs().mean() < 0.1
    assert (z.square().sum(1) - x.square().sum(1)).abs().mean() < 0.3


@pytest.mark.parametrize("name", FAMILIES)
def test_the_identity_of_a_family_is_the_identity(name):
    raw = FAMILIES[name].identity()
    x = torch.linspace(-3, 3, 61)
    y, slope = FAMILIES[name].forward(x, raw.expand(61, -1))
    torch.testing.assert_close(y, x, atol=2e-5, rtol=0)
    torch.testing.assert_close(slope, torch.zeros(61), atol=2e-5, rtol=0)


def test_fitted_marginals_turn_any_marginal_into_a_normal():
    torch.manual_seed(1)
    x = torch.stack([torch.rand(20_000), torch.randn(20_000).exp(), torch.randn(20_000)], 1)
    z, _ = Marginals.fit(x)(x)
    p = torch.tensor([0.02, 0.1, 0.5, 0.9, 0.98])
    expected = torch.special.ndtri(p)[:, None].expand(-1, 3)
    torch.testing.assert_close(z.quantile(p, 0), expected, atol=0.06, rtol=0)


def test_one_point_has_no_marginals():
    with pytest.raises(ValueError, match="two points"):
        Marginals.fit(torch.zeros(1, 2))
