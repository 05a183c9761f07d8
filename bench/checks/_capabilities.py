"""What a model offers beyond log_prob, found by presence on the object that `build` returned.

The methods, their shapes and what each switches on: docs/adding-a-model.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.checks._base import POINTS, flat, spread
from bench.subject import Subject

VALUES = 2**21  #: entries of a table of masses in memory at once

Values = Callable[[Tensor], Tensor]  #: x [B, ...] -> values by coordinate


def method(obj: Any, name: str) -> Callable[..., Any] | None:
    """The object's method of that name, or None."""
    found = getattr(obj, name, None)
    return found if callable(found) else None


def order_of(obj: Any, dim: int) -> Tensor:
    """The declared position of each coordinate, int64 [D]; 0..D-1 where nothing is declared.

    Raises ValueError for anything else than D whole numbers.
    """
    declared = getattr(obj, "order", None)
    order = torch.arange(dim) if declared is None else torch.as_tensor(declared).cpu()
    if order.shape != (dim,) or order.is_floating_point():
        raise ValueError(
            f"order is {order.dtype} of shape {list(order.shape)}; give {dim} integers, "
            "order[i] the position of coordinate i"
        )
    return order.long()


def tables(obj: Any, x: Tensor, levels: int) -> Tensor:
    """conditionals(x) [B, D, K], nats, after its shape has been verified.

    Raises ValueError for another shape.
    """
    return _shaped(obj.conditionals(x), (*flat(x).shape, levels), "conditionals(x)")


def terms(obj: Any, x: Tensor) -> Tensor:
    """terms(x) [B, D], nats, after its shape has been verified. Raises ValueError for another."""
    return _shaped(obj.terms(x), tuple(flat(x).shape), "terms(x)")


def _shaped(values: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} has shape {list(values.shape)}, expected {list(shape)}")
    return values


def rows_at_once(subject: Subject) -> int:
    """Points whose tables of masses fit into memory together, at most a call of log_prob."""
    return max(min(VALUES // (subject.spec.dim * (subject.spec.levels or 1)), POINTS), 1)


def probes(subject: Subject, n: int, purpose: int) -> dict[str, Tensor]:
    """n test points and n anywhere in the model's space, name -> [n, ...].

    Anywhere is uniform over the levels, or normal around the test points with twice their spread.
    """
    test, generator = subject.test[:n], subject.generator(purpose)
    if subject.space.discrete:
        shape = (n, *test.shape[1:])
        anywhere = torch.randint(subject.spec.levels or 2, shape, generator=generator)
        return {"test points": test, "random states": anywhere.to(test)}
    centre, scale = spread(flat(subject.test))
    noise = torch.randn(n, len(scale), generator=generator, dtype=torch.float64)
    anywhere = (centre + 2 * scale * noise).reshape(n, *test.shape[1:])
    return {"test points": test, "random points": anywhere.to(test)}


def precise(subject: Subject, x: Tensor, values: Callable[[Any], Values]) -> tuple[Any, Tensor]:
    """The object that computes `values` in float64, and x in its precision.

    That is the model's float64 copy where it can be had and really computes so at x [n, ...], else
    the object as it is scored.
    """
    double = subject.double()
    if double is None:
        return subject.model.obj, x
    wide = x.double() if x.is_floating_point() else x
    try:
        with torch.no_grad():
            found = values(double.obj)(wide[:2])
    except (RuntimeError, TypeError):
        return subject.model.obj, x
    return (double.obj, wide) if found.dtype == torch.float64 else (subject.model.obj, x)
