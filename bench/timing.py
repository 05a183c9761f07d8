"""The only timer: repeated blocks, interleaved, with quantiles and bootstrap intervals.

A measurement is a list of rounds. In each round every function runs once, in random order, as a
block of repeated calls that lasts about BLOCK seconds; a slow phase of the machine then meets all
functions alike. Warm-up calls are not counted, the garbage collector is off, and on a GPU CUDA
events time the device (docs/costs.md states the protocol and why).
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.records import Times

BLOCK = 3e-4  #: seconds a block should last: far above the clock's step, below a scheduler slice
MAX_REPEATS = 10_000  #: calls per block
MIN_ROUNDS, MAX_ROUNDS = 3, 400
WARM_CALLS, WARM_SHARE, WARM_AGREE = 20, 0.25, 0.1
LIMIT = 3.0  #: times the budget that a measurement may last, unless one call alone lasts longer
NOISY_SPREAD, NOISY_ROUNDS = 0.25, 5
MARGIN = 1.02  #: ratios within [1 / MARGIN, MARGIN] count as no difference
MIN_PAIRS = 6  #: below this many pairs a ratio has no interval
RESAMPLES = 1000

Verdict = Literal["faster", "slower", "same", "unclear"]


class Watch(Protocol):
    """Times a block: `watch(fn, repeats)` is the seconds that `repeats` calls took together."""

    def __call__(self, fn: Callable[[], Any], repeats: int, /) -> float: ...


@dataclass(frozen=True)
class Timing:
    """Quantiles over blocks of the seconds per unit (a call, or one of the `per` samples of it)."""

    p20: float
    p50: float
    p80: float
    n: int  #: blocks
    noisy: bool  #: fewer than NOISY_ROUNDS blocks, or p20 to p80 wider than NOISY_SPREAD of p50

    @property
    def per_second(self) -> float:
        """Units per second at the median; infinite where the clock saw no time pass."""
        return 1 / self.p50 if self.p50 > 0 else math.inf

    def times(self) -> Times:
        """The record's form, microseconds per unit."""
        p20, p50, p80 = (1e6 * p for p in (self.p20, self.p50, self.p80))
        return Times(p20=p20, p50=p50, p80=p80, n=self.n, noisy=self.noisy)


@dataclass(frozen=True)
class Ratio:
    """How many times faster the candidate is than the reference, from interleaved pairs."""

    value: float  #: exp(median log(time of the reference / time of the candidate)); > 1: faster
    interval: tuple[float, float] | None  #: 95 %, paired bootstrap; None below MIN_PAIRS pairs
    n: int  #: pairs
    verdict: Verdict  #: of the candidate
    reference: Timing
    candidate: Timing


def measure(
    fn: Callable[[], Any],
    *,
    seconds: float,
    device: str = "cpu",
    per: int = 1,
    watch: Watch | None = None,
) -> Timing:
    """Time `fn` for about `seconds`: at most LIMIT times that, or one call where that is longer.

    Args:
        fn: called with no arguments; what it raises goes through.
        seconds: time spent in counted blocks.
        device: "cpu", or "cuda" (CUDA events; the device is synchronised around each block).
        per: units in one call, e.g. the batch size; the result is per unit.
        watch: the stopwatch; default the device's.
    """
    return summarise(interleave([fn], seconds=seconds, device=device, watch=watch)[0], per)


def ratio(
    reference: Callable[[], Any],
    candidate: Callable[[], Any],
    *,
    seconds: float,
    device: str = "cpu",
    seed: int = 0,
    watch: Watch | None = None,
) -> Ratio:
    """Time of `reference` over time of `candidate`, interleaved; takes about 2 `seconds`.

    The verdict is "faster" or "slower" only where the whole interval lies beyond 1 +- 2 %, "same"
    where it lies within, else "unclear".
    """
    old, new = interleave(
        [reference, candidate], seconds=seconds, device=device, seed=seed, watch=watch
    )
    value, interval = paired_ratio(old, new, seed)
    return Ratio(value, interval, len(old), decide(interval), summarise(old), summarise(new))


