"""Runs the checks, each on its own: none sees what another one did, and none can end the others."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bench import paths
from bench.checks import _conditional
from bench.checks._base import Finding, NotApplicable
from bench.records import Check
from bench.registry import CheckEntry, discover, load_function
from bench.subject import Subject

FAST_POINTS = 1000  #: check_points of a fast run

Function = Callable[[Subject], Check | Finding]


def run(
    subject: Subject, checks: Iterable[CheckEntry] | None = None, fast: bool = False
) -> list[Check]:
    """Every check (default: all that are registered), sorted by name; never raises for a model.

    The same subject gives the same verdicts, bit for bit, whichever other checks run: each starts
    from the same random numbers and from the same weights, buffers and modes of the model. A check
    that does not apply says why (`n/a`); one that raised says what and where (`error`). With `fast`
    only the checks so marked run, on fewer points. A conditional model is checked at a few contexts
    (bench.checks._conditional), and the worst outcome counts.
    """
    entries = discover().checks.values() if checks is None else checks
    chosen = sorted((e for e in entries if e.fast or not fast), key=lambda e: e.name)
    if fast:
        points = min(subject.evaluation.check_points, FAST_POINTS)
        evaluation = subject.evaluation.model_copy(update={"check_points": points})
        subject = replace(subject, evaluation=evaluation)
    if subject.splits.test_context is None:
        return [run_one(entry, subject) for entry in chosen]
    views = _conditional.views(subject)
    return [
        _conditional.worst([(view.view, run_one(entry, view)) for view in views(entry.name)])
        for entry in chosen
    ]


def run_one(entry: CheckEntry, subject: Subject) -> Check:
    """One check's outcome under its name."""
    try:
        function: Function = load_function(entry)
        with torch.random.fork_rng(devices=[]), unchanged(subject.model.module):
            torch.manual_seed(2_345_678 + subject.seed)
            outcome = function(subject)
    except NotApplicable as why:
        outcome = Check(verdict="n/a", detail=f"{why}.")
    except Exception as error:
        outcome = Check(verdict="error", detail=_raised(error))
    found = outcome.check() if isinstance(outcome, Finding) else outcome
    return found.model_copy(update={"name": entry.name})


@contextmanager
def unchanged(module: nn.Module | None) -> Iterator[None]:
    """Weights, buffers and training modes as they were, whatever happens in between."""
    if module is None:
        yield
        return
    state: dict[str, Any] = copy.deepcopy(module.state_dict())
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        module.load_state_dict(state)
        for part, mode in modes:
            part.training = mode


def _raised(error: Exception) -> str:
    """`it raised KeyError at models/mine.py:12: the message.`"""
    last = traceback.extract_tb(error.__traceback__)[-1]
    root = paths.find_root()
    place = last.filename
    if root is not None:
        place = place.removeprefix(f"{root}/")
    text = " ".join(str(error).split())
    return f"it raised {type(error).__name__} at {place}:{last.lineno}: {text}."
