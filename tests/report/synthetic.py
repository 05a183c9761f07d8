"""Result sets made of real record objects: every status, kind and absence a report can meet."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from synthetic_densities import board, claw, rings
from synthetic_reports import FINDINGS, data_report

from bench import paths, records
from bench.atomic import write_text
from bench.leaks.report import report_path
from bench.leaks.report import write as write_report
from bench.records import (
    CellKey,
    Check,
    Converted,
    Cost,
    CostRecord,
    Digests,
    Environment,
    Estimate,
    Gap,
    Record,
    Score,
    SeedScore,
    Times,
    Verdict,
)
from bench.registry import DatasetEntry, ModelEntry, Registry, discover

CHECKS = ("invariance", "balance", "round-trip", "log-det", "quadrature", "truth")
SEEDS, POINTS, GRID = 2, 600, 40


@dataclass(frozen=True)
class Spec:
    """A synthetic row: `gap` nats per dimension behind the best possible score.

    `verdicts`: of its checks, where they do not pass.
    """

    model: str
    gap: float
    us: float = 1.0
    implementation: str = "in-house"
    twin: str | None = None
    likelihood: str = "exact"
    status: str = "ok"
    family: str = "flow"
    trained: bool = True
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


MODELS = (
    Spec("gaussian", 0.9, 0.05, family="closed form", trained=False),
    Spec("kde", 0.12, 40.0, family="kernel", trained=False),
    Spec("realnvp", 0.25, 1.4),
    Spec("realnvp-nflows", 0.251, 2.9, "nflows", "realnvp"),
    Spec("maf", 0.20, 1.1),
    Spec("maf-nflows", 0.2, 2.2, "nflows", "maf"),
    Spec("nsf-coupling", 0.072, 4.8),
    Spec("nsf-coupling-nflows", 0.073, 15.0, "nflows", "nsf-coupling"),
    Spec("gmm-sklearn", 0.075, 0.4, "scikit-learn", family="mixture", trained=False),
)
DISCRETE = (
    Spec("categorical", 0.7, 0.3, likelihood="exact-discrete", family="closed form", trained=False),
    Spec("chow-liu", 0.5, 0.7, likelihood="exact-discrete", family="tree", trained=False),
    Spec("made", 0.42, 2.0, likelihood="exact-discrete", family="autoregressive"),
    Spec("vae", 0.55, 30.0, likelihood="lower-bound", family="vae"),
    Spec("maf", 0.3, 6.0, likelihood="lower-bound"),
    Spec("maf-nflows", 0.3005, 11.0, "nflows", "maf", likelihood="lower-bound"),
    Spec("nsf-coupling", 0.26, 12.0, likelihood="lower-bound"),
)
ODD = (
    Spec("best", 0.1),
    Spec("cheat", -0.5, status="failed-check", verdicts={"balance": "fail"}),
    Spec("sly", -0.4),
    Spec("no-package", 0.0, status="missing"),
    Spec("slow", 0.0, status="timeout"),
    Spec("nan", 0.0, status="diverged"),
    Spec("crash", 0.0, status="error"),
    Spec("gan", 0.0, likelihood="none"),
    Spec("bounded", 0.0, likelihood="lower-bound"),
)
AUDITED = (
    *MODELS,
    Spec("best", 0.1, verdicts={"truth": "inconclusive", "quadrature": "n/a"}),
    Spec("bounded", 0.1, likelihood="lower-bound", verdicts={"quadrature": "error"}),
    Spec("cheat", -0.5, status="failed-check", verdicts={"truth": "fail"}),
    Spec("sly", -0.4, status="failed-check", verdicts={"truth": "fail", "balance": "fail"}),
    Spec("crash", 0.0, status="error"),
    Spec("no-package", 0.0, status="missing"),
    Spec("nan", 0.0, verdicts=dict.fromkeys(CHECKS, "n/a")),
)
#: what becomes of the models of the default suite
VERDICTS = {
    **{s.model: "audited" for s in MODELS},
    **{"best": "audited", "bounded": "inconclusive", "nan": "inconclusive"},
    **{"cheat": "failed", "sly": "failed", "crash": "not audited", "no-package": "not audited"},
    **{"categorical": "audited", "chow-liu": "audited", "made": "audited"},
}
REASONS = {
    "missing": "the package zuko is not installed. Install it: pip install zuko",
    "timeout": "stopped after 600 s",
    "diverged": "training ended in NaN at step 120",
    "error": "build returned a tensor of shape [3], expected a model",
    "failed-check": None,
}


CONVERTED = Converted(
    log_prob_ratio=2.1,
    log_prob_interval=(2.0, 2.2),
    sample_ratio=9.4,
    sample_interval=(9.1, 9.9),
)


@dataclass(frozen=True)
class Data:
    """A synthetic data set and its rows."""

    entry: DatasetEntry
    specs: tuple[Spec, ...]
    entropy: float = 1.0
    density: Callable[..., np.ndarray] | None = None
    audit: bool = False


def entry(
    name: str, kind: str, shape: tuple[int, ...], levels: int | None, truth: bool
) -> DatasetEntry:
    """A card."""
    return DatasetEntry(name, Path("synthetic.py"), "f", kind, shape, levels, truth)


def default_suite() -> tuple[Data, ...]:
    """Four data sets of the kinds the default suite has, one of every misfortune, an audit."""
    return (
        Data(entry("claw", "continuous", (1,), None, True), MODELS[:2] + MODELS[4:], 1.1928, claw),
        Data(entry("checkerboard", "continuous", (2,), None, True), MODELS, 3.4657, board),
        Data(entry("rings", "continuous", (2,), None, True), MODELS, 2.6232, rings),
        Data(entry("digits", "discrete", (1, 8, 8), 17, False), DISCRETE, 80.0),
        Data(entry("odd", "continuous", (3,), None, False), ODD, 1.0),
        Data(entry("audit-2", "continuous", (2,), None, True), AUDITED, 1.1, audit=True),
        Data(entry("audit-6", "discrete", (6,), 4, True), DISCRETE[:3], 5.0, audit=True),
    )


def unaudited() -> tuple[Data, ...]:
    """The same without its audit."""
    return tuple(data for data in default_suite() if not data.audit)


def planned() -> int:
    """Number of cells of the default suite."""
    return sum(len(data.specs) for data in default_suite())


def many(sets: int, rows: int = 12, pictured: int = 14, audits: int = 0) -> tuple[Data, ...]:
    """`sets` data sets of `rows` rows each, then truths; the first `pictured` have densities."""
    specs = tuple(
        Spec(
            f"model-{i}",
            0.05 * (i + 1),
            0.3 * 1.7 ** (i % 12),
            implementation="nflows" if i % 4 == 3 else "in-house",
            twin=f"model-{i - 1}" if i % 4 == 3 else None,
        )
        for i in range(rows)
    )
    return tuple(
        Data(
            entry(f"set-{i}", "continuous", (2,), None, True),
            specs,
            2.0,
            rings if i < pictured else None,
            audit=i >= sets,
        )
        for i in range(sets + audits)
    )


def registry(suite: tuple[Data, ...]) -> Registry:
    """The plugins behind a suite."""
    models = {
        s.model: ModelEntry(
            s.model,
            Path("m.py"),
            "build",
            likelihood=s.likelihood,
            implementation=s.implementation,
            twin=s.twin,
            family=s.family,
        )
        for d in suite
        for s in d.specs
    }
    return Registry(models, {d.entry.name: d.entry for d in suite}, [], discover().checks)


def write(
    results: Path, suite: tuple[Data, ...], artifacts: bool = True, seed: int = 0
) -> Registry:
    """Write records, costs, curves, artifacts and the index of a suite; returns its registry."""
    cells = []
    for number, data in enumerate(suite):
        rng = np.random.default_rng([seed, number])
        common = rng.normal(0, 0.9, POINTS)
        for i, spec in enumerate(data.specs):
            absent = spec.status == "missing"
            if not absent:
                write_cell(
                    results, data, spec, common, np.random.default_rng([seed, number, i]), artifacts
                )
            cells.append(
                {
                    "dataset": data.entry.name,
                    "model": spec.model,
                    "digest": None if absent else "0" * 64,
                    "status": "absent" if absent else spec.status,
                    **({"audit": True} if data.audit else {}),
                }
            )
        if data.entry.name in FINDINGS:
            report = data_report(data.entry, *FINDINGS[data.entry.name])
            write_report(report_path(results, data.entry.name), report)
    index = {"schema": 1, "suite": "synthetic", "cells": cells, "problems": []}
    write_text(results / "records.json", json.dumps(index))
    return registry(suite)


def write_cell(
    results: Path,
    data: Data,
    spec: Spec,
    common: np.ndarray,
    rng: np.random.Generator,
    artifacts: bool,
) -> None:
    """One cell's files."""
    dim = data.entry.dim
    noise = 0.05 * math.sqrt(dim)
    points = common - data.entropy - spec.gap * dim + rng.normal(0, noise, (SEEDS, POINTS))
    points += 0.004 * dim * rng.normal(0, 1, (SEEDS, 1)) * spec.trained
    name = data.entry.name
    scored = spec.status in ("ok", "failed-check")
    record = make_record(data, spec, points) if scored else failed_record(data, spec)
    records.write(records.record_path(results, name, spec.model), record)
    if not scored:
        return
    records.write(records.cost_path(results, name, spec.model), make_cost(spec, dim, rng))
    if spec.trained:
        write_curve(paths.curve_path(results, name, spec.model), points.mean())
    if artifacts:
        write_artifact(paths.artifact_path(results, name, spec.model), data, spec, points, rng)


