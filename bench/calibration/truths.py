"""Models on the audit's known truths, prepared and fitted as `bench check MODEL` does it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch

from bench.adapters import Adapted, adapt
from bench.calibration.bases import BUDGET
from bench.calibration.planted import Wrong
from bench.cell import make_subject
from bench.cellspec import CellSpec
from bench.contract import DataSpec, Density, Splits
from bench.fitting import fit_seed, rebuilder
from bench.preparing import Prepared, view
from bench.randomness import seeded
from bench.registry import DatasetEntry, ModelEntry, Registry, discover, load_function
from bench.settings import DatasetPlan, Sizes, Suite
from bench.spaces import dequantized, native, stretched
from bench.subject import Subject

Build = Callable[[DataSpec], Any]

SIZES = Sizes(train=10_000, valid=2_000, test=2_000)  #: those of the audit
LIKELIHOODS = {"continuous": "exact", "discrete": "exact-discrete", "binary": "exact-discrete"}


def honest_subject(build: Build, truth: str, seed: int, likelihood: str | None = None) -> Subject:
    """The model that `build` returns, fitted on draws of a known truth.

    Args:
        build: like a plugin's.
        truth: name of a known truth, such as audit-continuous-2; followed by ` dequantized` for a
            continuous model of levels.
        seed: of the draws, of the training and of the battery.
        likelihood: kind of the model's log_prob; None: exact.
    """
    data, kind = prepared(truth, seed), likelihood or LIKELIHOODS[_kind(truth)]
    return make_subject(
        _cell(truth, kind), data, fitted(build, truth, seed, kind), seed, _rebuild(build, kind)
    )


def cheating_subject(
    build: Build, wrong: Wrong, truth: str, seed: int, likelihood: str | None = None
) -> Subject:
    """What `wrong` makes of the fitted honest model, on the same data."""
    subject = honest_subject(build, truth, seed, likelihood)
    again = _rebuild(build, subject.likelihood)
    subject.model = _spoilt(wrong, subject.model, subject.spec, seed)
    subject.rebuild = lambda spec: _spoilt(wrong, again(spec), spec, seed)
    return subject


def peeking_subject(build: Build, truth: str, seed: int) -> Subject:
    """A model that was given the test split among its training points."""
    subject = honest_subject(build, truth, seed)
    train, test = subject.spec.train, subject.test.cpu()
    known = torch.cat([test, train])[: len(train)]
    spec = replace(subject.spec, make_train=lambda: known)
    subject.model = _spoilt(lambda honest, data: build(data), subject.model, spec, seed)
    return subject


def _spoilt(wrong: Wrong, honest: Adapted, data: DataSpec, seed: int) -> Adapted:
    with seeded(seed):
        model = adapt(wrong(copy.deepcopy(honest.obj), data))
    if model.module is not None:
        model.module.eval()
    return model


@lru_cache(maxsize=16)
def fitted(build: Build, truth: str, seed: int, likelihood: str) -> Adapted:
    """Built and fitted once per process: many cheats share one honest model."""
    with seeded(seed):
        return fit_seed(
            build,
            prepared(truth, seed),
            settings={},
            budget=BUDGET,
            likelihood=likelihood,
            seed=seed,
            root=None,
            key="",
            report=lambda step, steps: None,
        ).model


@lru_cache(maxsize=4)
def prepared(truth: str, seed: int) -> Prepared:
    """Draws of a known truth, other ones for each seed, in the space of the audit."""
    entry, density = _truth(truth)
    generator = torch.Generator().manual_seed(1_000_003 * seed + 7)
    sizes = (SIZES.train, SIZES.valid, SIZES.test)
    splits = Splits(*(density.sample(n, generator) for n in sizes))
    if _kind(truth) != entry.kind:
        space = dequantized("marginals", splits.train, entry.levels or 2, entry.shape)
    elif entry.kind == "continuous":
        space = stretched(splits.train, entry.shape)
    else:
        space = native(entry.shape)
    spec = view(_cell(truth, LIKELIHOODS[_kind(truth)]), splits, space)
    return Prepared(splits, density, space, spec, digest="")


def _rebuild(build: Build, likelihood: str) -> Callable[[DataSpec], Adapted]:
    return rebuilder(build, {}, BUDGET, likelihood)


def _kind(truth: str) -> str:
    """Kind of data that the model meets."""
    return "continuous" if truth.endswith(" dequantized") else _truth(truth)[0].kind


def _cell(truth: str, likelihood: str) -> CellSpec:
    entry, _ = _truth(truth)
    suite = Suite(datasets={entry.name: DatasetPlan()}, sizes=SIZES, train=BUDGET)
    return CellSpec(
        dataset=entry,
        model=ModelEntry("model", Path(__file__), "build", likelihood=likelihood),
        suite_name="calibration",
        suite=suite,
        budget=BUDGET,
        settings={},
        space="",
        kind=_kind(truth),
    )


@cache
def _registry() -> Registry:
    return discover()


@cache
def _truth(truth: str) -> tuple[DatasetEntry, Density]:
    entry = _registry().dataset(truth.removesuffix(" dequantized"))
    return entry, load_function(entry)()
