"""A profiler trace: one call of every implementation, each in a named span."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from bench import registry
from bench.costs.memory import hushed
from bench.profile.accuracy import Truth
from bench.profile.calls import Call, call, quiet
from bench.profile.candidates import candidates
from bench.profile.case import Case, Size
from bench.profile.plan import Group, Options, plan

WARM = 3  #: calls before the one that is traced


def write(options: Options, file: Path) -> None:
    """Write a Chrome trace of the groups that are measured in detail."""
    found = registry.discover()
    device = options.modes.device
    named: list[tuple[str, Call]] = []
    with quiet():
        for group in plan(found, options):
            if group.detailed:
                named += _calls(found, group, options)
        for _, run in named:
            for _ in range(WARM):
                run()
        activities = [ProfilerActivity.CPU]
        activities += [ProfilerActivity.CUDA] if device.startswith("cuda") else []
        with hushed(), profile(activities=activities) as recorded:
            for name, run in named:
                with record_function(name):
                    run()
    file.parent.mkdir(parents=True, exist_ok=True)
    recorded.export_chrome_trace(str(file))


def _calls(found: registry.Registry, group: Group, options: Options) -> list[tuple[str, Call]]:
    make = registry.load_function(group.entry)
    case: Case = make(Size(group.dim, group.batch))
    dtype = getattr(torch, group.dtype)
    truth = Truth(case, dtype, options.modes.device, group.way == "backward")
    calls = []
    for who in candidates(found, group.entry, case, options.modes, options.implementations):
        if who.build is None or who.mode in ("compiled", "graph"):
            continue
        maps = who.build(**truth.inputs.case.parameters)
        run = call(maps, truth.inputs, group.way, who.mode)
        if run is not None:
            calls.append((f"{group.words}  {who.name} {who.mode}", run))
    return calls
