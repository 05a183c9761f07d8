"""One seed of one cell: build the model, fit it, or take it from the store of trained ones."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial as bind
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.adapters import Adapted, adapt
from bench.checkpoints import load_state, partial_path, save_state, trained_path
from bench.contract import DataSpec, Splits
from bench.errors import BenchError, DivergedError, PluginError
from bench.preparing import Prepared
from bench.randomness import seed_everything, seeded, state
from bench.settings import Budget
from bench.spaces import Space
from bench.training import Report, Source, Trainer, TrainingResult


@dataclass
class Fitted:
    """A model ready to be scored."""

    model: Adapted
    result: TrainingResult
    random: bool  #: the outcome depends on the seed
    cached: bool = False  #: taken from the store; nothing was trained


def build_model(build: Callable[..., Any], spec: DataSpec, settings: dict[str, Any]) -> Adapted:
    """Call the plugin and wrap what it returns. Raises PluginError with its own words.

    `build` sees the tensors on the CPU; the module is moved to the device by the caller.
    """
    try:
        return adapt(build(spec, **settings))
    except BenchError:
        raise
    except Exception as error:
        raise PluginError(f"build raised {type(error).__name__}: {error}") from error


def probe(model: Adapted, spec: DataSpec, likelihood: str, device: str) -> None:
    """Refuse a wrong shape or NaN before a long training, on a few training points.

    Raises PluginError saying what was expected and what came.
    """
    if likelihood == "none" or (model.fit is not None and not model.trainable):
        return
    x = spec.train[:7].to(device)
    context = None if spec.train_context is None else spec.train_context[:7].to(device)
    samples = 2 if likelihood == "lower-bound" else None
    with torch.no_grad(), seeded(seed=0):
        if model.module is not None:
            model.module.eval()
        try:
            value = model.log_prob(x, samples=samples, context=context)
        except Exception as error:
            given = "" if context is None else f" given contexts {list(context.shape)}"
            raise PluginError(
                f"log_prob of points {list(x.shape)}{given} raised {type(error).__name__}: {error}"
            ) from error
    check_values(value, x)


def check_values(value: Any, x: Tensor) -> None:
    """Raise PluginError unless `value` is one number per point and none of them NaN."""
    if not isinstance(value, Tensor) or value.shape != (len(x),):
        got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise PluginError(
            f"log_prob of {len(x)} points returned {got}; expected shape [{len(x)}], nats per point"
        )
    bad = int(torch.isnan(value).sum())
    if bad:
        raise PluginError(f"log_prob returned NaN at {bad} of {len(x)} training points")


def fit_seed(
    build: Callable[..., Any],
    data: Prepared,
    *,
    settings: dict[str, Any],
    budget: Budget,
    likelihood: str,
    seed: int,
    root: Path | None,
    key: str,
    report: Report,
) -> Fitted:
    """Build and fit one seed; `key` is the fingerprint under which `root` stores the outcome.

    With a finished training under that key nothing is trained; with an unfinished one it continues
    to the same bits. Without `root` nothing is stored.

    Raises PluginError for what the plugin does wrong, DivergedError where training ends in NaN, and
    BenchError where the store cannot be written or is damaged.
    """
    seed_everything(seed)
    fresh, started = state(), time.monotonic()
    model = build_model(build, data.spec, settings)
    if model.module is not None:
        model.module.to(data.device)
    probe(model, data.spec, likelihood, data.device)
    stored = trained_path(root, key) if root is not None else None
    if stored is not None and stored.is_file():
        restored = _restore(model, load_state(stored))
        if restored is not None:
            return restored
    result = TrainingResult()
    if model.fit is not None:
        _fit_itself(model, data.spec, budget)
    elif model.trainable:
        result = _maximum_likelihood(model, data, budget, seed, root, key, report)
    if not model.trainable or model.fit is not None:
        result.seconds = time.monotonic() - started
    if model.module is not None:
        model.module.eval()
    fitted = Fitted(model, result, random=model.trainable or fresh != state())
    if stored is not None and (model.fit is not None or model.trainable):
        _store(fitted, stored)
    return fitted


def _fit_itself(model: Adapted, spec: DataSpec, budget: Budget) -> None:
    assert model.fit is not None
    try:
        model.fit(spec, budget)
    except BenchError:
        raise
    except Exception as error:
        raise PluginError(f"fit raised {type(error).__name__}: {error}") from error


def _maximum_likelihood(
    model: Adapted,
    data: Prepared,
    budget: Budget,
    seed: int,
    root: Path | None,
    key: str,
    report: Report,
) -> TrainingResult:
    contexts = [
        None if c is None else c.to(data.device)
        for c in (data.spec.train_context, data.spec.valid_context)
    ]
    labels = None if data.spec.train_labels is None else data.spec.train_labels.to(data.device)
    source = Source(data.splits.train, data.space, data.device, contexts[0], labels)
    valid, ledger = data.space.forward(data.splits.valid, torch.Generator().manual_seed(18))
    train_ledger = data.space.forward(data.splits.train, torch.Generator().manual_seed(17))[1]
    trainer = Trainer(model, source, valid.to(data.device), budget, seed, contexts[1])
    partial = partial_path(root, key) if root is not None else None
    try:
        result = trainer.run(partial, report)
    except BenchError:
        raise
    except FloatingPointError as error:
        raise DivergedError(f"training stopped: {error}. Lower train.lr") from error
    except Exception as error:
        raise PluginError(f"training raised {type(error).__name__}: {error}") from error
    moved, train_moved = float(ledger.mean()), float(train_ledger.mean())
    curve = [(s, t + train_moved, v + moved) for s, t, v in result.curve]
    valid_nats = None if result.valid_nats is None else result.valid_nats + moved
    return replace(result, curve=curve, valid_nats=valid_nats)


def _store(fitted: Fitted, file: Path) -> None:
    """Keep the weights, or the fitted object itself; one that cannot be pickled is refitted."""
    model = fitted.model
    payload: dict[str, Any] = {"result": vars(fitted.result), "random": fitted.random}
    if model.module is not None:
        payload["module"] = model.module.state_dict()
    else:
        payload["object"] = model.obj
    try:
        save_state(file, payload)
    except (AttributeError, TypeError, pickle.PicklingError):
        return


def _restore(model: Adapted, payload: dict[str, Any]) -> Fitted | None:
    """The stored training, or None where it does not fit what `build` returned."""
    if "object" in payload:
        model = adapt(payload["object"])
    elif model.module is not None:
        try:
            model.module.load_state_dict(payload["module"])
        except RuntimeError:
            return None
        model.module.eval()
    result = TrainingResult(**payload["result"])
    return Fitted(model, result, payload["random"], cached=True)


def rebuilder(
    build: Callable[..., Any], settings: dict[str, Any], budget: Budget, likelihood: str
) -> Callable[[DataSpec], Adapted]:
    """What rebuilds the model on other data in its own space, with a short training."""
    return bind(_rebuild, build, settings, budget, likelihood)


def _rebuild(
    build: Callable[..., Any],
    settings: dict[str, Any],
    budget: Budget,
    likelihood: str,
    spec: DataSpec,
) -> Adapted:
    identity = Space("given", spec.shape, [], discrete=not spec.train.is_floating_point())
    contexts = spec.train_context, spec.valid_context, spec.valid_context
    splits = Splits(spec.train, spec.valid, spec.valid, *contexts)
    data = Prepared(splits, None, identity, spec, digest="")
    short = budget.model_copy(update={"steps": min(60, budget.steps), "validations": 2})
    with seeded(seed=0):
        return fit_seed(
            build,
            data,
            settings=settings,
            budget=short,
            likelihood=likelihood,
            seed=0,
            root=None,
            key="",
            report=lambda step, steps: None,
        ).model
