"""The triangular linear map: every property of a bijection, and the Gaussian that it is."""

from __future__ import annotations

import copy

import pytest
import torch
from flow_cases import randomise
from test_bijections import assert_round_trip, jacobian_logdet, points
from torch.distributions import MultivariateNormal

from bench.flows import Flow
from bench.flows.linear.triangular import Triangular

#: (dimension, upper)
CASES = {"lower": (4, False), "upper": (5, True), "one dimension": (1, False)}


@pytest.fixture(params=CASES)
def layer(request: pytest.FixtureRequest) -> Triangular:
    torch.manual_seed(3)
    made = Triangular(*CASES[request.param])
    randomise(made)
    return made.double()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_the_inverse_undoes_the_map(layer, dtype, tolerance):
    assert_round_trip(layer.to(dtype), points(layer.dim).to(dtype), tolerance)


@pytest.mark.parametrize("n", [0, 1])
def test_small_batches(layer, n):
    for run in (layer, layer.inverse):
        value, logabsdet = run(points(layer.dim)[:n])
        assert value.shape == (n, layer.dim)
        assert logabsdet.shape == (n,)


def test_the_log_determinant_is_that_of_the_jacobian_both_ways(layer):
    x = torch.randn(5, layer.dim, dtype=torch.float64)
    for run in (layer, layer.inverse):
        exact = jacobian_logdet(lambda r, run=run: run(r)[0], x)
        torch.testing.assert_close(run(x)[1], exact, atol=1e-10, rtol=0)


def test_the_matrix_is_triangular_and_starts_as_the_identity():
    x = torch.randn(7, 4)
    for upper in (False, True):
        layer = Triangular(4, upper)
        torch.testing.assert_close(layer(x), (x, torch.zeros(7)))
        randomise(layer)
        matrix = torch.func.jacrev(layer.map_only)(x[:1])[0, :, 0]
        assert matrix.equal(matrix.triu() if upper else matrix.tril())
        assert (matrix.diagonal() > 0).all()
        assert int((matrix != 0).sum()) == 10


def test_over_a_normal_it_is_the_gaussian(layer):
    flow = Flow(layer, layer.dim)
    x = torch.randn(20, layer.dim, dtype=torch.float64)
    matrix = torch.func.jacrev(layer.map_only)(x[:1])[0, :, 0]
    mean = -torch.linalg.solve(matrix, layer.bias)
    exact = MultivariateNormal(mean, precision_matrix=matrix.T @ matrix)
    torch.testing.assert_close(flow.log_prob(x), exact.log_prob(x), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_every_parameter_receives_a_gradient_by_both_directions(layer, direction):
    value, logabsdet = getattr(layer, direction)(points(layer.dim)[:9])
    (value.square().sum() + logabsdet.sum()).backward()
    for name, p in layer.named_parameters():
        assert p.numel() == 0 or p.grad.abs().sum() > 0, name


def test_copies_and_state_dicts_are_the_same_map(layer):
    x = torch.randn(3, layer.dim, dtype=torch.float64)
    loaded = Triangular(layer.dim, layer.upper).double()
    loaded.load_state_dict(layer.state_dict())
    for other in (loaded, copy.deepcopy(layer)):
        assert other(x)[0].equal(layer(x)[0])
    assert layer.map_only(x).equal(layer(x)[0])


def test_points_of_another_dimension_are_refused(layer):
    for run in (layer, layer.inverse, layer.map_only):
        with pytest.raises(ValueError, match=rf"\[B, {layer.dim}\], got \[3, 9\]. Reshape"):
            run(torch.zeros(3, 9))
