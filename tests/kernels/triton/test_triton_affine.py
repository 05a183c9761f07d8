"""The affine operator: its Triton kernels interpreted, and PyTorch's path."""

from __future__ import annotations

import pytest
import torch
from interpreted import needs_triton, run_tests

from bench import kernels
from bench.kernels.affine import bounded_scale_and_shift, scale_and_shift
from bench.kernels.operators.affine import affine


@needs_triton
def test_interpreted():
    run_tests("affine_interpreted.py")


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_pytorch_path(masked, inverse):
    torch.manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    raw = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    arguments = (x, raw, 1e-3, masked, inverse)
    value, logs = affine(*arguments)
    assert kernels.path() == "eager"
    parts = (
        scale_and_shift(raw.view(4, 3, 2), 1e-3) if masked else bounded_scale_and_shift(raw, 1e-3)
    )
    scale, shift = parts
    wanted = (x - shift) / scale if inverse else scale * x + shift
    assert value.equal(wanted)
    assert logs.equal(-scale.log().sum(1) if inverse else scale.log().sum(1))
    torch.library.opcheck(affine, arguments)
    assert torch.autograd.gradcheck(affine, arguments)
    assert torch.autograd.gradgradcheck(affine, arguments)
