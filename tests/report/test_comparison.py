"""What changed between two result sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import synthetic

from bench import records
from bench.errors import MissingError
from bench.records import Record
from bench.report import comparison

SUITE = synthetic.default_suite()[1:2]


def change(results: Path, edit: Callable[[Record], None]) -> None:
    """Edit the record of maf on the checkerboard."""
    file = records.record_path(results, "checkerboard", "maf")
    record = records.read(file)
    edit(record)
    records.write(file, record)


def shift(by: float) -> Callable[[Record], None]:
    """Move the score; the artifacts are removed, so that the record's word counts."""

    def edit(record: Record) -> None:
        assert record.score is not None
        assert record.score.nats.mean is not None
        record.score.nats.mean += by

    return edit


def fail(record: Record) -> None:
    """From ok to failed-check."""
    record.status = "failed-check"


def other_data(record: Record) -> None:
    """Scored on other points."""
    record.digests.data = "f" * 64


CASES: dict[str, tuple[Callable[[Record], None], str, str]] = {
    "nothing": (shift(0.0), "same", ""),
    "better": (shift(0.5), "better", ""),
    "worse": (shift(-0.5), "worse", ""),
    "within its error": (shift(-0.03), "unclear", ""),
    "fails": (fail, "same", "ok -> failed-check"),
    "other data": (other_data, "unclear", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts(name: str, tmp_path: Path) -> None:
    edit, score, status = CASES[name]
    for side in ("old", "new"):
        synthetic.write(tmp_path / side / "results", SUITE, artifacts=False)
    change(tmp_path / "new" / "results", edit)
    found = comparison.compare(tmp_path / "old" / "results", tmp_path / "new" / "results")
    rows = {r.model: r for r in found.rows}
    assert (rows["maf"].score, rows["maf"].status) == (score, status)
    assert rows["maf"].log_prob_ratio == 1.0
    assert all(r.score == "same" for m, r in rows.items() if m != "maf")
    assert found.text.startswith("9 cells: ")
    assert ("maf" in found.text) == (name != "nothing")


def test_paired_scores_resolve_what_records_alone_do_not(tmp_path: Path) -> None:
    for side, seed in (("old", 0), ("new", 0)):
        synthetic.write(tmp_path / side / "results", SUITE, seed=seed)
    file = tmp_path / "new" / "artifacts" / "checkerboard" / "maf.npz"
    other = tmp_path / "new" / "artifacts" / "checkerboard" / "maf-nflows.npz"
    file.write_bytes(other.read_bytes())
    found = comparison.compare(tmp_path / "old" / "results", tmp_path / "new" / "results")
    row = next(r for r in found.rows if r.model == "maf")
    assert row.error is not None
    assert row.error < 0.02  # unpaired: .05


def test_cells_that_come_and_go(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "a", SUITE)
    synthetic.write(tmp_path / "b", synthetic.default_suite()[:1])
    scores = {r.dataset: r.score for r in comparison.compare(tmp_path / "a", tmp_path / "b").rows}
    assert scores == {"claw": "new", "checkerboard": "removed"}


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="dvc repro"):
        comparison.compare(tmp_path, tmp_path)
