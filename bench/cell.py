"""One (data set, model) pair over all its seeds: load, train, score, check, time, record."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from bench import artifacts, paths, records, scoring
from bench.adapters import Adapted
from bench.atomic import write_text
from bench.cellspec import CellSpec
from bench.checkpoints import fingerprint, save_state
from bench.checks import battery
from bench.contract import ConditionalDensity, DataSpec, Density
from bench.costs import measure_costs
from bench.dequantization import variational
from bench.environment import capture, versions
from bench.errors import BenchError, DivergedError, MissingError, PluginError
from bench.fitting import Fitted, fit_seed, rebuilder
from bench.preparing import Prepared, prepare
from bench.registry import load_function
from bench.settings import VARIATIONAL
from bench.subject import Subject

Report = Callable[[dict[str, Any]], None]
NO_REPORT: Report = lambda event: None  # noqa: E731


@dataclass
class Outcome:
    """Everything a cell produced, in memory."""

    record: records.Record
    cost: records.Cost
    subjects: list[Subject]
    points: Tensor  #: test log-likelihoods [seeds, n_test], nats, data units
    fitted: list[Fitted]


def run_cell(
    spec: CellSpec,
    root: Path | None,
    results: Path,
    report: Report = NO_REPORT,
    debug: bool = False,
) -> records.Record:
    """Run one cell and write its record, cost record, curve, checkpoint and artifact.

    Never raises for a fault of the plugin, the data or the machine: the record's status and reason
    say what happened. With `debug` such an exception goes through.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    name = (spec.dataset.name, spec.model.name)
    try:
        outcome = execute(spec, root, report)
        record, cost = outcome.record, outcome.cost
        report({"phase": "write"})
        _write_outputs(outcome, results, *name)
    except Exception as error:
        if debug:
            raise
        traceback.print_exc()  # a cell's process writes to its log
        status, reason = explain(error)
        record, cost = failed(spec, status, reason), records.Cost()
    _write_record(record, cost, spec, results, time.monotonic() - started)
    return record


def explain(error: Exception) -> tuple[records.Status, str]:
    """Status and one-sentence reason of an exception."""
    if isinstance(error, MissingError):
        return "missing", str(error)
    if isinstance(error, DivergedError):
        return "diverged", str(error)
    if isinstance(error, BenchError):
        return "error", str(error)
    if isinstance(error, MemoryError):
        return "error", "out of memory. Lower the batch or the model's width, or run fewer jobs"
    text = " ".join(str(error).split())
    return "error", f"{type(error).__name__}: {text}. See the traceback: bench cell ... --debug"


def failed(spec: CellSpec, status: records.Status, reason: str) -> records.Record:
    """The record of a cell that did not come to a score."""
    return records.Record(cell=cell_key(spec), status=status, reason=reason)


def cell_key(spec: CellSpec) -> records.CellKey:
    """What the row is keyed by."""
    model = spec.model
    return records.CellKey(
        dataset=spec.dataset.name,
        model=model.name,
        suite=spec.suite_name,
        implementation=model.implementation,
        twin=model.twin,
        family=model.family,
        likelihood=scoring.row_kind(model.likelihood, spec.dequantized),
        settings=spec.settings,
    )


def execute(spec: CellSpec, root: Path | None, report: Report = NO_REPORT) -> Outcome:
    """Everything but writing. Raises what went wrong."""
    data, subjects, fitted = train(spec, root, report)
    return judge(spec, data, subjects, fitted, report)


def check_only(spec: CellSpec, root: Path | None, fast: bool = False) -> list[records.Check]:
    """Train the first seed, or take it from `root`, and run the battery. Raises what went wrong."""
    _, subjects, _ = train(replace(spec, suite=spec.suite.model_copy(update={"seeds": 1})), root)
    with contextlib.suppress(BenchError):  # the checks tell what is wrong with log_prob
        subjects[0].scored = _scores(subjects[0])
    return battery.run(subjects[0], fast=fast)


def train(
    spec: CellSpec, root: Path | None, report: Report = NO_REPORT
) -> tuple[Prepared, list[Subject], list[Fitted]]:
    """The cell's data and its models, one per seed, trained or taken from `root`."""
    report({"phase": "load"})
    build = load_function(spec.model)
    if spec.space == VARIATIONAL:
        build = variational(build, spec.model.layout)
    data = prepare(spec)
    fitted: list[Fitted] = []
    for seed in range(spec.seeds):
        fitted.append(_fit(spec, build, data, seed, root, report))
        if not fitted[-1].random:
            break
    rebuild = rebuilder(build, spec.settings, spec.budget, spec.model.likelihood)
    subjects = [make_subject(spec, data, f.model, s, rebuild) for s, f in enumerate(fitted)]
    return data, subjects, fitted


def judge(
    spec: CellSpec, data: Prepared, subjects: list[Subject], fitted: list[Fitted], report: Report
) -> Outcome:
    """Score, check and time trained models, one per seed. Raises what went wrong."""
    rows = []
    for subject in subjects:
        report({"phase": "score", "seed": subject.seed, "seeds": len(subjects)})
        subject.scored = _scores(subject)
        rows.append(subject.scored)
    points = torch.stack(rows)
    report({"phase": "check"})
    verdicts = battery.run(subjects[0])
    report({"phase": "time"})
    cost = _costs(subjects[0], fitted)
    record = _record(spec, data, subjects, fitted, points, verdicts)
    return Outcome(record, cost, subjects, points, fitted)


