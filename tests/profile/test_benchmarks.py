"""pytest-benchmark's file, read as a profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from profile_rows import ENVIRONMENT

from bench.errors import BenchError
from bench.profile import benchmarks
from bench.profile.compare import compare


def result(ratio: float) -> dict[str, Any]:
    """The parts of pytest-benchmark's JSON that are read, with one benchmark and one bare one."""
    info = {
        "dim": 16,
        "batch": 64,
        "mode": "fused",
        "baseline": "nflows",
        "ratio": ratio,
        "ratio_interval": [ratio * 0.99, ratio * 1.01],
        "ratio_pairs": 60,
        "verdict": "faster",
    }
    stats = {"data": [1e-3, 2e-3, 3e-3], "total": 6e-3}
    return {
        "machine_info": {"bench": ENVIRONMENT},
        "datetime": "2026-01-01T00:00:00+00:00",
        "benchmarks": [
            {"group": "kernel", "name": "n", "param": "lu", "extra_info": info, "stats": stats},
            {"group": None, "name": "bare", "param": None, "extra_info": {}, "stats": stats},
        ],
    }


def test_what_has_a_ratio_is_a_row_and_a_change_of_it_is_found(tmp_path: Path) -> None:
    profiles = []
    for ratio in (4.0, 3.6):
        file = tmp_path / f"{ratio}.json"
        file.write_text(json.dumps(result(ratio)))
        profiles.append(benchmarks.read(file))
    (row,) = profiles[0].rows
    assert (row.kernel, row.mode, row.dim) == ("kernel: lu", "fused", 16)
    assert row.wall_us is not None
    assert row.wall_us.p50 == pytest.approx(2000)
    assert [c.change for c in compare(*profiles)] == ["slower"]


def test_it_is_kept_in_the_small_form(tmp_path: Path) -> None:
    given, kept = tmp_path / "given.json", tmp_path / "kept.json"
    given.write_text(json.dumps(result(4.0)))
    assert benchmarks.main([str(given), str(kept)]) == 0
    (row,) = benchmarks.read(kept).rows
    assert row.ratio == benchmarks.read(given).rows[0].ratio
    assert "data" not in kept.read_text()
    table = kept.with_suffix(".md").read_text()
    assert "| kernel: lu | 16 x 64 | fused | 2e+03 | 4 | 3.96 to 4.04 | over nflows |" in table


def test_benchmarks_of_another_project_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"benchmarks": [], "machine_info": {}}))
    with pytest.raises(BenchError, match="make benchmark"):
        benchmarks.read(file)
