"""The loaded library, whether it may serve a call, and which path the last call took."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from bench.kernels import build

Taken = Literal["eager", "fused", "triton"]
SUFFIX = {torch.float32: "f32", torch.float64: "f64"}
REAL: dict[torch.dtype, type[ctypes.c_float] | type[ctypes.c_double]] = {
    torch.float32: ctypes.c_float,
    torch.float64: ctypes.c_double,
}

_lock = threading.Lock()
_ran = threading.local()


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        library = ctypes.CDLL(str(build.library()))
    except (build.Unavailable, OSError) as error:
        return None, str(error)
    library.fingerprint_bytes.restype = ctypes.c_uint64
    for suffix in SUFFIX.values():
        getattr(library, f"pack_{suffix}").restype = ctypes.c_int64
    return library, ""


def loaded() -> tuple[ctypes.CDLL | None, str]:
    """The library, built on first use, or None and the reason in one sentence."""
    if os.environ.get("BENCH_FUSED") == "0":
        return None, "switched off by BENCH_FUSED=0"
    with _lock:
        return _load()


@cache
def blas(dtype: torch.dtype) -> int | None:
    """The address of the matrix product (Fortran's xGEMM) that torch itself is linked with.

    None where it hides it.
    """
    name = {torch.float32: "sgemm_", torch.float64: "dgemm_"}[dtype]
    folder = Path(torch.__file__).parent / "lib"
    try:
        (file,) = folder.glob("libtorch_cpu.*")
        return ctypes.cast(getattr(ctypes.CDLL(str(file)), name), ctypes.c_void_p).value
    except (ValueError, OSError, AttributeError):
        return None


def available() -> bool:
    """Whether the fused kernels can be used on this machine; builds them on the first call."""
    return loaded()[0] is not None


def reason() -> str:
    """Why `available()` is false, with the remedy; empty if it is true."""
    return loaded()[1]


def path() -> Taken:
    """The path of the last kernel call in this thread; "eager" before the first."""
    return getattr(_ran, "path", "eager")


def took(path: Taken) -> None:
    """Record the path of a call."""
    _ran.path = path


def fused(*tensors: Tensor) -> ctypes.CDLL | None:
    """The library if it may serve these tensors: plain CPU tensors of one real dtype, now.

    None inside torch.compile, jit tracing, torch.func transforms, forward-mode autograd and
    dispatch modes: they must see PyTorch's own operations.
    """
    if traced() or torch._C._len_torch_dispatch_stack() > 0:
        return None
    dtype = tensors[0].dtype
    if dtype not in SUFFIX or any(t.dtype != dtype or not _plain(t) for t in tensors):
        return None
    return loaded()[0]


def traced() -> bool:
    """Whether torch.compile, jit tracing, torch.func or forward-mode autograd is at work."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
    )


def _plain(t: Tensor) -> bool:
    return (
        type(t) in (Tensor, torch.nn.Parameter)
        and t.is_cpu  # a fifth of the time of t.device.type
        and not t.is_neg()
        and not torch._C._functorch.is_legacy_batchedtensor(t)
    )


def pointer(t: Tensor) -> ctypes.c_void_p:
    """The address of a tensor's first element."""
    return ctypes.c_void_p(t.data_ptr())


def split(count: int, grain: int, work: Callable[[int, int], None]) -> None:
    """Run `work(begin, end)` over parts of `count`, one part per torch thread.

    ctypes releases the interpreter's lock, so that the parts run at once. Parts begin at multiples
    of `grain`; below two of them nothing is split.
    """
    parts = min(torch.get_num_threads(), count // grain)
    if parts < 2:
        work(0, count)
        return
    ends = [count * (i + 1) // parts // grain * grain for i in range(parts - 1)] + [count]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, [0, *ends[:-1]], ends))
