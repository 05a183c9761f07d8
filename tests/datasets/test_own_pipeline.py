"""Entries in the plan: what a cell depends on, what makes it stale, and a cell that is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from own_cases import REALS, add, entry

from bench import cell, records, registry
from bench.cellspec import CellSpec
from bench.leaks import refresh
from bench.pipeline import cells, closure, execute, stages
from bench.pipeline.stale import Workspace
from bench.settings import Sizes, read_params

PARAMS = """suite: tiny
suites:
  tiny:
    datasets: {mine: {}, rings: {}}
    models: [gaussian-diagonal]
    train: {steps: 5}
    sizes: {train: 300, valid: 100, test: 200}
    evaluate: {check_points: 200, time_seconds: 0.01}
"""


@pytest.fixture
def table(clone: Path) -> Path:
    """A CSV file of 400 rows in a clone whose suite holds `mine`."""
    (clone / "params.yaml").write_text(PARAMS)
    x = np.random.default_rng(0).normal([0, 50], [1, 3], (400, 2))
    np.savetxt(clone / "x.csv", x, "%.17g", ",", header="a,b", comments="")
    return clone / "x.csv"


@pytest.fixture(autouse=True)
def _read_again() -> Iterator[None]:
    """A process reads each file once: forget what a test has written."""
    yield
    for cached in (closure.closure, closure._imports, closure._code_digest):
        cached.cache_clear()


def plan(clone: Path) -> list[CellSpec]:
    for cached in (closure.closure, closure._imports, closure._code_digest):
        cached.cache_clear()
    return cells.plan(read_params(clone / "params.yaml"), registry.discover())


def test_a_cell_is_run_on_a_table_and_its_record_is_ok(table: Path, clone: Path) -> None:
    assert add("mine", table) == 0
    spec = plan(clone)[0]
    record = cell.run_cell(spec, clone, clone / "results")
    assert (record.status, record.reason) == ("ok", None)
    x = np.loadtxt(table, delimiter=",", skiprows=1)
    entropy = 0.5 * np.log(2 * np.pi * np.e * x.var(0)).sum()
    assert record.score.nats.mean == pytest.approx(-entropy, abs=0.3)
    stored = records.read(records.record_path(clone / "results", "mine", "gaussian-diagonal"))
    assert stored == record


def test_a_stage_depends_on_the_entry_the_file_and_what_reads_them(
    table: Path, clone: Path
) -> None:
    assert add("mine", table) == 0
    mine, rings = stages.write(plan(clone), {"suites": {"tiny": {}}}, clone)
    own = {str(clone / "datasets" / "mine.toml"), str(clone / "x.csv"), "bench/datasets/own"}
    assert own <= set(mine.deps)
    assert not own & set(rings.deps)
    assert not [d for d in mine.deps if "adding" in d]
    text = (clone / "pipeline/gaussian-diagonal/dvc.yaml").read_text()
    assert "mine.toml" in text


def test_the_entry_and_the_file_make_a_cell_stale(table: Path, clone: Path) -> None:
    assert add("mine", table) == 0
    stage, other = stages.write(plan(clone), {"suites": {"tiny": {}}}, clone)
    before = Workspace(clone, {}).inputs(stage), Workspace(clone, {}).inputs(other)
    for file in (table, clone / "datasets" / "mine.toml"):
        text = file.read_text()
        file.write_text(text + "\n")
        assert Workspace(clone, {}).inputs(stage) != before[0]
        assert Workspace(clone, {}).inputs(other) == before[1]
        file.write_text(text)
        assert Workspace(clone, {}).inputs(stage) == before[0]


def test_training_is_addressed_by_what_an_entry_states_not_by_its_comments(
    table: Path, clone: Path
) -> None:
    assert add("mine", table) == 0
    first = [s.training_digest for s in plan(clone)]
    file = clone / "datasets" / "mine.toml"
    text = file.read_text()
    file.write_text("# why\n" + text)
    assert [s.training_digest for s in plan(clone)] == first
    file.write_text(text.replace("seed = 0", "seed = 1"))
    mine, rings = (s.training_digest for s in plan(clone))
    assert mine != first[0]
    assert rings == first[1]


def test_cells_of_other_data_sets_do_not_depend_on_what_reads_entries(clone: Path) -> None:
    found = registry.discover()
    model, rings = found.model("gaussian-diagonal"), found.dataset("rings")
    reached = (
        closure.model_files(model) | closure.scoring_files() | closure.closure(rings.file).files
    )
    assert not [f for f in reached if "own" in f.parts or "adding" in f.parts]


def test_a_data_report_is_made_again_when_the_entry_changes(table: Path, clone: Path) -> None:
    assert add("mine", table) == 0
    before = refresh.inputs(entry(), Sizes())
    assert add("mine", table, ["--split", "stride", "--force"]) == 0
    assert refresh.inputs(entry(), Sizes()) != before


def test_a_file_that_is_not_there_is_a_row_and_no_run(table: Path, clone: Path) -> None:
    assert add("mine", table) == 0
    found = stages.write(plan(clone), {"suites": {"tiny": {}}}, clone)
    table.unlink()
    able = execute.runnable(found, clone / "results")
    assert [s.spec.dataset.name for s in able] == ["rings"]
    record = records.read(records.record_path(clone / "results", "mine", "gaussian-diagonal"))
    assert record.status == "missing"
    assert "needs x.csv, which is not on this machine" in record.reason


def test_a_file_that_changed_is_an_error_that_says_what_to_do(table: Path, clone: Path) -> None:
    assert add("mine", table) == 0
    spec = plan(clone)[0]
    np.savetxt(table, REALS[:, :2], delimiter=",", header="a,b", comments="")
    record = cell.run_cell(spec, clone, clone / "results")
    assert record.status == "error"
    assert "x.csv changed since datasets/mine.toml was written" in record.reason
    assert add("mine", table, ["--force"]) == 0
    assert cell.run_cell(plan(clone)[0], clone, clone / "results").status in ("ok", "failed-check")
