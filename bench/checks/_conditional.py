"""A conditional model as the checks see it: one context at a time, and its pairs with contexts.

At one context a conditional density is a density like any other, and the checks apply as they are.
What such slices cannot show, a row that reads its neighbour's context, the pairs (x, context) do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.adapters import Adapted
from bench.adapters.native import parameters
from bench.checks._pairs import pairs_of
from bench.contract import DataSpec, Splits
from bench.records import Check
from bench.subject import Subject, cycled, doubled

LEVELS = (0.1, 0.5, 0.9)  #: quantiles of the test contexts along their first principal axis
NEAREST = 500  #: training rows that stand for the law at a context: those of the nearest ones
TEST = 1000  #: draws of the law at a context that stand for test points
STRIDE = 4  #: every so many rows of a sampler's call have another context than the slice's
SEVERITY = ("n/a", "pass", "inconclusive", "error", "fail")


def views(subject: Subject) -> Callable[[str], Sequence[Subject]]:
    """From a check's name to what it runs on: slices, or what it asks of many contexts at once."""
    slices = [_slice(subject, i) for i in _chosen(subject)]
    across = {"invariance": [pairs_of(subject)], "memory": [subject], "rescore": [subject]}
    return lambda check: across.get(check, slices)


def worst(outcomes: Sequence[tuple[str | None, Check]]) -> Check:
    """The most severe outcome, with its view; among equals the one nearest to its threshold."""

    def severity(outcome: tuple[str | None, Check]) -> tuple[int, float]:
        check = outcome[1]
        excess = abs(check.statistic or 0.0) / (check.threshold or 1.0)
        return SEVERITY.index(check.verdict), excess

    name, check = max(outcomes, key=severity)
    applied = sum(c.verdict != "n/a" for _, c in outcomes)
    if not applied or len(outcomes) == 1:
        return check
    where = f"{name}, the worst of {applied}" if applied > 1 else name
    return check.model_copy(update={"detail": f"{where}: {check.detail}"})


def _chosen(subject: Subject) -> list[int]:
    """Test rows whose contexts lie at LEVELS along the direction in which contexts vary most."""
    context = subject.test_context
    assert context is not None
    centred = context.double().cpu()
    centred = centred - centred.mean(0)
    axis = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
    order = (centred @ (axis * axis[axis.abs().argmax()].sign())).argsort(stable=True)
    return list(dict.fromkeys(int(order[int(q * (len(order) - 1))]) for q in LEVELS))


def _slice(subject: Subject, row: int) -> Subject:
    """The subject at the context of one test row."""
    splits, contexts = subject.splits, subject.test_context
    assert splits.test_context is not None
    assert contexts is not None
    raw, context = splits.test_context[row], contexts[row]

    def see(model: Adapted) -> Adapted:
        return _given(model, context, contexts)

    def rebuilt(spec: DataSpec) -> Adapted:
        assert subject.rebuild is not None
        return see(subject.rebuild(near.conditional(spec)))

    near, more = _Near(subject.spec, context.cpu()), ", ..." if len(raw) > 4 else ""
    train, valid = splits.train[near.train], splits.valid[near.valid]
    known = subject.conditional_truth
    view = replace(
        subject,
        model=see(subject.model),
        dataset=replace(subject.dataset, context_dim=0),
        spec=near.spec(),
        splits=Splits(train, valid, train),
        truth=None if known is None else known.given(raw),
        rebuild=None if subject.rebuild is None else rebuilt,
        context_space=None,
        conditional_truth=None,
        scored=None,
        view=f"at context ({', '.join(f'{v:.3g}' for v in raw.tolist()[:4])}{more})",
        make_double=doubled(subject, lambda m: _given(m, context.double(), contexts.double())),
    )
    view.splits = replace(view.splits, test=_test_points(view))
    return view


def _test_points(view: Subject) -> Tensor:
    """Draws of the truth, else of the model, else the training rows; in the data's own units."""
    if view.truth is not None:
        return view.truth.sample(TEST, view.generator(201))
    try:
        return view.space.inverse(view.samples(TEST))
    except Exception:  # the checks that need the sampler report it
        return view.splits.train


class _Near:
    """The training and validation rows whose contexts lie nearest to `context` [C]."""

    def __init__(self, spec: DataSpec, context: Tensor) -> None:
        assert spec.train_context is not None
        assert spec.valid_context is not None
        self.whole = spec
        self.train = _nearest(spec.train_context, context)
        self.valid = _nearest(spec.valid_context, context)
        self.train_context = spec.train_context[self.train]
        self.valid_context = spec.valid_context[self.valid]

    def spec(self) -> DataSpec:
        """Those rows as data without a context."""
        return replace(
            self.whole,
            context_dim=0,
            n_train=len(self.train),
            make_train=lambda: self.whole.train[self.train],
            make_valid=lambda: self.whole.valid[self.valid],
            make_train_context=None,
            make_valid_context=None,
        )

    def conditional(self, spec: DataSpec) -> DataSpec:
        """Data made of those rows, coordinates left out perhaps, with their contexts again."""
        return replace(
            spec,
            context_dim=self.whole.context_dim,
            make_train_context=lambda: self.train_context,
            make_valid_context=lambda: self.valid_context,
        )


def _nearest(contexts: Tensor, context: Tensor) -> Tensor:
    """Indices of the NEAREST rows, in the split's order."""
    distance = (contexts - context).square().sum(1)
    return distance.argsort(stable=True)[:NEAREST].sort().values


def _given(model: Adapted, context: Tensor, others: Tensor) -> Adapted:
    """The model at one context [C]: a model of points alone.

    Its sampler is asked for rows of other contexts [n, C] as well, which are thrown away: one that
    mixes up rows betrays itself.
    """

    def rows(x: Tensor) -> Tensor:
        return context.to(x.dtype if x.is_floating_point() else context.dtype).expand(len(x), -1)

    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        value: Tensor = model.log_prob(x, samples=samples, context=rows(x))
        return value

    def sample(n: int) -> Tensor:
        index = torch.arange(STRIDE * -(-n // (STRIDE - 1)), device=context.device)
        mixed = context.repeat(len(index), 1)
        mixed[::STRIDE] = cycled(others, len(mixed[::STRIDE]))
        assert model.sample is not None
        drawn: Tensor = model.sample(len(mixed), mixed)
        return drawn[index % STRIDE != 0][:n]

    def bound(ability: Callable[..., Any] | None) -> Callable[..., Any] | None:
        return None if ability is None else lambda x: ability(x, rows(x))

    return Adapted(
        obj=_Given(model.obj, rows),
        log_prob=log_prob,
        sample=None if model.sample is None else sample,
        transform=bound(model.transform),
        inverse=bound(model.inverse),
        map_only=bound(model.map_only),
        module=model.module,
        differentiable=model.differentiable,
    )


class _Given:
    """What `build` returned, with the context supplied to its methods that take one."""

    def __init__(self, obj: Any, rows: Callable[[Tensor], Tensor]) -> None:
        self._obj, self._rows = obj, rows

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._obj, name)
        if not callable(found) or "context" not in parameters(found):
            return found
        return lambda x, *args, **more: found(x, *args, context=self._rows(x), **more)