def _fit(
    spec: CellSpec,
    build: Callable[..., Any],
    data: Prepared,
    seed: int,
    root: Path | None,
    report: Report,
) -> Fitted:
    def progress(step: int, steps: int) -> None:
        report({"phase": "train", "seed": seed, "seeds": spec.seeds, "step": step, "steps": steps})

    return fit_seed(
        build,
        data,
        settings=spec.settings,
        budget=spec.budget,
        likelihood=spec.model.likelihood,
        seed=seed,
        root=root,
        key=fingerprint(_training_inputs(spec, data, seed)),
        report=progress,
    )


def _training_inputs(spec: CellSpec, data: Prepared, seed: int) -> dict[str, Any]:
    capability = torch.backends.cpu.get_cpu_capability()
    return {
        "source": spec.training_digest,
        "data": data.digest,
        "space": [spec.space, spec.model.layout, spec.kind],
        "settings": spec.settings,
        "budget": spec.budget.model_dump(),
        "seed": seed,
        "versions": versions(),
        "machine": [capability, data.device, torch.get_num_threads()],
    }


def make_subject(
    spec: CellSpec,
    data: Prepared,
    model: Adapted,
    seed: int,
    rebuild: Callable[[DataSpec], Adapted] | None,
) -> Subject:
    """One seed's trained model as scoring, checks and costs see it."""
    conditional = data.context_space is not None
    return Subject(
        model=model,
        entry=spec.model,
        dataset=spec.dataset,
        spec=data.spec,
        space=data.space,
        splits=data.splits,
        evaluation=spec.suite.evaluate,
        truth=None if conditional else cast("Density | None", data.truth),
        seed=seed,
        device=data.device,
        rebuild=rebuild,
        context_space=data.context_space,
        conditional_truth=cast("ConditionalDensity | None", data.truth) if conditional else None,
    )


def _scores(subject: Subject) -> Tensor:
    """Test log-likelihoods [n] in nats. Raises DivergedError for NaN or zero density."""
    x = subject.splits.test
    if subject.likelihood == "none":
        return torch.full((len(x),), float("nan"), dtype=torch.float64)
    try:
        nats = scoring.point_scores(subject, x, subject.splits.test_context)
    except BenchError:
        raise
    except Exception as error:
        raise PluginError(f"log_prob raised {type(error).__name__}: {error}") from error
    bad = int((~torch.isfinite(nats)).sum())
    if bad:
        raise DivergedError(
            f"log_prob is NaN or infinite at {bad} of {len(x)} test points. Bound the model's "
            "scale or give its density tails"
        )
    return nats


def _costs(subject: Subject, fitted: list[Fitted]) -> records.Cost:
    seconds = sum(f.result.seconds for f in fitted) / len(fitted)
    return measure_costs(subject, train_seconds=seconds, train_steps=fitted[0].result.steps)


def _record(
    spec: CellSpec,
    data: Prepared,
    subjects: list[Subject],
    fitted: list[Fitted],
    points: Tensor,
    verdicts: list[records.Check],
) -> records.Record:
    scored = subjects[0].likelihood != "none"
    train_nats = _train_nats(subjects[0]) if scored else None
    score = scoring.summarize(points, spec.dataset, subjects[0], train_nats) if scored else None
    wrong = [c.name for c in verdicts if c.verdict == "fail"]
    return records.Record(
        cell=cell_key(spec),
        status="failed-check" if wrong else "ok",
        reason=f"failed: {', '.join(wrong)}" if wrong else None,
        seeds=[_seed(s, f, row, spec) for s, f, row in zip(subjects, fitted, points, strict=True)],
        score=score,
        checks=verdicts,
        digests=records.Digests(
            data=data.digest, source=spec.training_digest, settings=fingerprint(spec.settings)
        ),
        curve=f"curves/{spec.dataset.name}/{spec.model.name}.csv",
        reproducible=spec.budget.seconds is None and data.device == "cpu",
    )


def _train_nats(subject: Subject) -> float:
    """Mean score of as many training points as there are test points."""
    splits, n = subject.splits, len(subject.splits.test)
    context = None if splits.train_context is None else splits.train_context[:n]
    return float(scoring.point_scores(subject, splits.train[:n], context).mean())


def _seed(subject: Subject, fitted: Fitted, row: Tensor, spec: CellSpec) -> records.SeedScore:
    nats = float(row.mean()) if subject.likelihood != "none" else None
    discrete = spec.dataset.integral
    return records.SeedScore(
        seed=subject.seed,
        nats=nats,
        bits_per_dim=(
            scoring.bits_per_dim(nats, spec.dataset.dim) if discrete and nats is not None else None
        ),
        valid_nats=fitted.result.valid_nats,
        steps=fitted.result.steps,
        kept_step=fitted.result.kept_step,
    )


def _write_outputs(outcome: Outcome, results: Path, dataset: str, model: str) -> None:
    states = [
        f.model.module.state_dict() if f.model.module is not None else None for f in outcome.fitted
    ]
    save_state(paths.checkpoint_path(results, dataset, model), states)
    artifacts.write(
        paths.artifact_path(results, dataset, model), outcome.subjects[0], outcome.points
    )
    rows = [
        f"{s.seed},{step},{train!r},{valid!r},{int(step == f.result.kept_step)}"
        for s, f in zip(outcome.subjects, outcome.fitted, strict=True)
        for step, train, valid in f.result.curve
    ]
    text = "\n".join(["seed,step,train_nats,valid_nats,kept", *rows]) + "\n"
    write_text(paths.curve_path(results, dataset, model), text)


def _write_record(
    record: records.Record,
    cost: records.Cost,
    spec: CellSpec,
    results: Path,
    seconds: float,
) -> None:
    """The cost first: a record's presence means that the cell is complete."""
    name = (spec.dataset.name, spec.model.name)
    part = records.CostRecord(
        cost=cost,
        environment=capture(spec.suite.device),
        wall_seconds=round(seconds, 2),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    records.write(records.cost_path(results, *name), part)
    records.write(records.record_path(results, *name), record)
