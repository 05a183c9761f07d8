"""Every log-det kernel of the catalogue: our fastest path against the kernel's baseline.

`bench profile` measures the same pairs in depth; this is the short form that pytest-benchmark
keeps and compares.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from bench.profile.accuracy import Truth
from bench.profile.calls import Call, call, quiet
from bench.profile.candidates import Candidate, Modes, candidates
from bench.profile.case import Size
from bench.registry import discover, load_function

DIM, BATCH = 16, 64
FOUND = discover()
Timed = Callable[..., None]

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("name", sorted(FOUND.kernels))
def test_kernel_forward(timed: Timed, name: str) -> None:
    entry = FOUND.kernels[name]
    case = load_function(entry)(Size(DIM, BATCH))
    truth = Truth(case, torch.float32, "cpu", grad=False)
    who = [c for c in candidates(FOUND, entry, case, Modes()) if c.build is not None]
    ours = [c for c in who if c.name == "in-house"][-1]  # fused where it is there
    baseline = next(c for c in who if c.name == entry.baseline)

    def of(candidate: Candidate) -> Call:
        assert candidate.build is not None
        found = call(
            candidate.build(**truth.inputs.case.parameters), truth.inputs, "forward", candidate.mode
        )
        assert found is not None
        return found

    with quiet():
        reference, candidate = of(baseline), of(ours)
        for new, old in zip(candidate(), reference(), strict=True):
            torch.testing.assert_close(new, old, rtol=1e-3, atol=1e-3)
        timed("kernel", entry.baseline, reference, candidate, dim=DIM, batch=BATCH, mode=ours.mode)
