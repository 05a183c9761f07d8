"""What the machine reaches in this run: the floors that kernels are compared with."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.profile.calls import Call
from bench.profile.clock import measure
from bench.profile.rows import Ceilings, Row
from bench.timing import summarise

COPIED = 2**26  #: bytes of the copy's source: far above any cache of a CPU core
EDGE = 1024  #: of the matrix product
CACHE = 2**25  #: bytes, where the system does not tell
SHARE = 4  #: a working set of so many caches is not held by one (DESIGN: >= 4 x L2)


def ceilings(device: str, dtype: torch.dtype, seconds: float = 0.3) -> Ceilings:
    """Copy bandwidth, rate of a matrix product and cost of the smallest operation."""
    scale = 8 if device.startswith("cuda") else 1
    source = torch.empty(scale * COPIED // 4, device=device).fill_(1.0)
    target = torch.empty_like(source)
    a = torch.rand(scale * EDGE, scale * EDGE, dtype=dtype, device=device)
    product, one = torch.empty_like(a), torch.zeros(1, device=device)
    calls = [
        Call(lambda: target.copy_(source)),
        Call(lambda: torch.mm(a, a, out=product)),
        Call(lambda: one.neg_()),
    ]
    copy, gemm, launch = (summarise(measure([c], seconds, device)[0].device).p20 for c in calls)
    return Ceilings(
        bytes_per_second=2 * source.numel() * 4 / copy,
        flops_per_second=2 * len(a) ** 3 / gemm,
        launch_us=1e6 * launch,
        cache_bytes=cache_bytes(device),
    )


def cache_bytes(device: str) -> int:
    """Of the GPU's L2, or of the largest cache that the first core sees."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    sizes = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text(encoding="ascii").strip()
        units = {"K": 2**10, "M": 2**20, "G": 2**30}
        sizes.append(int(text.rstrip("KMG")) * units.get(text[-1], 1))
    return max(sizes, default=CACHE)


def place(row: Row, found: Ceilings) -> None:
    """Fill in the row's floor and share from the work it must do and its time.

    The floor is the largest of bytes over bandwidth, operations over their rate, and one launch.
    """
    if row.must_bytes is None or row.must_flops is None:
        return
    floors = {
        "bytes": 1e6 * row.must_bytes / found.bytes_per_second,
        "flops": 1e6 * row.must_flops / found.flops_per_second,
        "launch": found.launch_us,
    }
    name = max(floors, key=lambda k: floors[k])
    row.floor_us = floors[name]
    row.floor_by = name  # type: ignore[assignment]
    row.cached = row.must_bytes < SHARE * found.cache_bytes
    if row.device_us is not None and row.device_us.p50 > 0:
        row.share = row.floor_us / row.device_us.p50
