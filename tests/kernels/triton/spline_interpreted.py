"""The Triton spline against PyTorch in float64; run by test_triton_spline.py in a child process."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from compare import close_double, poisoned, strided
from spline_cases import BOUND, POINTS, parameters
from torch import Tensor

from bench import kernels
from bench.kernels import eager
from bench.kernels.eager import Shape
from bench.kernels.operators.spline import rq_spline
from bench.kernels.triton import arithmetic
from bench.kernels.triton.launch import BLOCK, launch
from bench.kernels.triton.spline import run, run_grad
from bench.kernels.triton.spline_backward import spline_backward
from bench.kernels.triton.spline_bin import compiled_for
from bench.kernels.triton.spline_forward import spline_forward
from bench.kernels.triton.spline_inverse import spline_inverse

SHAPE = Shape(BOUND)
#: none of them a number of float32
SHAPES = {"default": SHAPE, "odd": Shape(2.7, 1e-2, 3e-3, 1.7), "no room": Shape(2.1, 1 / 8)}
SIZES = (0, 1, 7, 64, 65, 129)
LAYOUTS = {
    "bins-major": lambda raw: poisoned(raw.T).T,
    "bins adjacent": poisoned,
    "gaps": strided,
}
inverses = pytest.mark.parametrize("inverse", [False, True])


def drawn(count: int, bins: int, scale: float = 1.0, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    """Points inside and outside of the box, and parameters."""
    torch.manual_seed(count + bins)
    raw = parameters(count, bins, dtype, scale)
    return (torch.randn(count).double() * BOUND).to(dtype), raw


def gradients(x, raw, given, shape, inverse) -> tuple[Tensor, ...]:
    """Of the eager spline, by autograd."""
    leaves = [t.detach().clone().requires_grad_() for t in (x, raw)]
    return torch.autograd.grad(eager.spline(*leaves, shape, inverse), leaves, given)


@inverses
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_values_and_gradients_in_float64(layout, shape, inverse):
    for count in SIZES:
        for bins in (8,) if shape is not SHAPE else (1, 2, 8):
            x, raw = drawn(count, bins)
            given = torch.randn(2, count).double()
            wanted = eager.spline(x, raw, shape, inverse)
            found = run(strided(x), layout(raw), shape, inverse)
            close_double(found, wanted, 1e-10)
            at = wanted[0] if inverse else x
            found = run_grad(strided(at), layout(raw), (*map(strided, given),), shape, inverse)
            close_double(found, gradients(x, raw, tuple(given), shape, inverse), 1e-9)


@inverses
@pytest.mark.parametrize("points", POINTS)
def test_points_where_splines_break(points, inverse):
    torch.manual_seed(1)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 5e-4)):
        raw = parameters(130, 8, dtype)
        if inverse and "knots" in points:
            swapped = torch.cat((raw[:, 8:16], raw[:, :8], raw[:, 16:]), 1)
            x = POINTS[points](swapped, 8)
        else:
            x = POINTS[points](raw, 8)
        wanted = eager.spline(x.double(), raw.double(), SHAPE, inverse)
        found = [t.double() for t in run(x, raw, SHAPE, inverse)]
        close_double(found, wanted, tolerance)


@inverses
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_edges_of_the_box(dtype, inverse):
    edges = torch.tensor([-BOUND, BOUND], dtype=dtype)
    beside = [edges.nextafter(edges * factor) for factor in (0, 2)]
    x = torch.cat((edges, *beside, edges * 1e3))
    _, raw = drawn(len(x), 8, dtype=dtype)
    value, logs = run(x, raw, SHAPE, inverse)
    tolerance = 20 * BOUND * torch.finfo(dtype).eps
    assert (value[:6] - x[:6]).abs().max() <= tolerance
    assert value[4:].equal(x[4:])
    assert logs[4:].eq(0).all()
    assert (logs[:4] - run(x[:4], raw[:4], SHAPE, inverse)[1]).abs().max() == 0
    ones = torch.ones_like(x)
    grad_x, grad_raw = run_grad(x, raw, (ones, ones), SHAPE, inverse)
    assert grad_x[4:].equal(ones[4:])
    assert grad_raw[4:].eq(0).all()
    assert grad_raw[:2].abs().amax(1).gt(0).all()


def errors(found: Tensor, exact: Tensor) -> Tensor:
    """The mean and the 99 % quantile: the largest one is the luck of a point in a narrow bin."""
    error = ((found.double() - exact).abs() / (1 + exact.abs())).flatten()
    return torch.stack((error.mean(), error.quantile(0.99)))


@inverses
@pytest.mark.parametrize("scale", [1, 4])
def test_float32_is_as_exact_as_pytorch(scale, inverse):
    x, raw = drawn(1500, 8, scale, torch.float32)
    given = torch.randn(2, 1500)
    wide = (x.double(), raw.double())
    wanted = eager.spline(*wide, SHAPE, inverse)
    reference = eager.spline(x, raw, SHAPE, inverse)
    found = run(x, raw, SHAPE, inverse)
    if not inverse:  # of the inverse the rounded result is where it is taken
        wanted += gradients(*wide, (*given.double(),), SHAPE, inverse)
        reference += gradients(x, raw, (*given,), SHAPE, inverse)
        found += run_grad(x, raw, (*given,), SHAPE, inverse)
    for a, b, c in zip(found, reference, wanted, strict=True):
        assert a.dtype == torch.float32
        assert (errors(a, c) <= 3 * errors(b, c) + 1e-7).all()


@pytest.mark.parametrize("scale", [1, 3, 10, 30, 100])
def test_the_inverse_cannot_fail(scale):
    torch.manual_seed(scale)
    raw = parameters(2000, 8, torch.float32, scale)
    y = (torch.rand(2000) * 2 - 1) * BOUND
    x, logs = run(y, raw, SHAPE, True)
    assert x.isfinite().all()
    assert logs.isfinite().all()
    assert x.abs().max() <= BOUND
    back, logs_back = eager.spline(x.double(), raw.double(), SHAPE)
    assert (back - y).abs().max() < 5e-3
    assert (logs_back + logs).abs().max() < 0.05
    given = torch.randn(2, 2000)
    found = run_grad(x, raw, (*given,), SHAPE, True)
    wanted = gradients(y.double(), raw.double(), (*given.double(),), SHAPE, True)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.isfinite().all()
        assert (ours - theirs).norm() / theirs.norm() < 0.02


@inverses
@pytest.mark.parametrize("bins", [1, 3])
def test_gradients_numerically(bins, inverse):
    _, raw = drawn(5, bins)
    x = torch.linspace(-3.4, 2.3, 5).double().requires_grad_()
    shape = Shape(BOUND, 1e-2, 1e-2, 1.7)

    def function(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return rq_spline(x, raw, *shape, inverse)

    function(x, raw)
    assert kernels.path() == "triton"
    assert torch.autograd.gradcheck(function, (x, raw.requires_grad_()))


@inverses
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_operator(layout, inverse):
    x, raw = drawn(5, 3)
    arguments = (x.requires_grad_(), layout(raw).requires_grad_(), *SHAPE, inverse)
    torch.library.opcheck(rq_spline, arguments)


@inverses
def test_a_nan_harms_nobody_else(inverse):
    x, raw = drawn(130, 4, dtype=torch.float32)
    clean = run(x, raw, SHAPE, inverse)
    dirty, dirty_raw = x.clone(), raw.clone()
    dirty[3] = torch.nan
    inside = (x.abs() < BOUND).nonzero()[:3, 0].tolist()
    dirty_raw[inside[0], 0] = dirty_raw[inside[1], 5] = dirty_raw[inside[2]] = torch.nan
    value, logs = run(dirty, dirty_raw, SHAPE, inverse)
    bad = sorted({3, *inside})
    assert value.isnan().nonzero()[:, 0].tolist() == bad
    assert set(logs.isnan().nonzero()[:, 0].tolist()) == {*inside} - {3}
    rest = ~value.isnan()
    assert value[rest].equal(clean[0][rest])
    assert logs[rest].equal(clean[1][rest])


@inverses
def test_rows_shared_by_all_points_and_values_alone(inverse):
    x, raw = drawn(70, 8)
    shared = raw[:1].expand(70, -1)
    wanted = eager.spline(x, shared, SHAPE, inverse)
    close_double(run(x, shared, SHAPE, inverse), wanted, 1e-10)
    value, logs = run(x, shared, SHAPE, inverse, logabsdet=False)
    assert logs.shape == (0,)
    close_double([value], wanted[:1], 1e-10)


@pytest.mark.parametrize("count", [7, BLOCK, BLOCK + 1])
def test_nothing_is_written_beside_the_results(count):
    x, raw = (poisoned(t) for t in drawn(count, 8))
    constants = compiled_for(SHAPE, 23)
    buffers = [torch.full((n + 2000,), torch.nan).double() for n in (count, count, count * 23)]
    value, logs, grad = (b[1000:-1000] for b in buffers)
    tensors = (x, raw, 23, 1, count)

    def beside_is_nan() -> bool:
        return all(b[:1000].isnan().all() and b[-1000:].isnan().all() for b in buffers)

    for kernel in (spline_forward, spline_inverse):
        launch(kernel, x, *tensors, value, logs, constants, True)
        assert beside_is_nan()
        wanted = run(x, raw, SHAPE, kernel is spline_inverse)
        close_double((value, logs), wanted, 1e-12)
    launch(spline_backward, x, *tensors, x, x, value, grad, 23, 1, constants, False)
    assert beside_is_nan()
    close_double((value, grad.view(count, 23)), run_grad(x, raw, (x, x), SHAPE, False), 1e-12)


@triton.jit
def functions(v_ptr, z_ptr, log_ptr, log1p_ptr, reciprocal_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    v = tl.load(v_ptr + at)
    tl.store(log_ptr + at, arithmetic.log(v))
    tl.store(reciprocal_ptr + at, arithmetic.reciprocal(v))
    tl.store(log1p_ptr + at, arithmetic.log1p(tl.load(z_ptr + at)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logarithms_and_reciprocals(dtype):
    size, tiny = 2**14, 1e-30
    v = torch.logspace(-30, 30, size, dtype=torch.float64)
    v[: size // 2] = torch.linspace(0.6, 1.6, size // 2)
    z = torch.cat((torch.zeros(1), torch.logspace(-30, 0, size - 1))).double()
    v, z = v.to(dtype), z.to(dtype)
    log, log1p, reciprocal = found = [torch.empty_like(v) for _ in range(3)]
    functions[(1,)](v, z, *found, size)
    eps = torch.finfo(dtype).eps
    v, z = v.double(), z.double()
    assert ((log - v.log()).abs() / v.log().abs().clamp(0.1)).max() < 4 * eps
    assert ((log1p - z.log1p()).abs() / (z.log1p() + (tiny if eps > 1e-9 else 1))).max() < 4 * eps
    assert (reciprocal * v - 1).abs().max() < 4 * eps
    v = torch.full((2,), torch.nan, dtype=dtype)
    functions[(1,)](v, v, *(t[:2] for t in found), 2)
    assert log[:2].isnan().all()
