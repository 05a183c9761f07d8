"""Which kernel stands behind an operator, and whether a call should go through it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from bench.kernels import triton
from bench.kernels.library import SUFFIX, Taken, loaded


def server(*tensors: Tensor) -> Taken:
    """What serves tensors of one device and dtype; "eager" if none of the kernels.

    Eager too wherever PyTorch's own operations have to be seen: in jit tracing, torch.func,
    forward-mode autograd, and for tensors of an unknown class.
    """
    if any(t.dtype not in SUFFIX or not _known(t) for t in tensors) or _transformed():
        return "eager"
    return kernel(tensors[0].device.type)


def kernel(device: str) -> Taken:
    """What serves a type of device."""
    if triton.chosen(torch.device(device)):
        return "triton"
    return "fused" if device == "cpu" and loaded()[0] is not None else "eager"


def watched() -> bool:
    """Whether torch.compile or a dispatch mode looks at the operations."""
    return torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0


def _transformed() -> bool:
    dual = torch.autograd.forward_ad._current_level >= 0
    return dual or torch.jit.is_tracing() or _functional()


def _functional() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None


def _known(t: Tensor) -> bool:
    if torch.compiler.is_compiling():
        return True
    known = type(t) in (Tensor, torch.nn.Parameter, FakeTensor)
    return known and not torch._C._functorch.is_legacy_batchedtensor(t)


for _asked in (kernel, _functional):
    # what torch.compiler.assume_constant_result does: the compiler asks them and keeps the answer;
    # that function would import the compiler, seconds of it, for everybody
    _asked._dynamo_marked_constant = True  # type: ignore[union-attr]
