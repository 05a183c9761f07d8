"""Runs the groups of a plan within a time budget and puts the profile together."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from datetime import UTC, datetime

import torch

from bench import registry
from bench.environment.machine import capture
from bench.profile.candidates import candidates
from bench.profile.case import Case, Size
from bench.profile.ceilings import ceilings, place
from bench.profile.controls import widen
from bench.profile.fits import fits
from bench.profile.group import Bench
from bench.profile.plan import Group, Options, plan
from bench.profile.rows import Profile, Row
from bench.registry import Registry

SHORTEST, LONGEST = 0.01, 0.5  #: seconds for one call in one group
TIMED = 0.6  #: share of the budget that goes into counted calls
CALLS = 4  #: that a group has about
CHECKED = 32  #: points of the check in float64

Progress = Callable[[int, int, str], None]
Place = tuple[str, int, int, str, str]  #: kernel, dimension, batch, dtype, pass


def run(
    options: Options,
    said: Progress = lambda done, total, what: None,
    places: Container[Place] | None = None,
) -> Profile:
    """Sweep. `said(groups done, groups in all, what comes next)` reports progress.

    With `places` only those groups of the plan. Raises UsageError for unknown names, MissingError
    for a package that a kernel's file needs.
    """
    started, begin = datetime.now(UTC), time.monotonic()
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        device = options.modes.device
        found = registry.discover()
        groups = [g for g in plan(found, options) if places is None or place_of(g) in places]
        ceiling = ceilings(device, getattr(torch, options.dtypes[0]))
        bench, rows = Bench(device), []
        for done, group in enumerate(groups):
            said(done, len(groups), group.words)
            left = options.seconds - (time.monotonic() - begin)
            seconds = TIMED * left / (CALLS * (len(groups) - done))
            seconds = min(LONGEST, max(SHORTEST, seconds))
            rows += measured(bench, found, group, options, seconds)
        said(len(groups), len(groups), "done")
        for row in rows:
            place(row, ceiling)
        widened = widen(rows)
        return Profile(
            started=started.isoformat(timespec="seconds"),
            seconds=time.monotonic() - begin,
            device=device,
            threads=options.threads,
            environment=capture(device),
            ceilings=ceiling,
            widened=widened,
            rows=rows,
            fits=fits(rows),
        )
    finally:
        torch.set_num_threads(before)


def place_of(at: Group | Row) -> Place:
    """Which group a row belongs to."""
    kernel = at.entry.name if isinstance(at, Group) else at.kernel
    return kernel, at.dim, at.batch, at.dtype, at.way


def measured(
    bench: Bench, found: Registry, group: Group, options: Options, seconds: float
) -> list[Row]:
    """The rows of one group."""
    make = registry.load_function(group.entry)
    case: Case = make(Size(group.dim, group.batch))
    small: Case = make(Size(group.dim, min(CHECKED, group.batch), seed=1))
    who = candidates(found, group.entry, case, options.modes, options.implementations)
    return bench.rows(group, case, small, who, seconds)
