"""The spline that training uses, against the same operations in PyTorch: equal bits, not near."""

from __future__ import annotations

import pytest
import torch
from spline_cases import BINS, BOUND, POINTS, parameters
from torch import Tensor

from bench import kernels
from bench.kernels import exact, rq_spline_packed
from bench.kernels.eager import Shape
from bench.kernels.library import loaded

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "available")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def run(x: Tensor, raw: Tensor, shape: Shape, weights: Tensor) -> list[Tensor]:
    leaves = [t.clone().requires_grad_() for t in (x, raw)]
    y, logs = rq_spline_packed(*leaves, shape, faithful=True)
    return [y, logs, *torch.autograd.grad((weights[0] * y + weights[1] * logs).sum(), leaves)]


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_values_and_gradients_to_the_last_bit(dtype, points, monkeypatch):
    torch.manual_seed(0)
    for bins in BINS:
        for rows, scale in ((1, 1.0), (70, 20.0), (1000, 2.0), (16_500, 1.0)):
            raw = parameters(rows, bins, dtype, scale)
            x, weights = POINTS[points](raw, bins), torch.randn(2, rows, dtype=dtype)
            shape = Shape(BOUND, 1e-3, 1e-3, 1.7)
            found = run(x, raw, shape, weights)
            assert kernels.path() == "fused"
            with monkeypatch.context() as patch:
                patch.setenv("BENCH_FUSED", "0")
                wanted = run(x, raw, shape, weights)
            torch.testing.assert_close(found, wanted, atol=0, rtol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_with_torchs_own_softmax(dtype, monkeypatch):
    monkeypatch.setattr(exact, "_order", lambda *_: exact.GIVEN)
    test_values_and_gradients_to_the_last_bit(dtype, "inside and outside", monkeypatch)


def test_double_softmax_is_torchs_and_an_order_is_tried():
    library = loaded()[0]
    assert exact._order(library, torch.float64, 8) == exact.GIVEN
    assert exact._order(library, torch.float32, 5) in (exact.GIVEN, exact.ROW)
    assert exact._order(library, torch.float32, 8) in (exact.GIVEN, exact.ROW, exact.TREE)


@pytest.mark.parametrize("bins", [1, 4, 8])
def test_gradients_numerically(bins):
    torch.manual_seed(bins)
    raw = parameters(6, bins, torch.float64).requires_grad_()
    x = torch.linspace(-3.4, 3.3, 6, dtype=torch.float64).requires_grad_()

    def call(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return rq_spline_packed(x, raw, Shape(BOUND, 1e-2, 1e-2, 1.7), faithful=True)

    assert torch.autograd.gradcheck(call, (x, raw), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(call, (x, raw))


def test_gradients_that_are_views():
    """A gradient may be expanded, transposed or missing."""
    torch.manual_seed(1)
    raw, x = parameters(60, 8, torch.float32), torch.randn(30, 2)
    found = []
    for form in (lambda t: t, lambda t: t.clone()):
        leaves = [x.clone().requires_grad_(), raw.clone().requires_grad_()]
        y, logs = rq_spline_packed(
            leaves[0], leaves[1].view(30, 2, 23), Shape(BOUND), faithful=True
        )
        grads = torch.randn(2, 30, generator=torch.Generator().manual_seed(2)).T
        weights = torch.ones(30, 1).expand(30, 2)
        given = (form(grads), form(weights))
        found.append(torch.autograd.grad((y, logs), leaves, given, retain_graph=True))
        found.append(torch.autograd.grad(logs, leaves, given[1]))
    for a, b in zip(found[:2], found[2:], strict=True):
        assert all(s.equal(t) for s, t in zip(a, b, strict=True))
