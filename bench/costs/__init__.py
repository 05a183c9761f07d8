"""What a trained model costs: throughputs, the price of its log-determinant, memory, parameters.

Definitions and what is compared with what: docs/costs.md. Nothing here raises for a fault of a
model: an ability that fails while it is timed is None in the record.
"""

from __future__ import annotations

import numpy as np

from bench.costs.calls import Calls, attempt, evaluating, usable
from bench.costs.logdet import log_det_cost
from bench.costs.memory import peak_bytes
from bench.costs.throughput import ladder
from bench.costs.twins import converted as converted
from bench.records import Cost
from bench.subject import Subject
from bench.timing import interleave, measure, summarise

PATHS = ("eager", "compiled", "fused", "triton")


def measure_costs(
    subject: Subject, *, train_seconds: float | None = None, train_steps: int | None = None
) -> Cost:
    """The cost of one trained model on the subject's device. Never raises for the model's faults.

    Calls run without gradients, in evaluation mode, with the threads the process has; they leave
    torch's random state as it was. Times are microseconds per sample at `evaluation.time_batch`
    points, `evaluation.time_seconds` per quantity.

    Args:
        train_seconds, train_steps: what training took, passed on into the record.
    """
    calls = Calls(subject)
    cost = Cost(
        parameters=attempt(lambda: parameters(subject)),
        train_seconds=train_seconds,
        train_steps=train_steps,
        batch=calls.batch,
        path=execution_path(subject),
    )
    with evaluating(subject):
        _density(cost, calls)
        _sampling(cost, calls)
    convert = subject.model.convert
    if convert is not None:  # an architecture that the converter does not know has no ratio
        cost.converted = attempt(lambda: converted(subject, convert()))
    return cost


def parameters(subject: Subject) -> int | None:
    """What the object says in `n_parameters`, else the numbers its torch module has fitted.

    Those are its parameters; of a module without any (a histogram), its floating-point buffers.
    None for objects that are no modules and say nothing.
    """
    said = getattr(subject.model.obj, "n_parameters", None)
    module = subject.model.module
    if isinstance(said, int) or module is None:
        return said if isinstance(said, int) else None
    count = sum(p.numel() for p in module.parameters())
    return count or sum(b.numel() for b in module.buffers() if b.is_floating_point())


def execution_path(subject: Subject) -> str:
    """What runs the model: its own attribute `path` where that is one of PATHS, else eager."""
    obj = subject.model.obj
    if hasattr(obj, "_orig_mod"):  # what torch.compile leaves on a module it wraps
        return "compiled"
    path = getattr(obj, "path", None)
    return path if path in PATHS else "eager"


def _density(cost: Cost, calls: Calls) -> None:
    """log_prob, and where there is one the transform with and without its log-determinant."""
    fns = {name: fn for name, fn in calls.density().items() if usable(fn)}
    if not fns:
        return
    order = list(fns.values())
    rounds = attempt(lambda: interleave(order, seconds=calls.seconds, device=calls.device))
    if rounds is None:
        return
    columns = {name: np.array(c) / calls.batch for name, c in zip(fns, rounds, strict=True)}
    if "log_prob" in fns:
        timing = summarise(columns["log_prob"])
        cost.log_prob_us = timing.times()
        cost.peak_bytes = peak_bytes(fns["log_prob"], calls.device, calls.torch_only)
        cost.density = ladder(calls.log_prob, timing, calls, cost.peak_bytes)
    if "transform" in fns:
        log_det_cost(cost, calls, columns)


def _sampling(cost: Cost, calls: Calls) -> None:
    """Seconds per sample at the batch, and the throughput over batch sizes."""
    fn = calls.sample(calls.batch)
    if not usable(fn):
        return
    timing = attempt(
        lambda: measure(fn, seconds=calls.seconds, device=calls.device, per=calls.batch)
    )
    if timing is None:
        return
    cost.sample_us = timing.times()
    if cost.peak_bytes is None:
        cost.peak_bytes = peak_bytes(fn, calls.device, calls.torch_only)
    cost.sampling = ladder(calls.sample, timing, calls, cost.peak_bytes)
    cost.samples_per_second = max(t.samples_per_second for t in cost.sampling)
