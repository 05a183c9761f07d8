"""The Triton kernel of last layer and spline against PyTorch, in a child process."""

from __future__ import annotations

import pytest
import torch
from compare import close_double, no_worse, poisoned, strided
from torch import Tensor
from torch.nn import functional as F

from bench import kernels
from bench.kernels import eager
from bench.kernels.eager import Shape
from bench.kernels.operators.linear_spline import linear_spline

SHAPE = Shape(3.0)
#: N, D, H, K
SIZES = [
    (0, 3, 5, 8),
    (1, 1, 1, 8),
    (7, 7, 17, 8),
    (33, 64, 20, 8),
    (65, 5, 33, 8),
    (7, 65, 16, 4),
    (5, 3, 9, 1),
    (5, 3, 9, 2),
    (5, 4, 9, 5),
    (5, 3, 9, 16),
]
both = pytest.mark.parametrize("inverse", [False, True])


def drawn(count: int, dim: int, units: int, bins: int) -> list[Tensor]:
    torch.manual_seed(count + dim)
    rows = dim * (3 * bins - 1)
    x = torch.randn(count, dim) * 2
    weight = torch.randn(rows, units) / units**0.5
    found = [x, torch.randn(count, units), weight, torch.randn(rows)]
    return [t.double() for t in found]


def reference(x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, inverse: bool, shape=SHAPE):
    rows = F.linear(hidden, weight, bias).view(x.numel(), len(bias) // x.shape[1])
    value, logs = eager.spline(x.flatten(), rows, shape, inverse)
    return value.view(x.shape), logs.view(x.shape).sum(1)


@both
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients(sizes, inverse):
    tensors = drawn(*sizes)
    wanted = reference(*tensors, inverse)
    for change in (poisoned, strided):
        given = [change(t).requires_grad_() for t in tensors]
        found = linear_spline(*given, *SHAPE, inverse)
        assert kernels.path() == "triton"
        close_double([t.detach() for t in found], wanted, 1e-10)
    plain = [t.clone().requires_grad_() for t in tensors]
    grads = torch.randn_like(tensors[0]), torch.randn(sizes[0]).double()
    wanted = torch.autograd.grad(reference(*plain, inverse), plain, grads)
    found = torch.autograd.grad(found, given, [strided(t) for t in grads])
    close_double(found, wanted, 1e-9)


@both
def test_other_constants(inverse):
    tensors = drawn(9, 3, 6, 8)
    shape = Shape(5.0, 1e-2, 1e-2, 4.0)
    close_double(
        linear_spline(*tensors, *shape, inverse), reference(*tensors, inverse, shape), 1e-10
    )


@both
def test_float32_is_as_exact_as_pytorch(inverse):
    single = [t.float() for t in drawn(33, 16, 40, 8)]
    exact = reference(*(t.double() for t in single), inverse)
    no_worse(linear_spline(*single, *SHAPE, inverse), reference(*single, inverse), exact)


def test_round_trip_at_the_box_and_beyond():
    x, hidden, weight, bias = drawn(8, 3, 6, 8)
    x[0], x[1], x[2], x[3] = 3.0, -3.0, 1e3, -1e3
    value, logs = linear_spline(x, hidden, weight, bias, *SHAPE, False)
    back, logs_back = linear_spline(value, hidden, weight, bias, *SHAPE, True)
    close_double((back, logs_back), (x, -logs), 1e-9)
    close_double((value[:4],), (x[:4],), 1e-12)
    assert value[2:4].equal(x[2:4])


def test_not_a_number_stays_in_its_element():
    x, *rest = drawn(4, 3, 6, 8)
    wanted = linear_spline(x, *rest, *SHAPE, False)[0]
    x[1, 2] = torch.nan
    value, _ = linear_spline(x, *rest, *SHAPE, False)
    assert value[1, 2].isnan()
    assert value.isnan().sum() == 1
    value[1, 2] = wanted[1, 2]
    assert value.equal(wanted)


@both
def test_operator(inverse):
    arguments = (*(t.requires_grad_() for t in drawn(2, 2, 3, 2)), *SHAPE, inverse)
    torch.library.opcheck(linear_spline, arguments)
    assert torch.autograd.gradcheck(linear_spline, arguments)


def test_second_derivatives():
    arguments = (*(t.requires_grad_() for t in drawn(1, 1, 1, 2)), *SHAPE, False)
    assert torch.autograd.gradgradcheck(linear_spline, arguments)


def test_many_bins_take_another_path():
    tensors = drawn(3, 2, 4, 20)
    close_double(linear_spline(*tensors, *SHAPE, False), reference(*tensors, False), 1e-10)


def test_wrong_shapes_and_types_are_refused():
    x, hidden, weight, bias = drawn(3, 2, 4, 8)
    with pytest.raises(ValueError, match=r"weights \[D \(3K - 1\), H\]"):
        linear_spline(x, hidden[:, :3], weight, bias, *SHAPE, False)
    with pytest.raises(ValueError, match="one real"):
        linear_spline(x, hidden.float(), weight, bias, *SHAPE, False)
