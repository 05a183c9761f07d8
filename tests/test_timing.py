"""The timer on a fake clock: counts decide every figure, never the speed of the machine."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from bench import timing
from bench.timing import decide, host_watch, interleave, measure, paired_ratio, ratio, summarise

SECONDS = 0.15


class Clock:
    """Time passes only when a function built by `takes` is called."""

    def __init__(self) -> None:
        self.time = 0.0
        self.calls: list[str] = []

    def takes(self, seconds: Callable[[], float] | float, name: str = "f") -> Callable[[], None]:
        def fn() -> None:
            self.calls.append(name)
            self.time += seconds() if callable(seconds) else seconds

        return fn

    @property
    def watch(self) -> timing.Watch:
        return host_watch(lambda: self.time)


def first_then(first: float, then: float) -> Callable[[], float]:
    def times() -> Iterator[float]:
        yield first
        while True:
            yield then

    return times().__next__


DURATIONS = {"1 us": 1e-6, "200 us": 2e-4, "5 ms": 5e-3, "60 ms": 0.06, "0.3 s": 0.3, "2 s": 2.0}


@pytest.mark.parametrize("call", DURATIONS.values(), ids=DURATIONS.keys())
def test_measure_finds_the_call_and_keeps_its_cap(call: float) -> None:
    clock = Clock()
    found = measure(clock.takes(call), seconds=SECONDS, watch=clock.watch)
    assert found.p50 == pytest.approx(call, rel=1e-6)
    assert found.p20 <= found.p50 <= found.p80
    assert clock.time <= max(timing.LIMIT * SECONDS, call) + 1e-9
    assert clock.time >= min(SECONDS, call)


@pytest.mark.parametrize("call", DURATIONS.values(), ids=DURATIONS.keys())
def test_ratio_keeps_its_cap(call: float) -> None:
    clock = Clock()
    ratio(clock.takes(call), clock.takes(1e-5), seconds=SECONDS, watch=clock.watch)
    assert clock.time <= max(2 * timing.LIMIT * SECONDS, call + SECONDS)


def test_a_call_beyond_the_limit_runs_once_and_is_marked() -> None:
    clock = Clock()
    found = measure(clock.takes(2.0), seconds=SECONDS, watch=clock.watch)
    assert (len(clock.calls), found.n, found.noisy) == (1, 1, True)


def test_a_clock_that_stands_still_ends_too() -> None:
    clock = Clock()
    found = measure(clock.takes(0.0), seconds=SECONDS, watch=lambda fn, repeats: 0.0)
    assert found.n == timing.MAX_ROUNDS
    assert found.per_second == math.inf


def test_short_calls_are_timed_in_blocks() -> None:
    clock = Clock()
    found = measure(clock.takes(1e-6), seconds=0.003, watch=clock.watch)
    blocks = len(clock.calls) / found.n
    assert blocks == pytest.approx(timing.BLOCK / 1e-6, rel=0.02)


def test_the_first_call_is_not_counted() -> None:
    clock = Clock()
    found = measure(clock.takes(first_then(0.03, 1e-3)), seconds=SECONDS, watch=clock.watch)
    assert found.p80 == pytest.approx(1e-3)


def test_per_divides() -> None:
    clock = Clock()
    found = measure(clock.takes(2.56e-3), seconds=SECONDS, per=256, watch=clock.watch)
    assert found.p50 == pytest.approx(1e-5)
    assert found.per_second == pytest.approx(1e5)
    assert found.times().p50 == pytest.approx(10.0)  # microseconds


def test_ratio_of_20_to_21_calls() -> None:
    clock = Clock()
    unit = clock.takes(1e-5)

    def repeated(n: int) -> Callable[[], None]:
        return lambda: [unit() for _ in range(n)] and None

    found = ratio(repeated(20), repeated(21), seconds=0.02, watch=clock.watch)
    assert found.value == pytest.approx(20 / 21)
    assert found.interval == pytest.approx((20 / 21, 20 / 21))
    assert found.verdict == "slower"
    swapped = ratio(repeated(21), repeated(20), seconds=0.02, watch=clock.watch)
    assert (swapped.value, swapped.verdict) == (pytest.approx(21 / 20), "faster")


def test_pairs_run_in_random_order() -> None:
    clock = Clock()
    a, b = clock.takes(1e-3, "a"), clock.takes(1e-3, "b")
    old, new = interleave([a, b], seconds=0.1, watch=clock.watch)
    pairs = clock.calls[-2 * len(old) :]
    firsts = pairs[::2]
    assert len(old) == len(new) >= 90
    assert all({x, y} == {"a", "b"} for x, y in zip(pairs[::2], pairs[1::2], strict=True))
    assert 0.25 < firsts.count("a") / len(firsts) < 0.75


def noisy_pairs(seed: int, truth: float, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Log-normal noise of 3 % per block, slow phases shared by pairs, bursts of x5 in a tenth."""
    rng = np.random.default_rng(seed)
    phase = np.where(rng.random(n) < 0.3, 1.8, 1.0)
    noise = [np.exp(0.03 * rng.standard_normal(n)) for _ in range(2)]
    burst = [np.where(rng.random(n) < 0.1, 5.0, 1.0) for _ in range(2)]
    return truth * phase * noise[0] * burst[0], phase * noise[1] * burst[1]


