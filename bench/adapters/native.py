"""Objects that speak the contract themselves, torch.distributions among them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.adapters import Adapted


def adapt(obj: Any) -> Adapted:
    """Every ability is found by presence: log_prob, sample, transform, inverse, fit, loss."""
    distribution = isinstance(obj, torch.distributions.Distribution)
    has_log_prob = callable(getattr(obj, "log_prob", None))
    return Adapted(
        obj=obj,
        log_prob=_log_prob(obj) if has_log_prob else _none,
        sample=_sample(obj, distribution),
        transform=getattr(obj, "transform", None) if not distribution else None,
        inverse=_inverse(obj) if not distribution else None,
        map_only=getattr(obj, "map_only", None),
        fit=getattr(obj, "fit", None),
        loss=_loss(obj),
        expected_log_prob=getattr(obj, "expected_log_prob", None),
        box_log_prob=getattr(obj, "box_log_prob", None),
        module=obj if isinstance(obj, nn.Module) else None,
        differentiable=getattr(obj, "differentiable", isinstance(obj, nn.Module) or distribution),
    )


def _none(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
    raise NotImplementedError("this model has no log_prob")


def _log_prob(obj: Any) -> Any:
    """Pass `samples` and `context` only to a log_prob that has such a parameter."""
    known = parameters(obj.log_prob)

    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        given = {"samples": samples, "context": context}
        return obj.log_prob(x, **{k: v for k, v in given.items() if v is not None and k in known})

    return log_prob


def _loss(obj: Any) -> Any:
    """Pass `context` and `labels` only to a loss that has such a parameter; None without a loss."""
    if not callable(getattr(obj, "loss", None)):
        return None
    known = parameters(obj.loss)

    def loss(x: Tensor, context: Tensor | None = None, labels: Tensor | None = None) -> Tensor:
        given = {"context": context, "labels": labels}
        value: Tensor = obj.loss(
            x, **{k: v for k, v in given.items() if v is not None and k in known}
        )
        return value

    return loss


def _inverse(obj: Any) -> Any:
    """z -> x, also of an object whose inverse gives the log-determinant beside it."""
    if not callable(getattr(obj, "inverse", None)):
        return None

    def inverse(z: Tensor, *context: Tensor) -> Tensor:
        found = obj.inverse(z, *context)
        value: Tensor = found[0] if isinstance(found, tuple) else found
        return value

    return inverse


def parameters(function: Callable[..., Any]) -> set[str]:
    """Names of its parameters; none where Python cannot tell."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _sample(obj: Any, distribution: bool) -> Any:
    if not callable(getattr(obj, "sample", None)):
        return None
    return (lambda n: obj.sample((n,))) if distribution else obj.sample
