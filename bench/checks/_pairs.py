"""The pairs (x, context) of a conditional subject, flat and side by side, as points of one space.

Each row then carries its context, and a check that reorders, splits or repeats rows shows a model
that reads the context of another row.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bench.adapters import Adapted
from bench.checks._base import flat
from bench.contract import DataSpec, Splits
from bench.spaces import Space
from bench.subject import Subject, cycled, doubled


def pairs_of(subject: Subject) -> Subject:
    """The subject whose points are the test pairs, in the model's space.

    log_prob is that of x given the context still, with no density of contexts in it: good for
    comparing values of the same pairs, not for integrals.
    """
    spec, contexts = subject.spec, subject.test_context
    assert contexts is not None
    test = _joined(subject.test, contexts).cpu()
    return replace(
        subject,
        model=_model(subject.model, spec, contexts),
        space=Space("pairs", tuple(test.shape[1:]), []),
        spec=replace(spec, kind="continuous", shape=tuple(test.shape[1:]), levels=None),
        splits=Splits(test, test, test),
        rebuild=None,
        context_space=None,
        conditional_truth=None,
        scored=None,
        view="pairs",
        make_double=doubled(subject, lambda m: _model(m, spec, contexts.double())),
    )


def _joined(x: Tensor, context: Tensor) -> Tensor:
    """Points [n, ...] and their contexts [n, C], in the contexts' type: [n, D + C]."""
    return torch.cat([flat(x).to(context.dtype), context], 1)


def _model(model: Adapted, spec: DataSpec, contexts: Tensor) -> Adapted:
    """The model of pairs; its draws are at the test contexts [n, C]."""

    def log_prob(z: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        x = z[:, : spec.dim].reshape(-1, *spec.train.shape[1:])
        if not spec.train.is_floating_point():  # outliers among pairs know no levels
            x = x.round().clamp(0, (spec.levels or 2) - 1).long()
        value: Tensor = model.log_prob(x, samples=samples, context=z[:, spec.dim :])
        return value

    def sample(n: int) -> Tensor:
        assert model.sample is not None
        given = cycled(contexts, n)
        return _joined(model.sample(n, given), given)

    return Adapted(
        obj=None,  # its methods know nothing of pairs
        log_prob=log_prob,
        sample=None if model.sample is None else sample,
        module=model.module,
        differentiable=model.differentiable,
    )
