"""The Triton affine kernels against PyTorch; run by test_triton_affine.py in a child process."""

from __future__ import annotations

import pytest
import torch
from compare import close_double, no_worse, poisoned, strided
from torch import Tensor

from bench import kernels
from bench.kernels.affine import bounded_scale_and_shift, scale_and_shift
from bench.kernels.operators.affine import affine
from bench.kernels.triton.affine import affine_kernel, run, tile

LEAST = 1e-3
SIZES = [(n, d) for n in (0, 1, 7, 33) for d in (1, 7, 64, 65)] + [(3, 700)]
WAYS = [(masked, inverse) for masked in (False, True) for inverse in (False, True)]
ways = pytest.mark.parametrize(("masked", "inverse"), WAYS)


def drawn(count: int, dim: int, spread: float = 3.0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(count + dim)
    return torch.randn(count, dim).double(), spread * torch.randn(count, 2 * dim).double()


def reference(x: Tensor, raw: Tensor, masked: bool, inverse: bool) -> tuple[Tensor, Tensor]:
    pair = raw.unflatten(1, (x.shape[1], 2))
    parts = scale_and_shift(pair, LEAST) if masked else bounded_scale_and_shift(raw, LEAST)
    scale, shift = parts
    if inverse:
        return (x - shift) / scale, -scale.log().sum(1)
    return scale * x + shift, scale.log().sum(1)


def gradients(function, x, raw, given):
    x, raw = (t.detach().requires_grad_() for t in (x, raw))
    return torch.autograd.grad(function(x, raw), (x, raw), given)


@ways
@pytest.mark.parametrize(("count", "dim"), SIZES)
def test_values_and_gradients(count, dim, masked, inverse):
    x, raw = drawn(count, dim)
    how = (LEAST, masked, inverse)
    wanted = reference(x, raw, masked, inverse)
    for change in (poisoned, strided):
        found = affine(change(x), change(raw), *how)
        assert kernels.path() == "triton"
        close_double(found, wanted, 1e-12)
    given = (torch.randn_like(x), torch.randn(count).double())

    def plain(x, raw):
        return reference(x, raw, masked, inverse)

    wanted = gradients(plain, x, raw, given)
    for change in (poisoned, strided):
        found = gradients(lambda x, raw: affine(x, raw, *how), change(x), change(raw), given)
        close_double(found, wanted, 1e-12)
        found = gradients(lambda x, raw: affine(x, raw, *how), x, raw, [change(t) for t in given])
        close_double(found, wanted, 1e-12)


@ways
@pytest.mark.parametrize("spread", [1.0, 10.0])
def test_float32_is_as_exact_as_pytorch(masked, inverse, spread):
    single = [t.float() for t in drawn(33, 65, spread)]
    exact = reference(*(t.double() for t in single), masked, inverse)
    found = affine(*single, LEAST, masked, inverse)
    no_worse(found, reference(*single, masked, inverse), exact)


def test_one_tail_of_softplus_and_the_other():
    raw = torch.tensor([-200.0, -40, -20, -1, 0, 1, 20, 40, 200]).repeat_interleave(2)[None]
    x = torch.ones(1, 9)
    for masked, inverse in WAYS:
        found = affine(x, raw, LEAST, masked, inverse)
        exact = reference(x.double(), raw.double(), masked, inverse)
        no_worse(found, reference(x, raw, masked, inverse), exact)
        assert all(t.isfinite().all() for t in found)


@ways
def test_nothing_is_written_beside_the_results(masked, inverse):
    count, dim = 7, 65
    x, raw = (poisoned(t) for t in drawn(count, dim))
    buffers = [torch.full((n + 2000,), torch.nan).double() for n in (x.numel(), count)]
    value, logs = (b[1000:-1000] for b in buffers)
    rows, columns = tile(dim)
    affine_kernel[(-(-count // rows),)](
        x, raw, value, logs, count, dim, LEAST, masked, inverse, rows, columns
    )
    assert all(b[:1000].isnan().all() and b[-1000:].isnan().all() for b in buffers)
    close_double((value.view(count, dim), logs), run(x, raw, LEAST, masked, inverse), 1e-12)


@ways
def test_inverse_of_forward(masked, inverse):
    x, raw = drawn(5, 7)
    there, log = affine(x, raw, LEAST, masked, inverse)
    back, log_back = affine(there, raw, LEAST, masked, not inverse)
    close_double((back, log_back), (x, -log), 1e-10)


@ways
def test_operator(masked, inverse):
    x, raw = (t.requires_grad_() for t in drawn(3, 2))
    arguments = (x, raw, LEAST, masked, inverse)
    torch.library.opcheck(affine, arguments)
    assert torch.autograd.gradcheck(affine, arguments)
    assert torch.autograd.gradgradcheck(affine, arguments)


def test_wrong_arguments_are_refused():
    x, raw = drawn(3, 2)
    with pytest.raises(ValueError, match=r"raw parameters \[N, 2 D\]"):
        affine(x, raw[:, :3], LEAST, False, False)
    with pytest.raises(ValueError, match="real dtype"):
        affine(x, raw.float(), LEAST, False, False)
    with pytest.raises(ValueError, match="above zero"):
        affine(x, raw, 0.0, False, False)