@pytest.mark.parametrize("truth", [1.0, 20 / 21, 1.5])
def test_the_interval_covers_the_truth(truth: float) -> None:
    hits, errors = 0, []
    for seed in range(60):
        value, interval = paired_ratio(*noisy_pairs(seed, truth))
        assert interval is not None
        hits += interval[0] <= truth <= interval[1]
        errors.append(value / truth - 1)
    assert hits >= 52  # 95 % of 60 is 57; fewer than 52 has probability < .01
    assert abs(np.mean(errors)) < 0.005


def test_the_interval_is_deterministic_and_absent_for_few_pairs() -> None:
    old, new = noisy_pairs(0, 1.2)
    assert paired_ratio(old, new) == paired_ratio(old, new)
    value, interval = paired_ratio(old[:5], new[:5])
    assert value > 0
    assert interval is None


DECISIONS = {
    "beyond": ((1.03, 1.2), "faster"),
    "below": ((0.7, 0.9), "slower"),
    "within": ((0.99, 1.01), "same"),
    "straddles the upper margin": ((1.0, 1.03), "unclear"),
    "straddles all": ((0.5, 2.0), "unclear"),
    "none": (None, "unclear"),
}


@pytest.mark.parametrize(("interval", "verdict"), DECISIONS.values(), ids=DECISIONS.keys())
def test_decide(interval: tuple[float, float] | None, verdict: str) -> None:
    assert decide(interval) == verdict


def test_summarise_takes_quantiles_and_flags_noise() -> None:
    calm = summarise(np.linspace(1.0, 1.1, 11), per=2)
    assert (calm.p20, calm.p50, calm.p80) == pytest.approx((0.51, 0.525, 0.54))
    assert not calm.noisy
    assert summarise([1.0] * 4).noisy
    assert summarise([1.0] * 6 + [2.0] * 5).noisy


def test_the_collector_is_off_inside_and_as_before_outside() -> None:
    seen: set[bool] = set()
    assert gc.isenabled()
    measure(lambda: seen.add(gc.isenabled()), seconds=0.001)
    assert seen == {False}
    assert gc.isenabled()

    def fault() -> None:
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        measure(fault, seconds=0.001)
    assert gc.isenabled()


def test_on_the_real_clock() -> None:
    x = torch.ones(64, 64)
    found = ratio(lambda: x @ x, lambda: x @ x, seconds=0.01)
    assert found.n >= 1
    assert found.value > 0
    assert found.reference.p50 > 0


@pytest.mark.gpu
def test_cuda_events_see_the_device() -> None:
    x = torch.ones(4096, 4096, device="cuda")
    found = measure(lambda: x @ x, seconds=0.05, device="cuda")
    flops = 2 * 4096**3 / found.p50
    assert 1e11 < flops < 1e16  # an unsynchronised clock would see launches alone
