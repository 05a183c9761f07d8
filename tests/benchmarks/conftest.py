"""pytest-benchmark as this project uses it: the device synchronised, the machine described, and
beside every time an interleaved ratio, which alone may be gated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.environment.machine import capture
from bench.timing import ratio

SECONDS = 0.3  #: for each side of a ratio

Timed = Callable[..., None]


def synchronised() -> float:
    """Seconds of the wall clock, once the GPU, where there is one, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Versions, threads and commit, as in the records of cells."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine_info["bench"] = capture(device).model_dump(mode="json")


@pytest.fixture
def timed(benchmark: Any) -> Timed:
    """`timed(group, baseline, reference, candidate, **sizes)`: time the candidate.

    `extra_info` gets the sizes and the ratio to the reference, interleaved in this run.
    """

    def run(
        group: str,
        baseline: str,
        reference: Callable[[], Any],
        candidate: Callable[[], Any],
        **sizes: Any,
    ) -> None:
        found = ratio(reference, candidate, seconds=SECONDS)
        benchmark.group = group
        benchmark._timer = synchronised
        benchmark.extra_info.update(
            sizes,
            threads=torch.get_num_threads(),
            baseline=baseline,
            ratio=found.value,
            ratio_interval=found.interval,
            ratio_pairs=found.n,
            verdict=found.verdict,
        )
        benchmark(candidate)

    return run
