"""Samples per second over batch sizes."""

from __future__ import annotations

from collections.abc import Callable

from bench.costs.calls import Call, Calls, attempt
from bench.records import Throughput
from bench.timing import Timing, measure

RUNGS = (1024, 4096, 16384)  #: the largest that fits is measured
MEMORY = 2**30  #: bytes a rung may be expected to need
SHARE = 1 / 3  #: of the time per quantity, for batch 1 and for the rung


def ladder(
    make: Callable[[int], Call], known: Timing, calls: Calls, memory: int | None
) -> list[Throughput]:
    """Throughput at batch 1, at the suite's batch (`known`, per sample) and at the largest rung.

    Args:
        make: the call at a batch size.
        memory: bytes that a call at the suite's batch needs; grows in proportion to the batch.
    """
    found = [
        _throughput(make, 1, calls),
        Throughput(batch=calls.batch, samples_per_second=known.per_second),
    ]
    for n in reversed([n for n in RUNGS if _fits(n, known, calls, memory)]):
        found.append(_throughput(make, n, calls))
        if found[-1] is not None:
            break
    return [t for t in found if t is not None]


def _fits(n: int, known: Timing, calls: Calls, memory: int | None) -> bool:
    """Larger than the suite's batch, one call within the rung's time, memory below MEMORY."""
    return (
        n > calls.batch
        and n * known.p50 <= SHARE * calls.seconds
        and n / calls.batch * (memory or 0) <= MEMORY
    )


def _throughput(make: Callable[[int], Call], n: int, calls: Calls) -> Throughput | None:
    def timed() -> Throughput:
        timing = measure(make(n), seconds=SHARE * calls.seconds, device=calls.device, per=n)
        return Throughput(batch=n, samples_per_second=timing.per_second)

    return attempt(timed)
