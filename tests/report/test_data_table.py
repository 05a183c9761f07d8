"""Findings on the data sets: warnings first, on the page and in Markdown; nothing without any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import synthetic

from bench.report import data_table
from bench.report.board import make_board
from bench.report.build import build


@pytest.fixture
def lines(built: Path) -> dict[str, data_table.Line]:
    board = make_board(built, synthetic.registry(synthetic.default_suite()))
    return {line.name: line for line in data_table.lines(board)}


def test_lines_follow_the_tables(lines: dict[str, data_table.Line]) -> None:
    assert list(lines) == ["digits", "odd"]
    odd = lines["odd"]
    assert odd.warnings == ("Column 1 lies on a grid.",)
    assert odd.notes == ("Column 2 holds one value in up to 3 % of the rows.",)
    assert (odd.seen, odd.tied) == ("3 of 500", "50 % in column 1")
    assert lines["digits"].tied == "–"


def test_both_documents_hold_them_and_point_there(built: Path) -> None:
    markdown = (built / "leaderboard.md").read_text()
    line = "| odd | 3 of 500 | 50 % in column 1 | Warning: Column 1 lies on a grid. Column 2 holds"
    assert line in markdown
    assert markdown.split("## odd\n")[1].count("[1 warning on these data](#data)") == 1
    assert markdown.count("on these data") == 1
    html = (built / "leaderboard.html").read_text()
    assert html.count('<a href="#findings">1 warning on these data</a>') == 1
    assert '<p><b class="bad">Warning</b> Column 1 lies on a grid.</p>' in html


@pytest.mark.parametrize("content", [None, "{", '{"schema_version": 99}'], ids=str)
def test_without_readable_reports_there_is_no_section(
    content: str | None, built: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(built / "records", results / "records")
    if content is not None:
        (results / "data").mkdir()
        (results / "data" / "odd.json").write_text(content)
    build(tmp_path, results, synthetic.registry(synthetic.default_suite()))
    assert "## Data" not in (results / "leaderboard.md").read_text()
    html = (results / "leaderboard.html").read_text()
    assert 'id="findings"' not in html
    assert "#findings" not in html
