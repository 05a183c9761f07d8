"""Both paths of every kernel."""

from __future__ import annotations

import pytest

from bench import kernels


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
