"""Two clocks over the same blocks: the device's time and the wall's."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.profile.calls import Call
from bench.timing import Watch, interleave

FLUSHED = 2**28  #: bytes written before each call on a GPU, so that its L2 cache holds nothing
PAIRS = 8  #: rounds that even slow calls get


@dataclass(frozen=True)
class Measured:
    """Seconds per call of one function, one entry per round."""

    device: list[float]
    wall: list[float]


def measure(calls: Sequence[Call], seconds: float, device: str, seed: int = 0) -> list[Measured]:
    """Time the calls interleaved, about `seconds` each; slow ones at least PAIRS times."""
    clocks = CudaClocks(device) if device.startswith("cuda") else HostClocks()
    for call in calls:
        call()
    once = sum(clocks(call, 1) for call in calls)
    share = max(seconds, PAIRS * once / len(calls))
    watch: Watch = clocks
    rounds = interleave(calls, seconds=share, device=device, seed=seed, watch=watch)
    return [
        Measured(found, clocks.wall[id(call)][-len(found) :])
        for call, found in zip(calls, rounds, strict=True)
    ]


class HostClocks:
    """The process's CPU time; keeps the wall's time of every block by the call's identity."""

    def __init__(self) -> None:
        self.wall: dict[int, list[float]] = defaultdict(list)

    def __call__(self, fn: Callable[[], Any], repeats: int) -> float:
        """CPU seconds of `repeats` calls."""
        assert isinstance(fn, Call)
        run = fn.run
        with fn.set():
            wall, start = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                run()
            spent = time.process_time() - start
            wall = time.perf_counter() - wall
        self.wall[id(fn)].append(wall / repeats)
        return spent


class CudaClocks:
    """CUDA events around each call, the L2 cache emptied before it; the wall around launches.

    Not run on the machine that this was written on: it has no GPU.
    """

    def __init__(self, device: str) -> None:
        import torch

        self.wall: dict[int, list[float]] = defaultdict(list)
        self.device = torch.device(device)
        self.flush = torch.empty(FLUSHED // 4, dtype=torch.int32, device=self.device)

    def __call__(self, fn: Callable[[], Any], repeats: int) -> float:
        """Device seconds of `repeats` calls."""
        import torch

        assert isinstance(fn, Call)
        run, wall = fn.run, 0.0
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
        with fn.set(), torch.cuda.device(self.device):
            for start, end in events:
                self.flush.zero_()
                torch.cuda.synchronize()
                began = time.perf_counter()
                start.record()
                run()
                end.record()
                torch.cuda.synchronize()
                wall += time.perf_counter() - began
        self.wall[id(fn)].append(wall / repeats)
        return sum(float(s.elapsed_time(e)) for s, e in events) / 1e3