def interleave(
    fns: Sequence[Callable[[], Any]],
    *,
    seconds: float,
    device: str = "cpu",
    seed: int = 0,
    watch: Watch | None = None,
) -> list[list[float]]:
    """Seconds per call of each function, one entry per round; the k-th entries belong together.

    `seconds` is the budget per function. Where the warm-up alone uses up the limit (a call of many
    seconds), the warm-up is the one round.
    """
    stop = watch or watch_for(device)
    order = random.Random(seed)
    with collector_off():
        warm = [_warm_up(fn, stop, seconds) for fn in fns]
        calls = [best for best, _ in warm]
        repeats = [_repeats(t) for t in calls]
        round_length = sum(t * k for t, k in zip(calls, repeats, strict=True))
        allowance = LIMIT * seconds * len(fns) - sum(spent for _, spent in warm)
        rounds: list[list[float]] = []
        total = 0.0
        while len(rounds) < MAX_ROUNDS and total + round_length <= allowance:
            if total >= seconds * len(fns) and len(rounds) >= MIN_ROUNDS:
                break
            blocks = _round(fns, repeats, stop, order)
            total += sum(blocks)
            rounds.append([t / k for t, k in zip(blocks, repeats, strict=True)])
    return [list(column) for column in zip(*(rounds or [calls]), strict=True)]


def summarise(seconds: Sequence[float] | NDArray[np.float64], per: int = 1) -> Timing:
    """Quantiles of the seconds per call, divided by the `per` units of a call."""
    p20, p50, p80 = (float(q) / per for q in np.quantile(seconds, (0.2, 0.5, 0.8)))
    noisy = len(seconds) < NOISY_ROUNDS or p80 - p20 > NOISY_SPREAD * p50
    return Timing(p20, p50, p80, len(seconds), noisy)


def paired_ratio(
    old: Sequence[float], new: Sequence[float], seed: int = 0
) -> tuple[float, tuple[float, float] | None]:
    """exp of the median log-ratio old/new over pairs, and its 95 % paired bootstrap interval.

    The resampling is seeded: the same times give the same interval. Times below a nanosecond count
    as one.
    """
    logs = np.log(np.maximum(old, 1e-9)) - np.log(np.maximum(new, 1e-9))
    value = float(np.exp(np.median(logs)))
    if len(logs) < MIN_PAIRS:
        return value, None
    drawn = np.random.default_rng(seed).integers(0, len(logs), (RESAMPLES, len(logs)))
    low, high = np.exp(np.quantile(np.median(logs[drawn], axis=1), (0.025, 0.975)))
    return value, (float(low), float(high))


def decide(interval: tuple[float, float] | None) -> Verdict:
    """The verdict on a candidate from the interval of (time of the reference / its own)."""
    if interval is None:
        return "unclear"
    low, high = interval
    if low > MARGIN:
        return "faster"
    if high < 1 / MARGIN:
        return "slower"
    return "same" if low >= 1 / MARGIN and high <= MARGIN else "unclear"


def watch_for(device: str) -> Watch:
    """The device's stopwatch: CUDA events for "cuda" and "cuda:N", else the wall clock."""
    return cuda_watch(device) if device.startswith("cuda") else host_watch()


def host_watch(now: Callable[[], float] = time.perf_counter) -> Watch:
    """Wall clock around the block."""

    def watch(fn: Callable[[], Any], repeats: int) -> float:
        start = now()
        for _ in range(repeats):
            fn()
        return now() - start

    return watch


def cuda_watch(device: str) -> Watch:
    """CUDA events around the block, the device synchronised before and after.

    A block whose launches take the host longer than its kernels take the device shows the host's
    time: that is what a caller waits for.
    """
    import torch

    def watch(fn: Callable[[], Any], repeats: int) -> float:
        with torch.cuda.device(device if ":" in device else torch.cuda.current_device()):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            start.record()
            for _ in range(repeats):
                fn()
            end.record()
            torch.cuda.synchronize()
            return float(start.elapsed_time(end)) / 1e3

    return watch


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the garbage collector from running inside a block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _warm_up(fn: Callable[[], Any], watch: Watch, seconds: float) -> tuple[float, float]:
    """Call until two calls in a row agree, or a share of the budget is spent.

    Returns the fastest call and the time spent, seconds.
    """
    last = best = spent = watch(fn, 1)
    for _ in range(WARM_CALLS - 1):
        if spent >= WARM_SHARE * seconds:
            break
        previous, last = last, watch(fn, 1)
        best, spent = min(best, last), spent + last
        if abs(last - previous) <= WARM_AGREE * previous:
            break
    return best, spent


def _repeats(call: float) -> int:
    """Calls per block, for a block of about BLOCK seconds."""
    return MAX_REPEATS if call * MAX_REPEATS <= BLOCK else math.ceil(BLOCK / call)


def _round(
    fns: Sequence[Callable[[], Any]], repeats: list[int], watch: Watch, order: random.Random
) -> list[float]:
    """One block of each function, in random order; seconds per block."""
    blocks = [0.0] * len(fns)
    for i in order.sample(range(len(fns)), len(fns)):
        blocks[i] = watch(fns[i], repeats[i])
    return blocks
