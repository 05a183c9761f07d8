"""Both paths of every kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import kernels

sys.path.insert(0, str(Path(__file__).parent / "triton"))  # for masked_cases.py


@pytest.fixture(params=["eager", "fused"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test on a path; skipped where the fused one has no compiler."""
    if request.param == "eager":
        monkeypatch.setenv("BENCH_FUSED", "0")
    else:
        monkeypatch.delenv("BENCH_FUSED", raising=False)
        if not kernels.available():
            pytest.skip(kernels.reason())
    return str(request.param)
