"""An in-house flow with a reference's weights against the reference: same function, whose time?"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from bench.adapters import Adapted, adapt
from bench.costs.calls import Call, Calls, attempt, evaluating
from bench.records import Converted
from bench.subject import Subject
from bench.timing import Ratio, ratio

AGREEMENT = 1e-3  #: mean |difference| of log_prob over 1 + mean |log_prob|, nats


def converted(subject: Subject, flow: Any) -> Converted:
    """Interleaved ratios at `evaluation.time_batch` points; > 1 where `flow` is faster.

    Both run without gradients, in evaluation mode, on the same points. Correctness first: a flow
    whose log_prob is another function than the subject's gets no ratio. Never raises for the
    models' faults: what fails stays None.

    Args:
        subject: the trained reference.
        flow: an object with log_prob and sample that holds the reference's weights.
    """
    calls, found = Calls(subject), Converted()
    ours = attempt(lambda: _prepare(flow, subject.device))
    with evaluating(subject):
        if ours is None or not attempt(partial(same_function, calls, ours)):
            return found
        mine = calls.log_prob(calls.batch, ours)
        density = _compare(calls, calls.log_prob(calls.batch), mine)
        if density is not None:
            found.log_prob_ratio, found.log_prob_interval = density.value, density.interval
        if subject.model.sample is not None and ours.sample is not None:
            sample = calls.sample(calls.batch, ours)
            draws = _compare(calls, calls.sample(calls.batch), sample)
            if draws is not None:
                found.sample_ratio, found.sample_interval = draws.value, draws.interval
    return found


def same_function(calls: Calls, ours: Adapted) -> bool:
    """Both log_prob agree on the batch to float32's accuracy."""
    old = calls.log_prob(calls.batch)().double()
    new = calls.log_prob(calls.batch, ours)().double()
    gap = (old - new).abs().mean()
    return bool(torch.isfinite(gap) and gap <= AGREEMENT * (1 + old.abs().mean()))


def _compare(calls: Calls, reference: Call, candidate: Call) -> Ratio | None:
    return attempt(lambda: ratio(reference, candidate, seconds=calls.seconds, device=calls.device))


def _prepare(flow: Any, device: str) -> Adapted:
    ours = adapt(flow)
    if ours.module is not None:
        ours.module.to(device).eval()
    return ours
