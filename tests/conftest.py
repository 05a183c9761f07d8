"""What every test starts from: one thread, no plugin folder, no colour, a clone of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: same bits everywhere

ROOT = Path(__file__).resolve().parent.parent
OURS = ("BENCH_PLUGINS", "BENCH_DEBUG", "BENCH_JOBS", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller's shell sets must not decide a test, nor one test the next."""
    for name in OURS:
        monkeypatch.setenv(name, "")  # recorded, so that what a test sets is undone
        monkeypatch.delenv(name)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty clone (params.yaml, dvc.yaml, baselines/), which is the current folder."""
    (tmp_path / "params.yaml").write_text(
        "suite: tiny\nsuites:\n  tiny:\n    description: for tests\n    datasets: {rings: {}}\n"
    )
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "baselines").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plugin(clone: Path) -> Callable[[str, str], Path]:
    """Write a plugin into the clone's baselines/."""

    def write(name: str, source: str) -> Path:
        file = clone / "baselines" / name
        file.write_text(source, encoding="utf-8")
        return file

    return write
