"""What the log-determinant costs: against the map without it, and against brute force."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.adapters import Adapted
from bench.costs.calls import Calls, attempt
from bench.jacobian import brute_force_logdet
from bench.records import Cost
from bench.timing import Timing, measure, summarise

MAX_DIM = 64  #: the brute force takes D backward passes and D^2 numbers per point
POINTS = 16  #: at which values are compared
GROWTH = 4  #: of the brute force's batch, towards the suite's
SHARE = 1 / 3  #: of the time per quantity, for each batch of the brute force

Rounds = NDArray[np.float64]


def log_det_cost(cost: Cost, calls: Calls, columns: Mapping[str, Rounds]) -> None:
    """Fill in the log-det fields from interleaved seconds per sample, one entry per round.

    Differences are taken within rounds and then the median: a slow phase of the machine that hits
    some rounds moves the difference of two medians, but not the median difference.
    """
    transform = summarise(columns["transform"])
    cost.transform_us = transform.times()
    if "map" in columns:
        cost.map_us = summarise(columns["map"]).times()
    pair = ("transform", "map") if "map" in columns else ("tape", "tape_map")
    if pair[1] in columns:
        cost.logdet_method = "map" if pair[1] == "map" else "tape"
        extra = columns[pair[0]] - columns[pair[1]]
        cost.logdet_us = max(0.0, 1e6 * float(np.median(extra)))
        if "log_prob" in columns:
            share = float(np.median(extra / np.maximum(columns["log_prob"], 1e-12)))
            cost.logdet_share = min(max(0.0, share), 1.0)
    exact = _double(calls) if calls.subject.spec.dim <= MAX_DIM else None
    if exact is None:
        return
    cost.logdet_error = attempt(lambda: log_det_error(calls, exact))
    brute = attempt(lambda: brute_force(calls, exact))
    if brute is not None and transform.p50 > 0:
        cost.logdet_speedup = brute.p50 / transform.p50


def log_det_error(calls: Calls, exact: Adapted) -> float:
    """Largest |log-det as the model reports it - float64 brute force| at POINTS points, nats."""
    transform, double = calls.transform(POINTS), calls.transform(POINTS, exact)
    assert transform is not None
    assert double is not None
    x = calls.points(POINTS)
    error = transform(x)[1].double() - brute_force_logdet(double, x.double())[1]
    return float(error.abs().max())


def brute_force(calls: Calls, exact: Adapted) -> Timing:
    """Seconds per sample of the float64 brute force at the largest affordable batch.

    From POINTS points the batch grows by GROWTH up to the suite's, as long as the next one should
    take less than SHARE of the time per quantity.
    """
    n = min(POINTS, calls.batch)
    while True:
        x, double = calls.points(n).double(), calls.transform(n, exact)
        assert double is not None
        timing = measure(
            partial(brute_force_logdet, double, x),
            seconds=SHARE * calls.seconds,
            device=calls.device,
            per=n,
        )
        larger = min(n * GROWTH, calls.batch)
        if larger == n or larger * timing.p50 > SHARE * calls.seconds:
            return timing
        n = larger


def _double(calls: Calls) -> Adapted | None:
    """A float64 copy of the model, where it can be copied and cast and has a transform."""
    twin = attempt(calls.subject.double)
    return None if twin is None or twin.transform is None else twin
