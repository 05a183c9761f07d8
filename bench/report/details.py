"""What a row's dialog shows: checks, seeds, times, digests, environment."""

from __future__ import annotations

import math
from typing import Any

from bench.records import Score
from bench.report.board import Board
from bench.report.views import Row, View


def details(board: Board, checks: bool = True) -> dict[str, Any]:
    """JSON of all rows in the order of the tables; environments and what checks ask once each.

    `checks=False` leaves the checks' numbers and details to the record files.
    """
    environments: list[dict[str, Any]] = []
    rows = [_row(v, row, environments, checks) for v in board.everything for row in v.rows]
    asked = {name: [c.question, c.remedy] for name, c in board.checks.items()} if checks else {}
    return {"rows": rows, "environments": environments, "asked": asked}


def _row(view: View, row: Row, environments: list[dict[str, Any]], checks: bool) -> dict[str, Any]:
    cell = row.cell
    out: dict[str, Any] = {"d": cell.dataset, "m": cell.model, "s": cell.status, "note": row.note}
    if row.audit:
        out["audit"] = row.audit.words
    if cell.record is None:
        return out
    environment = cell.cost.environment.model_dump(mode="json")
    environment["packages"] = ", ".join(
        f"{k} {v}" for k, v in sorted(environment["packages"].items())
    )
    if environment not in environments:
        environments.append(environment)
    out["e"] = environments.index(environment)
    if checks:
        out |= _record(view, row)
    return out


def _record(view: View, row: Row) -> dict[str, Any]:
    record = row.cell.record
    assert record is not None
    settings = ", ".join(f"{k}={v}" for k, v in record.cell.settings.items())
    score = record.score
    return {
        "facts": _facts(
            settings=settings,
            space=score.space if score else None,
            dequantization=score.dequantization if score else None,
            noise_draws=_draws(score),
            bits_per_dim_of_the_levels_boxes=_short(
                score.box_bits_per_dim.mean if score and score.box_bits_per_dim else None
            ),
            bound_samples=score.bound_samples if score else None,
            train_nats=_short(score.train_nats) if score else None,
            worst_test_point_nats=_short(score.worst_nats) if score else None,
            reproducible="yes" if record.reproducible else "no",
            data=record.digests.data[:16],
            source=record.digests.source[:16],
            **{"settings digest": record.digests.settings[:16]},
            finished=row.cell.cost.finished,
            record=f"records/{row.cell.dataset}/{row.cell.model}.json",
        ),
        "seeds": [
            [
                s.seed,
                _short(view.score(s.nats)),
                _short(view.score(s.valid_nats)),
                s.steps,
                s.kept_step,
            ]
            for s in record.seeds
        ],
        "unit": view.unit,
        "checks": [
            [c.name, c.verdict, _short(c.statistic), _short(c.threshold), c.n, c.detail]
            for c in record.checks
        ],
        "times": _times(row),
    }


def _facts(**facts: Any) -> list[list[str]]:
    return [[k.replace("_", " "), str(v)] for k, v in facts.items() if v not in (None, "")]


def _draws(score: Score | None) -> str | int | None:
    """Of the dequantization noise, per test point."""
    if score is None or score.dequantization != "uniform":
        return None
    return "none: its exact expectation" if score.noise_draws is None else score.noise_draws


def _times(row: Row) -> list[list[Any]]:
    cost = row.cell.cost.cost
    named = {"log_prob": cost.log_prob_us, "sample": cost.sample_us, "transform": cost.transform_us}
    return [
        [name, _short(t.p20), _short(t.p50), _short(t.p80), t.n, "noisy" if t.noisy else ""]
        for name, t in named.items()
        if t
    ]


def _short(value: float | None) -> float | None:
    """Six significant digits; None for what JSON cannot say."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
