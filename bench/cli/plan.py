"""`bench plan`: the cells as DVC stages."""

from __future__ import annotations

from bench.cli import output


def command() -> None:
    """Write pipeline/ and say what is to run.

    One DVC file per model, from the plugins and params.yaml.
    """
    from bench.pipeline.project import open_project

    project = open_project()
    stages, removed = project.write_stages()
    for problem in project.problems:
        output.note(f"warning: {problem}")
    for name in removed:
        output.note(f"removed: {name}")
    stale = {s.spec.name for s in project.workspace().stale(stages)}
    output.emit(
        [
            {
                "dataset": s.spec.dataset.name,
                "model": s.spec.model.name,
                "state": "to run" if s.spec.name in stale else "up to date",
                "stage": s.address,
            }
            for s in stages
        ]
    )
    output.note(f"{len(stages)} cells of suite {project.params.suite}, {len(stale)} to run")
