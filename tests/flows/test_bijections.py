"""Every bijection is invertible, with the log-determinant of its Jacobian."""

from __future__ import annotations

import pytest
import torch
from flow_cases import CASES, make
from torch import Tensor

from bench.flows import Bijection

pytestmark = pytest.mark.parametrize("name", CASES)

TAILS = torch.tensor([0.0, 1.0, -2.0, 2.0, 3.9999, 4.0, -4.0, 40.0, -1e3], dtype=torch.float64)


def points(dim: int, n: int = 40) -> Tensor:
    """Random points, then rows in the far tails, on the splines' bounds and one ulp beside them."""
    edges = torch.cat([TAILS, *(torch.nextafter(TAILS, s * torch.ones(1)) for s in (9e9, -9e9))])
    extreme = edges[:, None].expand(-1, dim)
    return torch.cat([torch.randn(n, dim, dtype=torch.float64), extreme])


def jacobian_logdet(f, x: Tensor) -> Tensor:
    """log |det| of the autograd Jacobian at each row, [B]."""
    rows = [torch.autograd.functional.jacobian(lambda r: f(r[None])[0], r) for r in x]
    return torch.linalg.slogdet(torch.stack(rows))[1]


def assert_round_trip(bijection: Bijection, x: Tensor, tolerance: float) -> None:
    """x comes back where |x| <= 5; farther out, where maps may be flat, its image does."""
    with torch.no_grad():
        z, _ = bijection(x)
        back, _ = bijection.inverse(z)
        again, _ = bijection(back)
    assert z.dtype == back.dtype == x.dtype
    near = (x.abs() <= 5).all(1)
    assert (back - x)[near].abs().max() <= 5 * tolerance
    assert ((again - z).abs() <= tolerance * (1 + z.abs().amax(1, keepdim=True))).all()


def test_round_trip_float64(name):
    bijection, dim = make(name)
    assert_round_trip(bijection, points(dim), 1e-11)


def test_round_trip_float32(name):
    bijection, dim = make(name, scale=0.2)
    assert_round_trip(bijection.float(), points(dim).float(), 1e-4)


def test_logabsdet_of_the_inverse_is_minus_that_of_the_map(name):
    bijection, dim = make(name)
    with torch.no_grad():
        z, forward = bijection(torch.randn(40, dim, dtype=torch.float64))
        _, inverse = bijection.inverse(z)
    torch.testing.assert_close(inverse, -forward, atol=1e-9, rtol=1e-9)


def test_logabsdet_is_that_of_the_jacobian_both_ways(name):
    bijection, dim = make(name)
    x = torch.randn(6, dim, dtype=torch.float64)
    _, logabsdet = bijection(x)
    expected = jacobian_logdet(lambda r: bijection(r)[0], x)
    torch.testing.assert_close(logabsdet, expected, atol=1e-9, rtol=0)
    back = bijection.inverse(x)[1]
    expected = jacobian_logdet(lambda r: bijection.inverse(r)[0], x)
    torch.testing.assert_close(back, expected, atol=1e-9, rtol=1e-9)


def test_inverse_is_the_same_with_and_without_autograd(name):
    bijection, dim = make(name)
    z = torch.randn(9, dim, dtype=torch.float64)
    recorded = bijection.inverse(z)
    with torch.no_grad():
        fast = bijection.inverse(z)
    for a, b in zip(recorded, fast, strict=True):
        torch.testing.assert_close(a.detach(), b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("n", [0, 1])
def test_small_batches(name, n):
    bijection, dim = make(name)
    x = torch.randn(5, dim, dtype=torch.float64)
    with torch.no_grad():
        for run in (bijection, bijection.inverse):
            value, logabsdet = run(x[:n])
            assert value.shape == (n, dim)
            assert logabsdet.shape == (n,)
            torch.testing.assert_close(value, run(x)[0][:n])


def test_input_is_left_as_it_was(name):
    bijection, dim = make(name)
    x = points(dim)
    kept = x.clone()
    with torch.no_grad():
        bijection(x)
        bijection.map_only(x)
        bijection.inverse(x)
    assert x.equal(kept)


def test_map_only_is_the_value(name):
    bijection, dim = make(name)
    x = points(dim)
    with torch.no_grad():
        assert bijection.map_only(x).equal(bijection(x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows(name, dtype):
    bijection, dim = make(name)
    bijection.to(dtype)
    with torch.no_grad():
        for run in (bijection, bijection.inverse):
            assert all(t.dtype == dtype for t in run(torch.randn(3, dim, dtype=dtype)))


def test_every_parameter_receives_a_gradient(name):
    bijection, dim = make(name)
    z, logabsdet = bijection(torch.randn(30, dim, dtype=torch.float64))
    if not list(bijection.parameters()):
        return
    (z.square().sum() + logabsdet.sum()).backward()
    missing = [n for n, p in bijection.named_parameters() if p.grad is None]
    assert not missing
    assert all(p.grad.isfinite().all() for p in bijection.parameters())
