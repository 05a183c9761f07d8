"""What the kernels of one element per thread share: where an element is, and the launch."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 128  #: elements of a program
WARPS = 4


@triton.jit
def elements(count, BLOCK: tl.constexpr):
    """Elements of a program, int64.

    Threads past the last element repeat it, result and all, so that nothing needs a mask.
    """
    number = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    return tl.minimum(number, long(count) - 1)


@triton.jit
def long(stride):
    """An integer argument as int64; one that is 1 was made a constant by the launch."""
    return tl.full((), 0, tl.int64) + stride


def launch(kernel: Any, like: Tensor, *arguments: Any) -> None:
    """Run a kernel, whose last argument is BLOCK, over the elements of a tensor on its device.

    Products and sums are fused, which Triton 3.10 no longer does of itself.
    """
    if like.numel():
        grid = (triton.cdiv(like.numel(), BLOCK),)
        with torch.cuda.device_of(like):
            kernel[grid](*arguments, BLOCK, num_warps=WARPS, enable_fp_fusion=True)
