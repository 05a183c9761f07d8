"""Runs stale cells in the pool and enters those that ended well in DVC's locks."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bench import paths
from bench.atomic import write_text
from bench.cellspec import CellSpec
from bench.errors import MissingError
from bench.pipeline import dvc, pool
from bench.pipeline.pool import FINAL, Run
from bench.pipeline.progress import Outcome, Reporter, expected_seconds
from bench.pipeline.project import Project
from bench.pipeline.stages import Stage
from bench.registry import check_requires

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)  # numpy reads it as a file of no arrays
EMPTY_CURVE = "seed,step,train_nats,valid_nats,kept\n"


def runnable(stale: list[Stage], results: Path) -> list[Stage]:
    """The stages whose packages are at hand; the others get their record at once.

    A package that is not installed stays so during a run: no process is worth starting.
    """
    able = []
    for stage in stale:
        try:
            check_requires(stage.spec.model)
            check_requires(stage.spec.dataset)
            able.append(stage)
        except MissingError as error:
            pool.write_failure(stage.spec, "missing", str(error), results)
            tidy(Outcome(stage.spec, "missing", str(error), 0.0, None), results)
    return able


def in_pool(
    project: Project, stale: list[Stage], others: list[Stage], jobs: int, quiet: bool = False
) -> Run:
    """Run stages side by side, then commit those with a final status and unchanged inputs.

    `others` are stale stages that stay as they are. A cell that failed is not committed, so that
    the next run tries it again. Ctrl-C keeps the cells that had ended.
    """
    before = project.workspace()
    inputs = {s.spec.name: before.inputs(s) for s in stale}
    run = pool_of([s.spec for s in stale], project, project.results, jobs, quiet)
    if dvc.orphaned():
        raise dvc.gone()
    after = project.workspace()
    final = {o.spec.name for o in run.outcomes if o.status in FINAL}
    good = [s for s in stale if s.spec.name in final and after.inputs(s) == inputs[s.spec.name]]
    rest = [s for s in stale if s not in good]
    dvc.commit(project.root, dvc.targets(good, [*others, *rest]))
    if run.interrupted:
        print(
            f"interrupted: {len(good)} of {len(stale)} cells are kept. Go on with: dvc repro",
            file=sys.stderr,
        )
    return run


def pool_of(
    specs: list[CellSpec], project: Project, results: Path, jobs: int, quiet: bool = False
) -> Run:
    """Run cells in the pool with a person watching; leaves each cell's outputs complete or gone."""
    reporter = Reporter(
        len(specs), expected=expected_seconds(specs, results), jobs=jobs, quiet=quiet
    )
    run = pool.run(
        specs, project.root, results, jobs=jobs, reporter=reporter, abandoned=dvc.orphaned
    )
    for outcome in run.outcomes:
        tidy(outcome, results)
    return run


def on_device(specs: list[CellSpec], device: str | None) -> list[CellSpec]:
    """The same cells on another device."""
    if device is None:
        return specs
    return [replace(s, suite=s.suite.model_copy(update={"device": device})) for s in specs]


def tidy(outcome: Outcome, results: Path) -> None:
    """Make the outputs fit the record: all there for a final status, else none of an older run.

    DVC refuses a stage without its outputs; a model that diverged has none to give.
    """
    name = (outcome.spec.dataset.name, outcome.spec.model.name)
    checkpoint = paths.checkpoint_path(results, *name)
    artifact = paths.artifact_path(results, *name)
    curve = paths.curve_path(results, *name)
    if outcome.status not in ("ok", "failed-check"):
        for file in (checkpoint, artifact, curve):
            file.unlink(missing_ok=True)
    if outcome.status == "diverged":
        write_text(checkpoint, "")
        artifact.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_bytes(EMPTY_ZIP)
        write_text(curve, EMPTY_CURVE)
