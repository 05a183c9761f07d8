"""Lines that a person reads: counts, the live line, the estimate of what is left."""

from __future__ import annotations

import io
from typing import Any

import pytest
from test_pool import a_spec

from bench import records
from bench.pipeline import progress
from bench.pipeline.progress import Outcome, Reporter

DURATIONS = {4.2: "4 s", 89.0: "89 s", 360.0: "6 min", 5340.0: "89 min", 5400.0: "1 h 30 min"}


@pytest.mark.parametrize("seconds", DURATIONS)
def test_durations(seconds: float) -> None:
    assert progress.duration(seconds) == DURATIONS[seconds]


def test_summary_counts_in_the_order_of_the_statuses() -> None:
    statuses = ["missing", "ok", "absent", "ok", "failed-check"]
    assert progress.summary(statuses) == "5 cells: 2 ok, 1 failed-check, 1 missing, 1 absent"
    assert progress.summary(["ok"]) == "1 cell: 1 ok"
    assert progress.summary([]) == "0 cells"


def an_outcome(name: str, seconds: float, **changes: Any) -> Outcome:
    spec = a_spec(name)
    key = records.CellKey(dataset="rings", model=name, suite="s")
    return Outcome(spec, "ok", None, seconds, records.Record(cell=key, status="ok", **changes))


def test_a_finished_cell_shows_score_and_checks() -> None:
    score = records.Score(nats=records.Estimate(mean=-0.2411, se_test=0.0123))
    checks = [records.Check(name=n, verdict=v) for n, v in (("a", "pass"), ("b", "n/a"))]
    line = progress.describe(an_outcome("maf", 41.0, score=score, checks=checks))
    assert line.split("  ")[-5:] == ["rings", "maf", "-0.241 ± 0.012 nats", "1/1 checks", "41 s"]


def test_the_live_line_and_its_estimate() -> None:
    stream = io.StringIO()
    expected = {"rings/a": 100.0, "rings/b": 400.0}
    reporter = Reporter(3, expected=expected, stream=stream, live=True)
    a, b = a_spec("a"), a_spec("b")
    reporter.started(a)
    assert reporter.line().endswith("eta ?")  # the third cell has never run
    reporter.event(a, {"phase": "train", "seed": 1, "seeds": 3, "step": 4, "steps": 10})
    assert "0%  cell 0/3  rings x a  train  seed 2/3  step 4/10" in reporter.line()
    reporter.finished(an_outcome("a", 200.0))
    reporter.started(b)
    assert reporter.line() == "33%  cell 1/3  rings x b  eta 10 min"  # 400 s, and 200 s as the mean
    reporter.drawn = 0.0
    reporter.tick()
    reporter.close()
    assert "\r\x1b[2K33%" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_a_heartbeat_only_when_nothing_was_said() -> None:
    stream = io.StringIO()
    reporter = Reporter(1, stream=stream)
    reporter.started(a_spec("a"))
    reporter.tick()
    assert stream.getvalue() == ""
    reporter.spoken -= progress.HEARTBEAT
    reporter.tick()
    reporter.tick()
    assert stream.getvalue() == "0%  cell 0/1  rings x a  eta ?\n"