def key(data: Data, spec: Spec) -> CellKey:
    """The cell's key."""
    return CellKey(
        dataset=data.entry.name,
        model=spec.model,
        suite="audit" if data.audit else "synthetic",
        twin=spec.twin,
        implementation=spec.implementation,
        family=spec.family,
        likelihood=spec.likelihood,
        settings={"hidden": 64, "layers": 4} if spec.trained else {},
    )


def failed_record(data: Data, spec: Spec) -> Record:
    """A record without a score."""
    return Record(cell=key(data, spec), status=spec.status, reason=REASONS[spec.status])


def estimate(points: np.ndarray) -> Estimate:
    """Mean and both errors of [seeds, n]."""
    n, seeds = points.shape[1], points.mean(1)
    return Estimate(
        mean=float(points.mean()),
        se_test=float(points.mean(0).std(ddof=1) / math.sqrt(n)),
        se_seeds=float(seeds.std(ddof=1) / math.sqrt(len(seeds))),
    )


def make_record(data: Data, spec: Spec, points: np.ndarray) -> Record:
    """A scored record."""
    discrete = data.entry.kind == "discrete"
    bits = -1 / (data.entry.dim * math.log(2))
    score = Score(nats=estimate(points), train_nats=float(points.mean()) + 0.01)
    if discrete:
        score.bits_per_dim = estimate(points * bits)
        score.dequantization = "uniform" if spec.likelihood == "lower-bound" else None
    if data.entry.truth:
        score.truth_nats = -data.entropy
        score.gap_nats = Gap(mean=spec.gap * data.entry.dim, se=0.004)
    return Record(
        cell=key(data, spec),
        status=spec.status,
        seeds=[
            SeedScore(seed=i, nats=float(p.mean()), steps=500, kept_step=400)
            for i, p in enumerate(points)
        ],
        score=score,
        checks=[
            Check(
                name=name,
                verdict=spec.verdicts.get(name, "pass"),
                statistic=1.3,
                threshold=6.0,
                n=4000,
                detail="E_q[r/q] = 1.003 ± 0.002",
            )
            for name in CHECKS
        ],
        digests=Digests(data="d" * 64, source="5" * 64, settings="e" * 64),
        curve=f"results/curves/{data.entry.name}/{spec.model}.csv" if spec.trained else None,
    )


