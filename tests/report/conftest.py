"""Built result sets, shared by the tests that only read them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for synthetic.py, under any import mode
sys.path.insert(0, str(Path(__file__).parents[1] / "profile"))  # for whole_profile.py

import synthetic  # noqa: E402

from bench.report.build import build  # noqa: E402


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/ of the synthetic default suite, with every leaderboard written."""
    root = tmp_path_factory.mktemp("built")
    plugins = synthetic.write(root / "results", synthetic.default_suite())
    build(root, root / "results", plugins)
    return root / "results"
