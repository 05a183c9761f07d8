"""The linear kernels and the estimators of the catalogue: what their definitions do not show."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from bench.profile import Size
from bench.profile.catalogue import (
    dense,
    householder,
    hutchinson,
    lu,
    power_series,
    qr,
    radial,
    sylvester,
    woodbury,
)
from bench.profile.catalogue.matrix_exponential import REACH, Exponential

DIM = 4
ESTIMATORS = {
    "hutchinson, textbook": hutchinson.textbook,
    "hutchinson, in-house": hutchinson.in_house,
    "power series, textbook": power_series.textbook,
    "power series, in-house": power_series.in_house,
}
LINEAR = {
    module.__name__.rpartition(".")[2]: module for module in (lu, householder, qr, dense, woodbury)
}


def at_all_signs(module) -> tuple[Tensor, dict[str, object]]:
    """One point repeated for each of the 2^D noises, and the parameters with these."""
    case = module.case(Size(DIM, 1))
    noise = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=DIM)), dtype=torch.float64)
    return case.x.expand(len(noise), DIM), {**case.parameters, "noise": noise}


def jacobian(maps, x: Tensor) -> Tensor:
    """Of the value at one point [D], [D, D]."""
    batch = x.expand(2**DIM, DIM)
    rows = torch.autograd.functional.jacobian(lambda at: maps.forward(at)[0][0], batch)
    return rows.sum(1)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n.startswith("hutchinson")])
def test_the_mean_over_all_signs_is_the_trace(name):
    x, parameters = at_all_signs(hutchinson)
    maps = ESTIMATORS[name](**parameters)
    expected = jacobian(maps, x[0]).trace()
    estimates = maps.forward(x)[1]
    assert estimates.std() > 0.1
    torch.testing.assert_close(estimates.mean(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n.startswith("power")])
def test_the_mean_over_all_signs_and_terms_is_the_log_determinant(name):
    x, parameters = at_all_signs(power_series)
    for i in (1, 2, 3):  # nearer to the identity, or the terms behind the first few are nothing
        weight = parameters[f"weight{i}"]
        unit = power_series.NORM * torch.eye(*weight.shape, dtype=weight.dtype)
        parameters |= {f"weight{i}": 0.2 * weight + 0.8 * unit, f"bias{i}": weight.new_zeros(())}
    always, keep, last = power_series.ALWAYS, power_series.KEEP, 80
    mean = torch.zeros((), dtype=torch.float64)
    for n in range(always, last + 1):
        chance = keep ** (n - always) * (1 - keep if n < last else 1)
        maps = ESTIMATORS[name](**{**parameters, "terms": n})
        mean += chance * maps.forward(x)[1].detach().mean()
    expected = torch.linalg.slogdet(jacobian(maps, x[0])).logabsdet
    assert expected.abs() > 0.01
    torch.testing.assert_close(mean, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("terms", [1, 2, 5])
def test_the_series_stops_where_it_is_told(terms):
    case = power_series.case(Size(DIM, 3))
    parameters = {**case.parameters, "terms": terms}
    found = [b(**parameters).forward(case.x)[1] for b in (power_series.in_house, case.reference)]
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch", [0, 1, 40])
@pytest.mark.parametrize("name", LINEAR)
def test_few_points_and_many(name, batch):
    module = LINEAR[name]
    case = module.case(Size(11, batch))
    ours, truth = (b(**case.parameters) for b in (module.in_house, case.reference))
    for one, other in ((ours, truth), (truth, ours)):
        z, logabsdet = one.forward(case.x)
        x, inverse = other.inverse(z)
        assert z.shape == x.shape == case.x.shape
        assert logabsdet.shape == inverse.shape == (batch,)
        torch.testing.assert_close(x, case.x, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(inverse, -logabsdet, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["householder", "qr"])
def test_fewer_reflections_than_dimensions(name):
    module = LINEAR[name]
    case = module.case(Size(30, 100))
    parameters = {**case.parameters, "q_vectors": case.parameters["q_vectors"][:3]}
    ours, truth = (b(**parameters) for b in (module.in_house, case.reference))
    z = truth.forward(case.x)[0]
    torch.testing.assert_close(ours.forward(case.x)[0], z, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.inverse(z)[0], case.x, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", [0.0, 1e-9, 0.999, 1.0, 1.001, 3.0, 40.0])
def test_exponentials_of_small_and_large_matrices(norm, dtype):
    a = torch.randn(9, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    a = (a * norm * REACH[dtype] / a.abs().sum(0).max()).to(dtype)
    truth = torch.linalg.matrix_exp(a.double())
    error = (Exponential(a)(a) - truth).abs().max() / truth.abs().max()
    squarings = max(1.0, norm)  # each may double the rounding
    assert error < 8 * torch.finfo(dtype).eps * squarings


def test_the_exponential_of_what_has_no_norm():
    for entry in (torch.inf, torch.nan):
        a = torch.full((2, 2), entry, dtype=torch.float64)
        assert not Exponential(a)(a).isfinite().any()


@pytest.mark.parametrize(
    ("rows", "expected"), [([[-2.0, 0.0], [1.0, 3.0]], 6.0), ([[1.0, 1.0], [1.0, 1.0]], 0.0)]
)
def test_the_logarithm_of_a_negative_and_of_no_determinant(rows, expected):
    matrix, expected = torch.tensor(rows).double(), torch.tensor(expected).double().log()
    torch.testing.assert_close(dense.logabsdet(matrix), expected)
    torch.testing.assert_close(dense.logabsdet(matrix.requires_grad_()).detach(), expected)


def test_woodbury_leaves_what_its_rows_do_not_reach():
    case = woodbury.case(Size(20, 6))
    maps = woodbury.in_house(**case.parameters)
    v = case.parameters["v"]
    across = case.x - case.x @ torch.linalg.pinv(v) @ v
    torch.testing.assert_close(maps.forward(across)[0], across, rtol=1e-12, atol=1e-12)


def test_the_gradient_at_the_centre_of_a_radial_layer():
    case = radial.case(Size(3, 2)).to(torch.float64, grad=True)
    maps = radial.in_house(**case.parameters)
    at = case.parameters["centre"].detach()[None].clone().requires_grad_()
    value, logabsdet = maps.forward(at)
    leaves = [at, *case.leaves(maps).values()]
    for gradient in torch.autograd.grad(value.sum() + logabsdet.sum(), leaves):
        assert gradient.isfinite().all()


def test_sylvester_keeps_what_is_across_its_basis():
    case = sylvester.case(Size(20, 6))
    q = householder.reflect(torch.eye(20, dtype=torch.float64), case.parameters["q_vectors"])
    for maps in (sylvester.in_house(**case.parameters), case.reference(**case.parameters)):
        moved = maps.forward(case.x)[0] - case.x
        assert (moved @ q[:, sylvester.RANK :]).abs().max() < 1e-12
        assert (moved @ q[:, : sylvester.RANK]).abs().max() > 0.1
