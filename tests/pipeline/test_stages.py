"""Generated stage files: their text, when they are written, and what is ever removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_pool import a_spec

from bench.cellspec import CellSpec
from bench.pipeline import closure, stages

PARAMS: dict[str, Any] = {"suite": "s", "suites": {"s": {"datasets": {}, "train": {}, "seeds": 2}}}


def specs(*pairs: str) -> list[CellSpec]:
    made = []
    for pair in pairs:
        dataset, _, model = pair.partition("/")
        spec = a_spec(model)
        made.append(replace(spec, dataset=replace(spec.dataset, name=dataset)))
    return made


def test_the_file_and_the_stages_agree(tmp_path: Path) -> None:
    made = stages.write(
        specs("rings/maf", "digits/maf"), {**PARAMS, "models": {"maf": {}}}, tmp_path
    )
    text = (tmp_path / "pipeline/maf/dvc.yaml").read_text()
    cell = yaml.safe_load(text)["stages"]["cell"]
    assert list(cell["foreach"]) == ["rings", "digits"]
    assert [s.address for s in made] == [f"pipeline/maf/dvc.yaml:cell@{d}" for d in cell["foreach"]]
    do, first = cell["do"], made[0]
    assert do["cmd"].replace("${key}", "rings") == first.cmd == "python -m bench cell rings maf"
    (listed,) = do["params"]
    assert [p.replace("${key}", "rings") for p in listed["params.yaml"]] == list(first.params)
    assert set(first.params) == {
        *("suite", "models.maf"),
        *("suites.s.seeds", "suites.s.train", "suites.s.datasets.rings"),
    }
    outs = [path for kind in ("outs", "metrics", "plots") for out in do[kind] for path in out]
    assert [o.replace("${key}", "rings") for o in outs] == list(first.outs)
    assert closure.relative(first.spec.model.file) in first.deps
    assert "bench/cell.py" in first.deps


def test_a_file_is_rewritten_only_where_its_text_differs(tmp_path: Path) -> None:
    stages.write(specs("rings/maf"), PARAMS, tmp_path)
    file = tmp_path / "pipeline/maf/dvc.yaml"
    before = file.stat().st_mtime_ns, file.stat().st_ino
    stages.write(specs("rings/maf"), PARAMS, tmp_path)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    stages.write(specs("rings/maf", "digits/maf"), PARAMS, tmp_path)
    assert "digits" in file.read_text()


KEPT = (
    "pipeline/maf/dvc.yaml",
    "pipeline/notes/readme.md",
    "results/records/rings/maf.json",
    "results/records/rings/maf.cost.json",
    "results/records/rings/notes.txt",
    "results/curves/rings/maf.csv",
    "results/leaderboard.md",
    "results/suites/smoke/records/rings/gone.json",
    "checkpoints/rings/gone.pt",
)
REMOVED = (
    "pipeline/gone/dvc.yaml",
    "pipeline/gone/dvc.lock",
    "results/records/rings/gone.json",
    "results/records/rings/gone.cost.json",
    "results/records/wine/maf.json",
    "results/curves/rings/gone.csv",
)


def test_only_what_vanished_is_removed(tmp_path: Path) -> None:
    for name in (*KEPT, *REMOVED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert stages.remove_vanished(specs("rings/maf"), tmp_path) == ["gone"]
    left = {f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*") if f.is_file()}
    assert left == set(KEPT)
    assert not (tmp_path / "results/records/wine").exists()


@pytest.mark.parametrize("part", stages.SUITE_PARTS)
def test_only_keys_that_params_holds_are_listed(tmp_path: Path, part: str) -> None:
    held = {"suite": "s", "suites": {"s": {"datasets": {}, part: {}}}}
    (stage,) = stages.write(specs("rings/maf"), held, tmp_path)
    assert stage.params == ("suite", f"suites.s.{part}", "suites.s.datasets.rings")
