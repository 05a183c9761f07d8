"""The rational-quadratic spline on both paths, against float64 PyTorch and against autograd."""

from __future__ import annotations

import pytest
import torch
from spline_cases import BINS, BOUND, POINTS, ROWS, parameters
from torch import Tensor

from bench import kernels
from bench.kernels import eager, rq_spline, rq_spline_packed
from bench.kernels.eager import Shape

SHAPE = Shape(BOUND)
DTYPES = {"float32": torch.float32, "float64": torch.float64}
SCALES = (1, 3, 10, 30, 100)


def reference(x: Tensor, raw: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
    return eager.spline(x.double(), raw.double(), SHAPE, inverse)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_values_and_log_slopes_of_the_float64_reference(path, dtype, points, inverse):
    torch.manual_seed(0)
    for bins in BINS:
        for rows in ROWS:
            raw = parameters(rows, bins, dtype)
            x = POINTS[points](raw, bins)
            kept = x.clone(), raw.clone()
            value, logs = rq_spline_packed(x, raw, SHAPE, inverse=inverse)
            assert kernels.path() == path
            assert value.dtype == logs.dtype == dtype
            assert x.equal(kept[0])
            assert raw.equal(kept[1])
            wanted, wanted_logs = reference(x, raw, inverse)
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(value.double(), wanted, atol=4e3 * eps, rtol=0)
            torch.testing.assert_close(logs.double(), wanted_logs, atol=2e5 * eps, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
def test_the_inverse_cannot_fail(path, scale):
    torch.manual_seed(scale)
    raw = parameters(20_000, 8, torch.float32, scale)
    y = (torch.rand(20_000) * 2 - 1) * BOUND
    x, logs = rq_spline_packed(y, raw, SHAPE, inverse=True)
    assert x.isfinite().all()
    assert logs.isfinite().all()
    assert x.abs().max() <= BOUND
    assert (reference(x, raw)[0] - y).abs().max() < 5e-3


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("bins", BINS)
def test_inverse_of_forward_and_log_slopes_of_opposite_sign(path, bins, inverse):
    torch.manual_seed(bins)
    raw = parameters(500, bins, torch.float64, 2.0)
    x = POINTS["inside and outside"](raw, bins)
    y, there = rq_spline_packed(x, raw, SHAPE, inverse=inverse)
    back, again = rq_spline_packed(y, raw, SHAPE, inverse=not inverse)
    torch.testing.assert_close(back, x, atol=1e-9, rtol=0)
    torch.testing.assert_close(again, -there, atol=1e-8, rtol=0)


@pytest.mark.parametrize("inverse", [False, True])
def test_log_slope_is_that_of_autograd(path, inverse):
    torch.manual_seed(1)
    raw = parameters(300, 8, torch.float64, 2.0)
    x = POINTS["inside and outside"](raw, 8).requires_grad_()
    y, logs = rq_spline_packed(x, raw, SHAPE, inverse=inverse)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(logs, slope.log(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("bins", BINS)
def test_gradients_numerically(path, bins, inverse):
    torch.manual_seed(bins)
    raw = parameters(6, bins, torch.float64).requires_grad_()
    x = torch.linspace(-3.4, 3.3, 6, dtype=torch.float64).requires_grad_()
    shape = Shape(BOUND, 1e-2, 1e-2, 1.7)

    def run(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return rq_spline_packed(x, raw, shape, inverse=inverse)

    assert torch.autograd.gradcheck(run, (x, raw), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(run, (x, raw))


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("scale", [1, 5, 20])
def test_float32_gradients_are_near_those_of_float64(path, scale, inverse):
    torch.manual_seed(scale)
    raw = parameters(3000, 8, torch.float32, scale)
    x = (torch.rand(3000) * 2 - 1) * BOUND
    weights = torch.randn(2, 3000)
    found = []
    for dtype in (torch.float32, torch.float64):
        leaves = [t.to(dtype, copy=True).requires_grad_() for t in (x, raw)]
        run = rq_spline_packed if dtype == torch.float32 else eager.spline
        out = run(*leaves, SHAPE, inverse=inverse)
        loss = sum((w.to(dtype) * t).sum() for w, t in zip(weights, out, strict=True))
        found.append(torch.autograd.grad(loss, leaves))
    for ours, theirs in zip(*found, strict=True):
        assert ours.isfinite().all()
        error = (ours - theirs).norm() / theirs.norm()
        assert error < (0.02 if inverse else 0.005)


def test_a_nan_point_stays_nan_and_harms_nobody(path):
    torch.manual_seed(2)
    raw = parameters(40, 8, torch.float32)
    x = torch.linspace(-2, 2, 40)
    clean = rq_spline_packed(x, raw, SHAPE)
    dirty = x.clone()
    dirty[[3, 20]] = float("nan")
    value, logs = rq_spline_packed(dirty, raw, SHAPE)
    assert value.isnan().nonzero()[:, 0].tolist() == [3, 20]
    rest = ~dirty.isnan()
    assert value[rest].equal(clean[0][rest])
    assert logs[rest].equal(clean[1][rest])


def test_nan_parameters_give_nan(path):
    raw = parameters(5, 4, torch.float32)
    raw[1, 0] = raw[3, 5] = float("nan")
    value, _ = rq_spline_packed(torch.zeros(5), raw, SHAPE)
    assert value.isnan().tolist() == [False, True, False, True, False]


LAYOUTS = {
    "bins-major": lambda raw: raw.T.contiguous().T,
    "a slice": lambda raw: torch.cat((raw, raw), -1)[:, raw.shape[1] :],
    "every other row": lambda raw: raw.repeat_interleave(2, 0)[::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(path, layout):
    torch.manual_seed(3)
    raw = parameters(100, 8, torch.float32)
    x = torch.randn(200)[::2]
    turned = LAYOUTS[layout](raw)
    assert turned.equal(raw)
    wanted = rq_spline_packed(x.contiguous(), raw, SHAPE)
    torch.testing.assert_close(rq_spline_packed(x, turned, SHAPE), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("joined", [True, False])
def test_three_tensors_and_broadcasting(path, joined):
    torch.manual_seed(4)
    raw = parameters(6, 5, torch.float64).view(3, 2, 14)
    parts = raw.split((5, 5, 4), -1)
    if not joined:
        parts = tuple(t.clone() for t in parts)
    x = torch.randn(10, 3, 2, dtype=torch.float64)
    value, logs = rq_spline(x, *parts, tail_bound=BOUND)
    wanted = reference(x.flatten(), raw.expand(10, -1, -1, -1).reshape(60, 14))
    torch.testing.assert_close((value.flatten(), logs.flatten()), wanted, atol=1e-11, rtol=0)
    leaves = [t.clone().requires_grad_() for t in parts]
    value, logs = rq_spline(x, *leaves, tail_bound=BOUND)
    (value + logs).sum().backward()
    assert all(t.grad is not None and t.grad.abs().max() > 0 for t in leaves)


def test_several_threads_give_the_same_bits():
    if not kernels.available():
        pytest.skip(kernels.reason())
    torch.manual_seed(5)
    raw, x = parameters(70_001, 4, torch.float32), torch.randn(70_001)
    threads = torch.get_num_threads()
    found = []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            found.append(rq_spline_packed(x, raw, SHAPE))
    finally:
        torch.set_num_threads(threads)
    assert found[0][0].equal(found[1][0])
    assert found[0][1].equal(found[1][1])


WRONG = {
    "parameters": (lambda: rq_spline_packed(torch.zeros(3), torch.zeros(3, 7)), "3K - 1"),
    "points": (lambda: rq_spline_packed(torch.zeros(3), torch.zeros(4, 8)), "do not match"),
    "dtypes": (lambda: rq_spline_packed(torch.zeros(3).double(), torch.zeros(3, 8)), "dtype"),
    "bound": (lambda: rq_spline_packed(torch.zeros(1), torch.zeros(1, 8), Shape(0.0)), "bound"),
    "bins": (
        lambda: rq_spline_packed(torch.zeros(1), torch.zeros(1, 8), Shape(1.0, 0.5)),
        "no room",
    ),
    "three tensors": (
        lambda: rq_spline(torch.zeros(2), *(torch.zeros(2, 4) for _ in range(3))),
        "derivatives",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_refused(path, name):
    call, words = WRONG[name]
    with pytest.raises(ValueError, match=words):
        call()
