"""Triton kernels for a CUDA device; an optional extra, which nothing imports until it is used.

On a CPU they run in Triton's interpreter alone, for tests: TRITON_INTERPRET=1 BENCH_FUSED=triton.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import torch


@cache
def available() -> bool:
    """Whether the package is installed."""
    return find_spec("triton") is not None


def interpreted() -> bool:
    """Whether tensors of a CPU are sent to the interpreter."""
    return os.environ.get("BENCH_FUSED") == "triton" and os.environ.get("TRITON_INTERPRET") == "1"


def chosen(device: torch.device) -> bool:
    """Whether a tensor of this device goes to Triton; BENCH_FUSED=0 keeps it out."""
    if not available() or os.environ.get("BENCH_FUSED") == "0":
        return False
    return device.type == "cuda" or (device.type == "cpu" and interpreted())
