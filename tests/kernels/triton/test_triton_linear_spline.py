"""The operator of last layer and spline: its Triton kernel interpreted, and PyTorch's path."""

from __future__ import annotations

import pytest
import torch
from interpreted import needs_triton, run_tests
from torch.nn import functional as F

from bench.kernels import eager
from bench.kernels.eager import Shape
from bench.kernels.operators.linear_spline import linear_spline


@needs_triton
def test_interpreted():
    run_tests("linear_spline_interpreted.py")


@pytest.mark.parametrize("inverse", [False, True])
def test_pytorch_path(inverse):
    torch.manual_seed(0)
    sizes = ((3, 2), (3, 4), (10, 4), (10,))
    tensors = [torch.randn(n, dtype=torch.float64, requires_grad=True) for n in sizes]
    arguments = (*tensors, *Shape(3.0), inverse)
    value, logs = linear_spline(*arguments)
    x, *layer = tensors
    rows = F.linear(*layer).view(6, 5)
    wanted, slopes = eager.spline(x.flatten(), rows, Shape(3.0), inverse)
    torch.testing.assert_close(value, wanted.view(3, 2), atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(logs, slopes.view(3, 2).sum(1), atol=1e-12, rtol=1e-12)
    torch.library.opcheck(linear_spline, arguments)
    assert torch.autograd.gradcheck(linear_spline, arguments)
