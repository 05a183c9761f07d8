"""Audits: one verdict per model, no rank for a model that failed, nothing where there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import synthetic

from bench.records import Check
from bench.report import audit_table, build
from bench.report.audit import Met, judge
from bench.report.board import Board, make_board


def met(**verdicts: str) -> Met:
    """A truth on which the checks ended so."""
    return Met("t", [Check(name=n, verdict=v) for n, v in verdicts.items()])


ABSENT = Met("u", [], "the package zuko is not installed")
VERDICTS = {
    "all pass": ([met(a="pass", b="pass")], "audited"),
    "single doubts": ([met(a="pass", b="inconclusive", c="n/a")], "audited"),
    "one failure": ([met(a="pass"), met(a="pass", b="fail")], "failed: b"),
    "a check fails twice": ([met(b="fail", a="fail"), met(b="fail")], "failed: a, b"),
    "a failure outweighs an absence": ([ABSENT, met(a="fail")], "failed: a"),
    "a truth is absent": (
        [met(a="pass"), ABSENT],
        "not audited: u: the package zuko is not installed",
    ),
    "absent on every truth": (
        [ABSENT, Met("v", [], ABSENT.reason)],
        "not audited: the package zuko is not installed",
    ),
    "a check raised": ([met(a="pass", b="error")], "inconclusive: b raised"),
    "nothing passed": (
        [met(a="pass"), met(a="n/a", b="inconclusive")],
        "inconclusive: no check passed on t",
    ),
    "no truth": ([], "not audited: it meets no known truth"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_on_a_model(name: str) -> None:
    truths, words = VERDICTS[name]
    assert judge(truths).words == words
    assert judge(reversed(truths)).words == words
    assert (judge(truths).refusal is None) == (not words.startswith("failed"))


@pytest.fixture(scope="module")
def board(built: Path) -> Board:
    return make_board(built, synthetic.registry(synthetic.default_suite()))


def test_each_planned_audit_has_its_verdict(board: Board) -> None:
    assert {m: a.verdict for m, a in board.verdicts.items()} == synthetic.VERDICTS
    assert [v.name for v in board.views] == ["claw", "checkerboard", "rings", "digits", "odd"]
    assert [v.name for v in board.audits] == ["audit-2", "audit-6"]


def test_a_failed_audit_costs_the_rank_and_says_so(board: Board) -> None:
    odd = next(v for v in board.views if v.name == "odd")
    places = [r.cell.model for r in odd.rows]
    sly = odd.rows[places.index("sly")]
    assert sly.cell.status == "ok"
    assert sly.cell.nats == max(r.cell.nats or -99 for r in odd.rows if r.cell.status == "ok")
    assert sly.place is None
    assert sly.note == "its audit failed balance and truth"
    assert places.index("sly") > max(places.index(r.cell.model) for r in odd.ranked)
    assert odd.best[0].cell.model == "best"


def test_what_is_not_audited_is_ranked_and_marked(board: Board) -> None:
    digits = next(v for v in board.views if v.name == "digits")
    vae = next(r for r in digits.rows if r.cell.model == "vae")
    assert vae.place is not None
    assert vae.audit is not None
    assert vae.audit.verdict == "not audited"


def test_the_csv_holds_verdicts_and_audit_rows(built: Path) -> None:
    rows = pd.read_csv(built / "leaderboard.csv")
    audits = rows[rows.suite == "audit"]
    assert list(rows.index[-len(audits) :]) == list(audits.index)
    assert set(audits.dataset) == {"audit-2", "audit-6"}
    assert audits["rank"].isna().all()
    assert set(rows.audit) == {"audited", "failed", "inconclusive", "not audited"}
    bounded = audits.set_index("model").loc["bounded"]
    assert (bounded.checks_passed, bounded.checks_error) == (5, 1)
    assert audits.set_index("model").loc["best"].checks_inconclusive == 1


def test_the_markdown_holds_the_audit(built: Path) -> None:
    page = (built / "leaderboard.md").read_text()
    section = page.split("## Audit\n")[1].split("\n## ")[0]
    assert "13 of 19 models audited; 2 failed: cheat and sly; 2 inconclusive" in section
    line = next(x for x in section.splitlines() if x.startswith("| sly"))
    assert "✗ failed: balance, truth | 4 ✓ 2 ✗, gap −0.8000 ± 0.0040 |" in line
    assert "| ○ not audited |" in page.split("## digits")[1]
    assert re.search(r"\| sly \|.*failed-audit: its audit failed balance and truth \|", page)


def test_the_page_holds_the_audit(built: Path) -> None:
    html = (built / "leaderboard.html").read_text()
    section = html.split('<section class="set" id="audit"')[1].split("</section>")[0]
    numbers = [int(n) for n in re.findall(r'<button type="button" data-r="(\d+)"', section)]
    audits = [d for d in synthetic.default_suite() if d.audit]
    first = synthetic.planned() - sum(len(d.specs) for d in audits)
    assert sorted(numbers) == list(range(first, synthetic.planned()))
    assert 'class="bad"><button' in section
    assert "✗ failed: balance, truth" in section
    assert html.count("<button>audit</button>") == 5


def test_without_an_audit_nothing_speaks_of_one(tmp_path: Path) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.unaudited(), artifacts=False)
    build.build(tmp_path, results, plugins)
    html = (results / "leaderboard.html").read_text().split("<body>")[1].split("<script")[0]
    assert not re.search(r"audit", html, re.I)
    assert "audit" not in (results / "leaderboard.md").read_text().lower()
    rows = pd.read_csv(results / "leaderboard.csv")
    assert rows.audit.isna().all()
    assert rows.set_index(["dataset", "model"])["rank"]["odd", "sly"] == 1


def test_without_an_index_the_smaller_suite_is_the_audit(built: Path, tmp_path: Path) -> None:
    (tmp_path / "records").symlink_to(built / "records")
    board = make_board(tmp_path, synthetic.registry(synthetic.default_suite()))
    assert board.suite == "synthetic"
    assert [v.name for v in board.audits] == ["audit-2", "audit-6"]


def test_failures_head_the_table(board: Board) -> None:
    order = [line.audit.verdict for line in audit_table.lines(board)]
    assert order == sorted(order, key=audit_table.ORDER.index)
    assert order[0] == "failed"
