"""The tidy table: one row per planned cell (DataFrame, CSV)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bench.records import Estimate
from bench.report.views import Row, View

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "dataset", "model", "implementation", "family", "status", "rank", "likelihood",
    "nats", "nats_se_test", "nats_se_seeds", "bits_per_dim", "bits_se_test", "bits_se_seeds",
    "truth", "gap", "parameters", "train_seconds", "log_prob_us", "samples_per_second",
    "logdet_us", "logdet_share", "logdet_speedup", "logdet_error",
    "checks_passed", "checks_failed", "seeds", "device", "suite",
    "audit", "checks_inconclusive", "checks_error",
)  # fmt: skip
INTEGERS = (
    "rank", "parameters", "checks_passed", "checks_failed", "seeds",
    "checks_inconclusive", "checks_error",
)  # fmt: skip


def frame(views: Iterable[View], suite: str) -> pd.DataFrame:
    """All planned cells, tables in order, rows in the order of their table.

    Units: nats (higher is better) and bits/dim (lower is better) per point; `truth` is minus the
    entropy in nats, `gap` nats; times in microseconds per sample, `train_seconds` in seconds.
    `rank` is empty where a row is not ranked; rows of the audit, last, never are. `audit` is the
    verdict on the row's model: audited, failed, inconclusive, not audited, or empty.
    """
    import pandas as pd

    lines = [_line(row, _suite(view, suite)) for view in views for row in view.rows]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    return table.astype({name: "Int64" for name in INTEGERS})


def _suite(view: View, default: str) -> str:
    """The suite that a view's records name: for its rows without one."""
    named = (row.cell.record.cell.suite for row in view.rows if row.cell.record)
    return next(named, default)


def _line(row: Row, suite: str) -> dict[str, Any]:
    cell, cost = row.cell, row.cell.cost.cost
    record = cell.record
    score = record.score if record else None
    return {
        "dataset": cell.dataset,
        "model": cell.model,
        "implementation": cell.implementation,
        "family": cell.family,
        "status": cell.status,
        "rank": row.place.rank if row.place else None,
        "likelihood": cell.likelihood,
        **_estimate("nats", "nats", score.nats if score else None),
        **_estimate("bits_per_dim", "bits", score.bits_per_dim if score else None),
        "truth": score.truth_nats if score else None,
        "gap": score.gap_nats.mean if score and score.gap_nats else None,
        "parameters": cost.parameters,
        "train_seconds": cost.train_seconds,
        "log_prob_us": cost.log_prob_us.p50 if cost.log_prob_us else None,
        "samples_per_second": cost.samples_per_second,
        "logdet_us": cost.logdet_us,
        "logdet_share": cost.logdet_share,
        "logdet_speedup": cost.logdet_speedup,
        "logdet_error": cost.logdet_error,
        "checks_passed": cell.verdicts("pass") if record else None,
        "checks_failed": cell.verdicts("fail") if record else None,
        "seeds": len(record.seeds) if record else None,
        "device": cell.cost.environment.device,
        "suite": record.cell.suite if record else suite,
        "audit": row.audit.verdict if row.audit else None,
        "checks_inconclusive": cell.verdicts("inconclusive") if record else None,
        "checks_error": cell.verdicts("error") if record else None,
    }


def _estimate(name: str, short: str, value: Estimate | None) -> dict[str, float | None]:
    return {
        name: value.mean if value else None,
        f"{short}_se_test": value.se_test if value else None,
        f"{short}_se_seeds": value.se_seeds if value else None,
    }