def times(p50: float) -> Times:
    """Quantiles around a median."""
    return Times(p20=0.97 * p50, p50=p50, p80=1.05 * p50, n=40)


def make_cost(spec: Spec, dim: int, rng: np.random.Generator) -> CostRecord:
    """A cost record on a machine of that name."""
    us = spec.us * math.sqrt(dim) * float(rng.uniform(0.8, 1.25))
    flow = spec.family == "flow"
    cost = Cost(
        parameters=21_448 if spec.trained else 2 * dim,
        train_seconds=us * 2.5 if spec.trained else 0.01,
        log_prob_us=times(us),
        sample_us=times(1.5 * us),
        samples_per_second=1e6 / (1.5 * us),
        logdet_us=0.2 * us if flow else None,
        logdet_share=0.2 if flow else None,
        logdet_speedup=37.0 if flow else None,
        logdet_error=3e-13 if flow else None,
        converted=CONVERTED if spec.implementation == "nflows" else None,
    )
    environment = Environment(
        torch="2.13.0",
        device="cpu",
        cpu="Example 9000",
        cores=8,
        python="3.11.9",
        platform="Linux",
        packages={"nflows": "0.14", "numpy": "2.4.6"},
    )
    return CostRecord(cost=cost, environment=environment, finished="2026-01-01T00:00:00Z")


def write_curve(file: Path, end: float) -> None:
    """Validation scores that rise to `end`."""
    lines = ["seed,step,train_nats,valid_nats,kept"]
    for seed in range(SEEDS):
        for i in range(1, 9):
            value = end - 2.5 * math.exp(-0.7 * i) + 0.02 * seed
            lines.append(f"{seed},{i * 62},{value + 0.05},{value},{i == 7}")
    write_text(file, "\n".join(lines) + "\n")


def write_artifact(
    file: Path, data: Data, spec: Spec, points: np.ndarray, rng: np.random.Generator
) -> None:
    """Per-point scores, and a density or digits-like samples."""
    arrays = {"test_log_prob": points, **density_arrays(data, spec)}
    if data.entry.kind == "discrete":
        blobs = rng.integers(0, data.entry.levels or 2, (12, *data.entry.shape))
        arrays |= {"samples": blobs, "nearest_train": blobs[::-1]}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)


def density_arrays(data: Data, spec: Spec) -> dict[str, np.ndarray]:
    """The truth and a smeared copy of it, both of mass one on the grid."""
    if data.density is None:
        return {}
    x = np.linspace(-5, 5, 600 if data.entry.dim == 1 else GRID)
    axes = (x,) if data.entry.dim == 1 else np.meshgrid(x, x)
    cell = (x[1] - x[0]) ** data.entry.dim
    truth = data.density(*axes)
    truth = truth / (truth.sum() * cell)
    wide = np.exp(-0.5 * sum(a * a for a in axes) / 6)
    share = min(0.9, spec.gap)
    model = (1 - share) * truth + share * wide / (wide.sum() * cell)
    with np.errstate(divide="ignore"):
        out = {"grid_x": x, "grid_log_prob": np.log(model), "truth_grid_log_prob": np.log(truth)}
    return out | ({"grid_y": x} if data.entry.dim == 2 else {})
