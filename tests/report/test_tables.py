"""CSV and Markdown: every planned cell once, values whole, reasons told."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import synthetic

from bench import records
from bench.report import board, build, cells, table, text

DESIGN = (
    "dataset, model, implementation, family, status, rank, likelihood, nats, nats_se_test, "
    "nats_se_seeds, bits_per_dim, bits_se_test, bits_se_seeds, truth, gap, parameters, "
    "train_seconds, log_prob_us, samples_per_second, logdet_us, logdet_share, logdet_speedup, "
    "logdet_error, checks_passed, checks_failed, seeds, device, suite, "
    "audit, checks_inconclusive, checks_error"
)


def read(results: Path) -> pd.DataFrame:
    """The CSV as pandas reads it."""
    return pd.read_csv(results / "leaderboard.csv", keep_default_na=False, na_values=[""])


def test_columns_are_the_documented_ones(built: Path) -> None:
    assert list(read(built)) == DESIGN.split(", ")


def test_one_row_per_planned_cell(built: Path) -> None:
    planned = {(d.entry.name, s.model) for d in synthetic.default_suite() for s in d.specs}
    rows = read(built)
    assert set(zip(rows.dataset, rows.model, strict=True)) == planned
    assert len(rows) == len(planned)


def test_values_survive_the_round_trip(built: Path) -> None:
    for row in read(built).itertuples():
        if row.status in ("ok", "failed-check"):
            record = records.read(records.record_path(built, row.dataset, row.model))
            assert record.score is not None
            assert row.nats == record.score.nats.mean
            assert row.nats_se_seeds == record.score.nats.se_seeds
            cost = records.read_cost(records.cost_path(built, row.dataset, row.model)).cost
            assert row.log_prob_us == cost.log_prob_us.p50  # type: ignore[union-attr]


def test_frame_equals_the_file(built: Path) -> None:
    found = board.make_board(built, synthetic.registry(synthetic.default_suite()))
    frame = table.frame(found.everything, found.suite)
    whole = pd.read_csv(io.StringIO((built / "leaderboard.csv").read_text()))
    for name in ("nats", "log_prob_us", "gap"):
        pd.testing.assert_series_equal(frame[name].astype(float), whole[name].astype(float))


def test_statuses_kinds_and_ranks(built: Path) -> None:
    rows = read(built).query("dataset == 'odd'").set_index("model")
    assert rows["rank"].dropna().to_dict() == {"best": 1, "bounded": 2}
    assert list(rows.index[:4]) == ["best", "bounded", "gan", "cheat"]
    assert rows.status.to_dict() == {
        "best": "ok", "bounded": "ok", "gan": "ok", "cheat": "failed-check", "crash": "error",
        "nan": "diverged", "no-package": "missing", "slow": "timeout", "sly": "ok",
    }  # fmt: skip
    assert rows.checks_failed["cheat"] == 1


def test_markdown_says_what_and_why(built: Path) -> None:
    page = (built / "leaderboard.md").read_text()
    assert "17 levels · uniform: 4.0875 bits/dim" in page
    assert "true entropy 3.4657 nats" in page
    assert "bounded scores higher, as a bound: ranked after the exact best." in page
    assert "training ended in NaN at step 120" in page
    assert "1 failed a check, 1 missing, 1 ran out of time" in page
    assert "## Twins" in page
    assert "Example 9000" in page


def test_markdown_tables_are_rectangular(built: Path) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", (built / "leaderboard.md").read_text(), re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


DAMAGED = {
    "cut": '{"cell": {"datas',
    "newer": '{"schema_version": 99}',
    "empty": "",
    "another type": "[1, 2]",
    "unknown field": '{"surprise": 1}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_is_a_row_with_its_reason(name: str, tmp_path: Path) -> None:
    plugins = synthetic.write(tmp_path, synthetic.default_suite()[:1], artifacts=False)
    records.record_path(tmp_path, "claw", "maf").write_text(DAMAGED[name])
    (claw,) = cells.read_results(tmp_path, plugins).datasets
    outcome = {c.model: (c.status, c.reason) for c in claw.cells}
    status, reason = outcome.pop("maf")
    assert status == "error"
    assert reason
    assert "records/claw/maf.json" in reason
    assert str(tmp_path) not in reason
    assert {s for s, _ in outcome.values()} == {"ok"}


def test_a_damaged_record_stops_no_table(tmp_path: Path) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.default_suite()[:1], artifacts=False)
    records.record_path(results, "claw", "maf").write_text("{")
    assert build.build(tmp_path, results, plugins).statuses == {"ok": 6, "error": 1}
    assert str(tmp_path) not in (results / "leaderboard.html").read_text()


def test_without_artifacts_ranks_are_unpaired_and_say_so(tmp_path: Path) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.default_suite(), artifacts=False)
    summary = build.build(tmp_path, results, plugins)
    assert summary.statuses["ok"] == 51
    assert "unpaired" in (results / "leaderboard.html").read_text()
    assert not (results / "figures" / "densities.png").exists()


def test_figures_are_small_and_the_build_repeats_to_the_byte(built: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.default_suite())
    summary = build.build(tmp_path, results, plugins)
    assert summary.cells == synthetic.planned()
    for file in summary.files:
        content = (tmp_path / file).read_bytes()
        assert content == (built.parent / file).read_bytes(), file
        assert file.suffix != ".png" or len(content) < 150_000
    assert sum(f.suffix == ".png" for f in summary.files) == 3


NUMBERS = (
    (1234567.0, "1,230,000"), (0.012345, "0.0123"), (12.34, "12.3"), (999.9, "1,000"), (0.0, "0"),
    (None, "–"), (float("nan"), "–"), (-0.5, "−0.500"), (3e-13, "3.0e−13"),
)  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), NUMBERS)
def test_significant(value: float | None, shown: str) -> None:
    assert text.significant(value) == shown


@pytest.mark.parametrize(
    ("error", "decimals"), [(0.0081, 4), (0.12, 2), (3.0, 2), (1e-9, 5), (0.0, 4), (None, 4)]
)
def test_decimals_show_two_digits_of_the_error(error: float | None, decimals: int) -> None:
    assert text.decimals_for(error) == decimals


def test_no_report_loads_torch() -> None:
    code = (
        "import sys, bench.report.build, bench.report.comparison, bench.report.figures;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_record_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results"
    plugins = synthetic.write(results, synthetic.default_suite())
    opened: Counter[Path] = Counter()
    original = Path.read_text

    def counted(self: Path, *args: Any, **kwargs: Any) -> str:
        opened[self] += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    build.build(tmp_path, results, plugins)
    read_records = {f: n for f, n in opened.items() if "records" in f.parts}
    assert len(read_records) >= synthetic.planned() - 2
    assert set(read_records.values()) == {1}
