"""Runs a file of tests in a child process, where Triton's kernels run interpreted on a CPU.

The environment is read when triton is imported: no test of this process could set it in time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="triton is not installed (pip install 'density-bench[gpu]')"
)


def run_tests(file: str) -> None:
    """Fail with the child's output unless every test of this folder's `file` passes."""
    here = Path(__file__).parent
    environment = os.environ | {"TRITON_INTERPRET": "1", "BENCH_FUSED": "triton"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["-W", "ignore:TRITON_DEFAULT_FP_FUSION", str(here / file)]
    found = subprocess.run(
        command, cwd=here.parents[2], env=environment, capture_output=True, text=True
    )
    if found.returncode:
        pytest.fail(f"{file} in a child process:\n{found.stdout}{found.stderr}", pytrace=False)
