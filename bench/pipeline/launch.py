"""`bench run`: cells chosen by hand, side by side."""

from __future__ import annotations

from bench.errors import UsageError, unknown
from bench.pipeline import dvc, execute
from bench.pipeline.pool import Run
from bench.pipeline.progress import Outcome, summary
from bench.pipeline.project import open_project
from bench.pipeline.repro import INTERRUPTED, is_failure, results_of, say, write_index
from bench.registry import shown


def run(
    models_glob: str | None = None,
    datasets_glob: str | None = None,
    suite: str | None = None,
    jobs: int = 1,
    device: str | None = None,
    strict: bool = False,
    quiet: bool = False,
) -> int:
    """Run the chosen cells; return 0, 1 where one failed, or 130 after Ctrl-C.

    Of the active suite, the stale ones among them, entered in DVC's locks: `dvc repro` then runs
    nothing more for them. Of another suite, or on another device, all of them, without DVC, into
    results/suites/<name>/. `strict` counts failed checks and missing packages as failures.

    Raises UsageError for unknown suites and globs that match nothing.
    """
    project = open_project()
    name = suite or project.params.suite
    if name not in project.params.suites:
        raise unknown("suite", name, project.params.suites, "bench list suites")
    specs = project.plan(name, models_glob, datasets_glob)
    if device not in (None, "cpu", "cuda"):
        raise UsageError(f"no device '{device}'. Known: cpu, cuda")
    results = results_of(project, name, device)
    if results != project.results:
        run = execute.pool_of(execute.on_device(specs, device), project, results, jobs, quiet)
        return _ended(run, [], strict, f"Records: {shown(results)}")
    dvc.require(project.root)
    stages, _ = project.write_stages()
    workspace = project.workspace()
    stale = workspace.stale(stages)
    chosen = {s.name for s in specs}
    wanted = [s for s in stale if s.spec.name in chosen]
    able = execute.runnable(wanted, results)
    others = [s for s in stale if s not in able]
    missing = [Outcome(s.spec, "missing", None, 0.0, None) for s in wanted if s not in able]
    run = execute.in_pool(project, able, others, jobs, quiet) if able else Run()
    write_index(project, stages)
    if not wanted:
        say(f"nothing to do: all {len(specs)} chosen cells are up to date")
    return _ended(run, missing, strict, "Tables: dvc repro")


def _ended(run: Run, missing: list[Outcome], strict: bool, next_step: str) -> int:
    statuses = [o.status for o in [*run.outcomes, *missing]]
    if statuses:
        say(f"{summary(statuses)}. {next_step}")
    if run.interrupted:
        return INTERRUPTED
    return int(any(is_failure(status, strict) for status in statuses))
