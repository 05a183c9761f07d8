"""Is the reported log-determinant that of the map? By brute force, in float64.

Catches a missing, mis-signed or mis-scaled log-determinant at once, without statistics.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench import check
from bench.checks._base import EXACT, Finding, NotApplicable, mean_error
from bench.checks._flows import double_flow, require_flow
from bench.jacobian import brute_force_logdet
from bench.records import Check
from bench.subject import Subject

POINTS, LARGEST = 16, 64
REPEATS = 64  #: of a stochastic log-determinant
RELATIVE = 1e-5  #: of 1 + |log-det|, in float64
SINGLE = 1e-2  #: median error of float32, nats


@check(
    "log-det",
    question="Is the log-determinant that a flow reports the one of its map?",
    remedy=(
        "Halve the list of layers until one is left: sign, a sum over the wrong axis, a scale "
        "applied but not counted, the log-determinant of the inverse."
    ),
)
def logdet(subject: Subject) -> Check:
    """Largest error at 16 points in float64, and the median error of the model as it is.

    A stochastic log-determinant by its mean.
    """
    transform = require_flow(subject, (*EXACT, "stochastic"))
    if subject.spec.dim > LARGEST:
        raise NotApplicable(f"the Jacobian in {subject.spec.dim} dimensions is too dear")
    x = subject.test[:POINTS]
    if subject.likelihood == "stochastic":
        return _mean(transform, x).check()
    double = double_flow(subject, x)
    with torch.no_grad():
        z, scored = transform(x)
    if double is None or double.transform is None:
        reported, exact = brute_force_logdet(transform, x.to(z.dtype))
        limit = SINGLE * (1 + exact.abs())
    else:
        reported, exact = brute_force_logdet(double.transform, x.double())
        limit = RELATIVE * (1 + exact.abs())
    error = (reported - exact).abs()
    worst = int((error / limit).nan_to_num(nan=torch.inf).argmax())
    rounding = float((scored - exact).abs().median())
    rough = not rounding <= SINGLE + 1e-5 * float(exact.abs().median())  # NaN is rough
    precision = "float64" if double is not None else "float32 (no float64 copy)"
    return Check(
        verdict="pass" if float(error[worst]) <= float(limit[worst]) and not rough else "fail",
        statistic=float(error[worst]),
        threshold=float(limit[worst]),
        n=len(x),
        detail=(
            f"the reported log-determinant is within {float(error[worst]):.1e} nats of the "
            f"Jacobian's in {precision}; as scored, the median error is {rounding:.1e}."
        ),
    )


def _mean(transform: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> Finding:
    """The error averaged over points and evaluations, whose noise the points may share."""
    exact = brute_force_logdet(transform, x)[1].double()
    with torch.no_grad():
        reported = torch.stack([transform(x)[1].double() for _ in range(REPEATS)])
    mean, error = mean_error((reported - exact).mean(1))
    return Finding(
        effect=mean,
        error=error,
        threshold=SINGLE * (1 + float(exact.abs().mean())),
        n=len(x),
        what=f"over {REPEATS} evaluations the log-determinant is off by {mean:+.4f} nats",
    )
