"""`bench data` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from leak_cases import ROOT, normal, report_on, three
from typer.testing import CliRunner, Result

from bench.cli import data
from bench.errors import UsageError
from bench.leaks.report import read_all, report_path, write
from bench.pipeline import project
from bench.registry import discover
from bench.settings import read_params


@pytest.fixture(autouse=True)
def tiny(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose suite holds rings alone; the package comes from here."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    params = read_params(clone / "params.yaml")
    made = project.Project(clone, params, {}, discover())
    monkeypatch.setattr(project, "open_project", lambda: made)
    return clone


def run(*arguments: str) -> Result:
    return CliRunner().invoke(data.app, list(arguments), catch_exceptions=False)


def test_audit_writes_what_list_and_show_tell(tiny: Path) -> None:
    done = run("audit")
    assert (done.exit_code, done.stdout) == (0, "rings\tok\t\n")
    assert done.stderr == "rings: data report written\n"
    assert list(read_all(tiny / "results")) == ["rings"]
    assert run("audit").stderr == ""

    rows = {r["name"]: r for r in json.loads(run("list", "--json").stdout)["rows"]}
    assert sorted(rows) == sorted(discover().datasets)
    assert (rows["rings"]["rows"], rows["rings"]["warnings"]) == ("10000/2000/10000", 0)
    assert rows["rings"]["entropy"] == pytest.approx(2.62318)
    assert (rows["claw"]["rows"], rows["claw"]["entropy"]) == (None, None)

    (shown,) = json.loads(run("show", "rings", "--json").stdout)["rows"]
    assert shown["card"]["licence"] == "generated"
    assert shown["report"] == read_all(tiny / "results")["rings"].model_dump(mode="json")
    text = run("show", "rings").stdout
    assert "10,000 train, 2,000 valid, 10,000 test" in text
    assert "nothing found" in text
    assert "missing" not in text
    assert shown["missing"] is None


def test_others_are_audited_and_not_kept(tiny: Path) -> None:
    done = run("audit", "breast-cancer")
    assert done.exit_code == 0
    assert "breast-cancer\twarning\tin 30 columns" in done.stdout
    assert "breast-cancer: not of suite tiny, so not kept" in done.stderr
    assert read_all(tiny / "results") == {}
    shown = run("show", "breast-cancer").stdout
    assert "warning    in 30 columns" in shown
    assert "Columns with ties or on a grid, worst 8 of 30" in shown
    assert "tied_test" in shown
    assert not (tiny / "results" / "data").exists()


@pytest.mark.parametrize("command", ["show", "audit"])
def test_a_misspelt_name(command: str) -> None:
    with pytest.raises(UsageError, match="Did you mean 'breast-cancer'"):
        run(command, "breast-cancr")


def test_a_data_set_that_raises_ends_with_1(tiny: Path) -> None:
    (tiny / "baselines" / "bad.py").write_text(
        'from bench import dataset\n@dataset("rings-too", kind="continuous", shape=[2])\n'
        "def make():\n    raise KeyError('gone')\n"
    )
    params = (tiny / "params.yaml").read_text().replace("{rings: {}}", "{rings-too: {}}")
    (tiny / "params.yaml").write_text(params)
    made = project.Project(tiny, read_params(tiny / "params.yaml"), {}, discover())
    project.open_project = lambda: made
    done = run("audit")
    assert done.exit_code == 1
    assert "rings-too: no data report: data set 'rings-too'" in done.stderr


@pytest.fixture
def without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "empty"))
    monkeypatch.delenv("BENCH_DATA_MIRROR", raising=False)


@pytest.mark.usefixtures("without_files")
def test_without_the_files_the_card_is_shown_and_what_is_missing() -> None:
    done = run("show", "mnist")
    assert done.exit_code == 0
    assert "1 x 28 x 28 = 784 coordinates, 256 levels" in done.stdout
    assert "1.689728 bits/dim" in done.stdout
    assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in done.stdout
    assert "No report, and so no rows, digest or findings: mnist needs" in done.stdout
    assert "bench data get mnist" in " ".join(done.stdout.split())
    (shown,) = json.loads(run("show", "mnist", "--json").stdout)["rows"]
    assert shown["report"] is None
    assert "bench data get mnist" in shown["missing"]
    assert shown["card"]["files"][0]["bytes"] == 9912422
    assert shown["card"]["anchors"][0] == {
        "split": "train+valid -> test",
        "model": "categorical(1)",
        "unit": "bits/dim",
        "value": 1.689728,
    }


@pytest.mark.usefixtures("without_files")
def test_an_older_report_is_better_than_none(tiny: Path) -> None:
    older = report_on(three(normal)).model_copy(update={"dataset": "mnist", "inputs": "older"})
    write(report_path(tiny / "results", "mnist"), older)
    text = " ".join(run("show", "mnist").stdout.split())
    assert "1,000 train" in text
    assert "The report is older than the present source: mnist needs the file" in text


@pytest.mark.parametrize("command", ["list", "show", "audit", "anchors"])
def test_every_command_has_help(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"{command} [OPTIONS]" in done.stdout
