"""`bench check`, `bench leaderboard` and `bench compare` on small real cases."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_output import Terminal

from bench import cli, records
from bench.cli import check
from bench.pipeline.checking import Checked
from bench.records import CellKey, Check, Estimate, Record, Score
from bench.registry import discover

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


@pytest.fixture
def audited(clone: Path) -> Path:
    """A clone whose models are audited on two truths, of 2 and 64 dimensions."""
    small = (
        "    sizes: {train: 500, valid: 100, test: 500}\n"
        "    evaluate: {check_points: 1000, time_seconds: 0.01}\n"
    )
    (clone / "params.yaml").write_text(
        "suite: tiny\nsuites:\n  tiny:\n    datasets: {rings: {}}\n    audit: audit\n" + small +
        "  audit:\n    datasets: {audit-continuous-2: {}, audit-continuous-64: {}}\n" + small
    )  # fmt: skip
    return clone


HALF = "if x.shape[1] > 2: raise ValueError('no idea')\n        return self.normal.log_prob(x)"
AUDITS = {
    "honest": (BODIES["honest"], 0, "honest: audited (fast checks only): "),
    "too-good": (BODIES["too-good"], 1, "too-good: failed: "),
    "half": (HALF, 1, "half: not audited: audit-continuous-64: log_prob of points"),
}


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_meets_every_truth_and_ends_in_a_verdict(
    name: str, audited: Path, plugin: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    body, code, last = AUDITS[name]
    plugin(f"{name}.py", DENSITY.format(name=name, body=body))
    assert cli.main(["check", name, "--fast"]) == code
    out, err = capsys.readouterr()
    lines = [line.split("\t") for line in out.splitlines()]
    met = ["audit-continuous-2", *(["audit-continuous-64"] if name != "half" else [])]
    assert list(dict.fromkeys(line[0] for line in lines)) == met
    assert {len(line) for line in lines} == {7}
    said = err.splitlines()
    assert said[0].startswith(f"audit-continuous-2/{name}: ")
    assert said[1].startswith(f"audit-continuous-64/{name}: ")
    assert said[2].startswith(last)


def test_check_rows_say_what_was_asked(
    rings: Path, plugin: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("honest.py", DENSITY.format(name="honest", body=BODIES["honest"]))
    assert cli.main(["check", "honest", "--fast", "--json"]) == 0
    known = discover().checks
    for row in json.loads(capsys.readouterr().out)["rows"]:
        assert list(row) == [
            "dataset", "check", "question", "verdict", "statistic", "threshold", "n", "detail",
            "remedy",
        ]  # fmt: skip
        assert row["dataset"] == "rings"
        assert row["question"] == known[row["check"]].question
        assert row["remedy"] == known[row["check"]].remedy


CHECKED = Checked(
    spec=SimpleNamespace(  # type: ignore[arg-type]
        name="rings/m", dataset=SimpleNamespace(name="rings", kind="continuous", dim=2)
    ),
    checks=[
        Check(
            name="balance", verdict="fail", statistic=0.5, threshold=0.003, n=4000, detail="off."
        ),
        Check(name="copies", verdict="pass", statistic=0.0, threshold=0.01, n=1000, detail="none."),
        Check(name="sum", verdict="n/a", detail="the model is continuous."),
        Check(name="truth", verdict="inconclusive", detail="one weight is 9 % of the sum."),
        Check(name="vanished", verdict="error", detail="it raised KeyError."),
    ],
)


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_a_person_sees_a_table_and_what_to_look_at(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    check.show(CHECKED, discover().checks)
    text = stream.text()
    lines = text.splitlines()
    assert "\033" not in text
    assert lines[0] == "rings (continuous, D = 2)"
    assert max(map(len, lines)) <= columns
    for part in ("✗ fail", "✓ pass", "– n/a", "? inconclusive", "! error"):
        assert part in "\n".join(lines[1:7])
    flat = " ".join(text.split())
    balance = discover().checks["balance"]
    assert f"✗ balance: {balance.question} off. Look at: {balance.remedy}" in flat
    assert "one weight is 9 % of the sum. If it should fail, look at:" in flat
    assert "! vanished: it raised KeyError." in flat
    assert "none." not in flat
    assert ("question" in lines[1]) == (columns == 200)


def test_verdicts_are_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    check.show(CHECKED, discover().checks)
    for painted in (
        "\033[31m✗ fail",
        "\033[32m✓ pass",
        "\033[31m! error",
        "\033[33m? inconclusive",
    ):
        assert painted in stream.text()


def test_the_tally_says_what_became_of_the_rest() -> None:
    said = "rings/m: 1 of 5 checks passed, 1 failed, 1 inconclusive, 1 raised, 1 n/a"
    assert check.verdict(CHECKED) == said
    assert check.verdict(replace(CHECKED, checks=[], reason="no idea")) == "rings/m: no idea"


WRONG = {
    "neither": [],
    "both": ["honest", "--calibrate"],
    "seeds alone": ["honest", "--seeds", "2"],
    "write alone": ["honest", "--write"],
}


@pytest.mark.parametrize("name", WRONG)
def test_calibration_is_of_no_model(
    name: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *WRONG[name]]) == 2
    assert "--calibrate" in capsys.readouterr().err


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
