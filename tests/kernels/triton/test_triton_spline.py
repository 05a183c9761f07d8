"""The rational-quadratic spline in Triton."""

from __future__ import annotations

from interpreted import needs_triton, run_tests


@needs_triton
def test_interpreted():
    run_tests("spline_interpreted.py")
