"""The report's file: the same bytes for the same data, nothing but a report, nothing slow."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from leak_cases import ROOT, normal, report_on, three

from bench import load
from bench.datasets.fetch import SETS
from bench.leaks import audit, report
from bench.registry import discover
from bench.settings import Sizes

SMALL = Sizes(train=500, valid=100, test=400)
NAMES = sorted(set(discover().datasets) - set(SETS))  #: what needs no file


@pytest.mark.parametrize("name", NAMES)
def test_no_data_set_of_the_benchmark_leaks(name: str, tmp_path: Path) -> None:
    made = audit.audit(discover().dataset(name), SMALL, "made of")
    file = report.report_path(tmp_path, name)
    report.write(file, made)
    assert report.read(file) == made
    assert made.rows.test_in_train.n == made.sizes["test"]
    assert (made.entropy is not None) == made.truth
    seen = made.rows.test_in_train
    assert seen.count == 0 or seen.z < 5
    assert not any("training rows;" in f.text for f in made.findings if f.severity == "warning")


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for file in files:
        report.write(file, report_on(three(normal)))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().endswith(b"}\n")


def test_breast_cancer_gains_nine_nats_by_its_ties() -> None:
    """The sum over columns of log 10 times the tied test values."""
    splits = load("breast-cancer")
    columns = zip(splits.train.T.tolist(), splits.test.T.tolist(), strict=True)
    tied = sum(len([v for v in test if v in set(train)]) for train, test in columns)
    expected = math.log(10) * tied / len(splits.test)
    made = audit.audit(discover().dataset("breast-cancer"), SMALL)
    assert len(made.columns.each) == 30
    assert sum(c.gain for c in made.columns.each) == pytest.approx(expected, rel=1e-4)
    assert any(f.severity == "warning" and "9.2 nats" in f.text for f in made.findings)


DAMAGED = {
    "no JSON": lambda text: text[:-20],
    "not an object": lambda text: "[1]",
    "field missing": lambda text: text.replace('"digest"', '"digets"'),
    "newer schema": lambda text: text.replace('"schema_version": 1', '"schema_version": 99'),
    "absent": None,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_report_is_left_out(damage: object, tmp_path: Path) -> None:
    good, bad = (report.report_path(tmp_path, name) for name in ("good", "bad"))
    for file in (good, bad):
        report.write(file, report_on(three(normal)))
    if damage is None:
        bad.unlink()
    else:
        bad.write_text(damage(bad.read_text()))  # type: ignore[operator]
    assert report.read(bad) is None
    assert list(report.read_all(tmp_path)) == ["good"]


def test_no_folder_no_reports(tmp_path: Path) -> None:
    assert report.read_all(tmp_path) == {}


def test_numbers_keep_six_digits() -> None:
    made = report_on(three(normal))
    assert made.nearest is not None
    assert made.nearest.z == float(f"{made.nearest.z:.6g}")
    json.dumps(made.model_dump(mode="json"), allow_nan=False)


def test_reading_and_refreshing_import_no_torch() -> None:
    code = (
        "import sys, bench.leaks.refresh, bench.leaks.report, bench.cli.data\n"
        "print([m for m in ('torch', 'numpy', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
