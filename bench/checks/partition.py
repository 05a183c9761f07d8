"""Is the stated partition function that of the energy? For unnormalised models of discrete data."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench import check
from bench.checks._base import POINTS, SIGMAS, Finding, NotApplicable, difference, log_prob
from bench.checks._capabilities import method
from bench.checks.sums import ALL_STATES, crop, states
from bench.records import Check
from bench.subject import Subject

ROWS = 256
ABSOLUTE, RELATIVE = 1e-4, 1e-5  #: rounding, nats and share of the numbers' size
ESTIMATE = 0.1  #: nats, where the model states an error
CAUTION = 3.0  #: stated errors count so many times: the weights of annealing have heavy tails
RANDOM = ("lower-bound", "stochastic", "none")  #: kinds whose log_prob is not log f - log Z


@check(
    "partition",
    question="Is the log-partition function that an energy model states that of its energy?",
    remedy=(
        "The log-partition function of annealing's base, the number of chains in the mean of the "
        "weights, the sign of log Z in log_prob, weights that changed after log Z was computed."
    ),
)
def partition(subject: Subject) -> Check:
    """log Z over all states minus the stated one; a positive difference flatters the model.

    The unflattering side is no fault of a lower bound, nor the flattering one of an upper bound
    that states no error.
    """
    obj = subject.model.obj
    if method(obj, "log_unnormalized") is None or getattr(obj, "log_partition", None) is None:
        raise NotApplicable("the model shows no log_unnormalized with a log_partition")
    if not subject.space.discrete:
        raise NotApplicable("the model is continuous, and only states can be summed")
    wrong = None if subject.likelihood in RANDOM else _log_prob(subject)
    if wrong is not None:
        return wrong
    levels, spec, where = subject.spec.levels or 2, subject.spec, "all"
    if levels**spec.dim > ALL_STATES:
        if subject.rebuild is None:
            raise NotApplicable("there are too many states, and nothing here can rebuild the model")
        spec = crop(spec, levels)
        obj = subject.rebuild(spec).obj
        where = f"the model rebuilt on {spec.dim} coordinates: all"
    return _log_partition(subject, obj, states(levels, spec), where).check()


def _number(obj: Any, name: str) -> float:
    """A number, tensor or method of no arguments as a float; zero where it is absent or None."""
    found = getattr(obj, name, None)
    with torch.no_grad():
        value = found() if callable(found) else found
    return 0.0 if value is None else float(value)


def _log_partition(subject: Subject, obj: Any, x: Tensor, where: str) -> Finding:
    """The stated log Z against the logsumexp of log_unnormalized over all states x."""
    with torch.no_grad():
        parts = [obj.log_unnormalized(p.to(subject.device)).double() for p in x.split(POINTS)]
    exact = float(torch.logsumexp(torch.cat(parts), 0))
    stated, error = _number(obj, "log_partition"), _number(obj, "log_partition_error")
    told = f" +- {error:.2g}" if error else ""
    rounding = ABSOLUTE + RELATIVE * abs(exact)
    return Finding(
        effect=exact - stated,
        error=CAUTION * error if error else rounding / SIGMAS / 2,
        threshold=ESTIMATE if error else rounding,
        n=len(x),
        what=f"{where} {len(x)} states give a log Z of {exact:.4f}, stated is {stated:.4f}{told}",
        upper=subject.likelihood == "lower-bound",
        lower=subject.likelihood == "upper-bound" and not error,
    )


def _log_prob(subject: Subject) -> Check | None:
    """A failure where log_prob is not log_unnormalized - log_partition at test points."""
    obj, x = subject.model.obj, subject.test[:ROWS]
    with torch.no_grad():
        energy = obj.log_unnormalized(x).double().cpu()
    stated = _number(obj, "log_partition")
    reported = log_prob(subject, x)
    gap = difference(reported, energy - stated).abs()
    size = energy.abs() + abs(stated)
    noise = SIGMAS * CAUTION * _number(obj, "log_partition_error")
    limit = ABSOLUTE + RELATIVE * size + noise
    worst = int((gap / limit).nan_to_num(nan=0.0).argmax())
    if not gap[worst] > limit[worst]:
        return None
    return Check(
        verdict="fail",
        statistic=float(gap[worst]),
        threshold=float(limit[worst]),
        n=len(x),
        detail=(
            f"log_prob is not log_unnormalized - log_partition: {float(reported[worst]):.4f} "
            f"against {float(energy[worst]):.4f} - {stated:.4f} nats."
        ),
    )
