"""Working memory of one call."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.autograd.profiler import profile

from bench.costs.calls import Call, attempt


def peak_bytes(fn: Call, device: str, torch_only: bool = True) -> int | None:
    """Most bytes that one call holds at once beyond what was held before it; None if unmeasurable.

    On a GPU what the CUDA allocator says; on a CPU the running sum of torch's own allocations and
    releases, and for models that are no torch modules at least NumPy's and Python's peak.
    Parameters and input do not count; scratch memory of compiled kernels is not seen on a CPU.
    """
    if device.startswith("cuda"):
        return attempt(lambda: _cuda(fn, device))
    peaks = [attempt(lambda: _torch(fn)), None if torch_only else attempt(lambda: _python(fn))]
    return max((p for p in peaks if p is not None), default=None)


def _cuda(fn: Call, device: str) -> int:
    torch.cuda.synchronize(device)
    held = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    fn()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - held


def _torch(fn: Call) -> int:
    with hushed(), profile(profile_memory=True, use_cpu=True) as recorded:
        result = fn()
    del result
    events = [e for e in recorded.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def _python(fn: Call) -> int:
    if tracemalloc.is_tracing():
        return 0
    tracemalloc.start()
    try:
        fn()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def hushed() -> Iterator[None]:
    """Keep the profiler's start and stop lines, written by its C++ library, off standard error."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
