"""Inverse autoregressive flows: the recorded inverse against D passes, and the nflows twin."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from flow_cases import random_degrees, randomise
from test_bijections import assert_round_trip, jacobian_logdet, points
from test_twins import ROOT, pair, train
from torch import Tensor, nn
from torch.nn import functional as F

from bench.flows import (
    MADE,
    DeepSigmoid,
    Inverse,
    MaskedAffine,
    MaskedUnivariate,
    RationalQuadratic,
    from_nflows,
)
from bench.flows.autoregressive.inverted import InverseAutoregressive, iaf
from bench.registry import read

nflows = pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")

#: name -> (dimension, maker of the layer that is run backwards)
CASES: dict[str, tuple[int, Callable[[], MaskedAffine | MaskedUnivariate]]] = {
    "usual": (5, lambda: MaskedAffine(MADE(5, 13))),
    "one dimension": (1, lambda: MaskedAffine(MADE(1, 4))),
    "two": (2, lambda: MaskedAffine(MADE(2, 6))),
    "narrow": (7, lambda: MaskedAffine(MADE(7, 3))),
    "no block": (4, lambda: MaskedAffine(MADE(4, 9, blocks=0))),
    "three blocks, tanh": (4, lambda: MaskedAffine(MADE(4, 9, blocks=3, activation=F.tanh))),
    "feed-forward": (4, lambda: MaskedAffine(MADE(4, 9, residual=False))),
    "random masks": (
        6,
        lambda: MaskedAffine(MADE(6, 11, residual=False, degrees=random_degrees(6, 11, 3))),
    ),
    "deep sigmoid": (3, lambda: MaskedUnivariate(MADE(3, 9, outputs=9), DeepSigmoid(3))),
    "spline": (3, lambda: MaskedUnivariate(MADE(3, 9, outputs=11), RationalQuadratic(4, 2.0))),
}


def make(name: str, scale: float = 0.25) -> tuple[InverseAutoregressive, int]:
    dim, maker = CASES[name]
    torch.manual_seed(7)
    layer = InverseAutoregressive(maker())
    randomise(layer, scale)
    return layer.double(), dim


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Of a function of both outputs, with respect to the points and every parameter."""
    x = x.clone().requires_grad_()
    z, logabsdet = layer(x)
    wanted = [x, *layer.parameters()]
    loss = z.pow(3).sum() + (logabsdet * z[:, 0]).sum()
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(wanted, found, strict=True)]


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_inverse_is_that_of_d_passes(name):
    layer, dim = make(name)
    passes = Inverse(layer.part)
    x = torch.randn(9, dim, dtype=torch.float64)
    with torch.no_grad():
        fast = layer(x)
    for found in (layer(x), fast):
        torch.testing.assert_close(found, passes(x), atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(gradients(layer, x), gradients(passes, x), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_round_trips_recorded_and_not(name, dtype, tolerance):
    layer, dim = make(name, scale=0.15)
    x = points(dim).to(dtype)
    x = x[(x.abs() <= 40).all(1)]
    assert_round_trip(layer.to(dtype), x, tolerance)
    near = x[(x.abs() <= 5).all(1)]
    recorded = layer(near)[0].detach()
    torch.testing.assert_close(layer.inverse(recorded)[0], near, atol=5 * tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_the_log_determinant_is_that_of_the_jacobian_both_ways(name):
    layer, dim = make(name)
    x = torch.randn(5, dim, dtype=torch.float64)
    for run in (layer, layer.inverse):
        exact = jacobian_logdet(lambda r, run=run: run(r)[0], x)
        torch.testing.assert_close(run(x)[1], exact, atol=1e-10, rtol=0)


def test_second_derivatives():
    layer = InverseAutoregressive(MaskedAffine(MADE(3, 6, blocks=1, activation=F.tanh))).double()
    randomise(layer)
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: layer(v), x)


def test_transforms_of_functions_see_the_same_map():
    layer, dim = make("usual")
    x = torch.randn(4, dim, dtype=torch.float64)
    with torch.no_grad():
        jacobians = torch.func.vmap(torch.func.jacrev(lambda r: layer(r[None])[0][0]))(x)
        torch.testing.assert_close(torch.linalg.slogdet(jacobians)[1], layer(x)[1])


@pytest.mark.parametrize("name", ["usual", "feed-forward", "one dimension"])
@pytest.mark.parametrize("n", [0, 1])
def test_small_batches(name, n):
    layer, dim = make(name)
    x = torch.randn(4, dim, dtype=torch.float64)
    for run in (layer, layer.inverse):
        value, logabsdet = run(x[:n])
        assert value.shape == (n, dim)
        assert logabsdet.shape == (n,)
        torch.testing.assert_close(value, run(x)[0][:n])


def test_contexts_and_dropout_take_the_layers_own_inverse():
    torch.manual_seed(0)
    layer = InverseAutoregressive(MaskedAffine(MADE(3, 8, context_dim=2))).double()
    randomise(layer)
    x, context = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    z, _ = layer(x, context)
    torch.testing.assert_close(layer.inverse(z, context)[0], x)
    z.sum().backward()
    assert layer.part.autoregressive_net.context_layer.weight.grad.abs().sum() > 0
    dropping = InverseAutoregressive(MaskedAffine(MADE(3, 40, dropout=0.5)))
    randomise(dropping)
    assert not dropping(x.float())[0].equal(dropping(x.float())[0])
    assert dropping.eval()(x.float())[0].equal(dropping(x.float())[0])


def test_points_of_another_dimension_are_refused():
    layer, _ = make("usual")
    for run in (layer, layer.inverse):
        with pytest.raises(ValueError, match=r"shape \[B, 5\], got \[2, 3\]. Reshape"):
            run(torch.zeros(2, 3))


def test_copies_and_state_dicts_are_the_same_flow():
    flow = iaf(3, 8)
    randomise(flow, 0.2)
    loaded = iaf(3, 8)
    loaded.load_state_dict(flow.state_dict())
    x = torch.randn(6, 3)
    for other in (loaded, copy.deepcopy(flow)):
        assert other.log_prob(x).equal(flow.log_prob(x))
    assert flow.double().sample(4).dtype == torch.float64
    assert len(flow.autoregressive_layers()) == 3


@nflows
@pytest.mark.parametrize("dim", [1, 2, 3, 6, 70])
def test_the_twin_starts_with_the_same_weights(dim):
    pytest.importorskip("nflows")
    ours, theirs = pair("iaf", dim, seed=3)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.equal(b)
    states = []
    for model in (ours, theirs):
        torch.manual_seed(1)
        model.sample(2)
        states.append(torch.get_rng_state())
    assert states[0].equal(states[1])


@nflows
@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_the_twin_is_the_same_function_with_the_same_gradients(dim):
    pytest.importorskip("nflows")
    ours, theirs = (model.double() for model in pair("iaf", dim))
    x = torch.randn(50, dim, dtype=torch.float64)
    values = [model.log_prob(x) for model in (ours, theirs)]
    torch.testing.assert_close(*values, atol=1e-9, rtol=1e-9)
    for value in values:
        value.mean().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-9, rtol=1e-7)


@nflows
def test_the_twins_follow_the_same_curve_and_convert():
    pytest.importorskip("nflows")
    ours, theirs = pair("iaf", 3, hidden=32)
    curves = [torch.tensor(train(model, 3, 50)) for model in (ours, theirs)]
    torch.testing.assert_close(*curves, atol=1e-3, rtol=1e-4)
    converted, x = from_nflows(theirs), torch.randn(20, 3)
    torch.testing.assert_close(converted.log_prob(x), theirs.log_prob(x), atol=1e-4, rtol=1e-4)


def test_the_twins_share_their_settings():
    (ours,), (theirs,) = (
        read(ROOT / file) for file in ("bench/models/iaf.py", "baselines/iaf_nflows.py")
    )
    assert (ours.settings, ours.paper) == (theirs.settings, theirs.paper)
    assert theirs.twin == ours.name
    assert theirs.name == f"{ours.name}-nflows"
