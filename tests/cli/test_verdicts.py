"""`bench check`, `bench leaderboard` and `bench compare` on small real cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli, records
from bench.records import CellKey, Estimate, Record, Score

Write = Callable[[str, str], Path]

DENSITY = """
import torch
from bench import model

@model("{name}")
def build(data):
    return Density(data.train.mean(0), data.train.std(0))

class Density:
    def __init__(self, mean, std):
        self.normal = torch.distributions.Independent(torch.distributions.Normal(mean, std), 1)

    def log_prob(self, x):
        {body}

    def sample(self, n):
        return self.normal.sample((n,))
"""
BODIES = {
    "honest": "return self.normal.log_prob(x)",
    "too-good": "return self.normal.log_prob(x) + 1",
    "raises": "raise ValueError('no idea')",
}


@pytest.fixture
def rings(clone: Path) -> Path:
    """A clone whose only data set is small."""
    (clone / "params.yaml").write_text(
        "suite: tiny\nsuites:\n  tiny:\n    datasets: {rings: {}}\n"
        "    sizes: {train: 500, valid: 100, test: 500}\n"
        "    evaluate: {check_points: 1000, time_seconds: 0.01}\n"
    )
    return clone


@pytest.mark.parametrize(("name", "code"), [("honest", 0), ("too-good", 1)])
def test_check_prints_the_battery_and_fails_where_a_check_does(
    name: str, code: int, rings: Path, plugin: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin(f"{name}.py", DENSITY.format(name=name, body=BODIES[name]))
    assert cli.main(["check", name, "--json"]) == code
    out, err = capsys.readouterr()
    verdicts = {row["check"]: row["verdict"] for row in json.loads(out)["rows"]}
    assert verdicts["invariance"] == "pass"
    assert verdicts["quadrature"] == ("pass" if code == 0 else "fail")
    assert f"rings/{name}: " in err
    assert not (rings / "results").exists()


def test_check_names_what_a_plugin_raised(
    rings: Path, plugin: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("raises.py", DENSITY.format(name="raises", body=BODIES["raises"]))
    assert cli.main(["check", "raises"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no idea" in err
    assert "Traceback" not in err


def results(folder: Path, **nats: float) -> Path:
    """A results folder with one record per model on rings."""
    for model, value in nats.items():
        key = CellKey(dataset="rings", model=model, suite="tiny")
        score = Score(nats=Estimate(mean=value, se_test=0.01), truth_nats=-1.0)
        record = Record(cell=key, status="ok", score=score)
        records.write(records.record_path(folder, "rings", model), record)
    return folder


def test_leaderboard_writes_its_files_and_names_them(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results(clone / "results", gaussian=-2.0, kde=-1.5)
    assert cli.main(["leaderboard"]) == 0
    out, err = capsys.readouterr()
    files = out.splitlines()
    assert {"results/leaderboard.md", "results/leaderboard.csv", "results/leaderboard.html"} <= set(
        files
    )
    assert all((clone / f).is_file() for f in files)
    assert "2 cells: 2 ok" in err


def test_leaderboard_without_records_exits_with_3(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["leaderboard"]) == 3
    assert "dvc repro" in capsys.readouterr().err


def test_compare_says_what_became_of_each_cell(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = results(clone / "old", gaussian=-2.0, kde=-1.5, maf=-1.2)
    new = results(clone / "new", gaussian=-2.0, kde=-1.0)
    assert cli.main(["compare", str(old), str(new), "--json"]) == 0
    out, err = capsys.readouterr()
    found = {row["model"]: row["score"] for row in json.loads(out)["rows"]}
    assert found["kde"] == "better"
    assert found["maf"] == "removed"
    assert err.startswith("3 cells: ")
