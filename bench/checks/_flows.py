"""What log-det and round-trip need of a flow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.adapters import Adapted
from bench.checks._base import EXACT, NotApplicable
from bench.subject import Subject


def require_flow(
    subject: Subject, kinds: tuple[str, ...] = EXACT
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The model's transform, or NotApplicable; so too for other kinds of likelihood."""
    if subject.space.discrete:
        raise NotApplicable("the model is discrete")
    if subject.model.transform is None:
        raise NotApplicable("the model has no transform")
    if subject.likelihood not in kinds:
        raise NotApplicable(f"the log-determinant is of kind {subject.likelihood}")
    return subject.model.transform


def double_flow(subject: Subject, x: Tensor) -> Adapted | None:
    """The float64 copy if it really computes in float64 at x [n, ...], else None."""
    double = subject.double()
    if double is None or double.transform is None:
        return None
    try:
        with torch.no_grad():
            z, logdet = double.transform(x[:2].double())
    except (RuntimeError, TypeError):
        return None
    return double if z.dtype == logdet.dtype == torch.float64 else None
