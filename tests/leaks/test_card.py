"""The card: everything that is declared and measured is on it, in lines that fit."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from leak_cases import ROOT, normal, report_on, three

from bench.cli.data_card import lines
from bench.datasets.anchors import ANCHORS
from bench.datasets.fetch import SETS
from bench.leaks import catalogue
from bench.leaks.card import card, declared, headline, uniform
from bench.leaks.report import DataReport
from bench.registry import DatasetEntry, discover

ENTRIES = discover().datasets
ENTRY = DatasetEntry(
    name="planted",
    file=Path("planted.py"),
    function="planted",
    kind="sequence",
    shape=(2, 3),
    levels=8,
    context_dim=2,
    classes=3,
    requires=("scikit-learn",),
    source="a source",
    licence="a licence",
    citation="a citation",
    split="a rule",
    faults=("One fault.", "Another fault."),
    about="First line.\n\n    Second\n    paragraph.",
)


def words(entry: DatasetEntry, report: DataReport | None = None, width: int = 80) -> str:
    return " ".join(" ".join(lines(card(entry, report), width)).split())


def test_every_declared_word_is_on_it() -> None:
    text = words(ENTRY)
    for expected in (
        "planted sequence, 2 x 3 = 6 coordinates, 8 levels, given 2, 3 classes",
        "First line. Second paragraph.",
        "source a source",
        "licence a licence",
        "citation a citation",
        "needs scikit-learn",
        "rule a rule",
        "Known faults One fault. Another fault.",
        f"uniform 3 bits/dim = {6 * math.log(8):.6g} nats",
    ):
        assert expected in text
    for absent in ("rows", "sha256", "Given away", "Anchors", "Files", "Findings", "entropy"):
        assert absent not in text


def test_what_the_report_found_is_on_it() -> None:
    report = report_on(three(normal)).model_copy(update={"entropy": 1.25})
    entry = replace(ENTRY, kind="continuous", levels=None, truth=True, split=None)
    text = words(entry, report)
    assert "rows 1,000 train, 250 valid, 1,000 test" in text
    assert "rule drawn from the known law with fixed seeds" in text
    assert report.digest in text
    assert "entropy 1.25 nats: the best mean score is -1.25" in text
    assert "test rows 0 % seen in train (0 of 1,000)" in text
    assert "3 of 3 vary in train, rank 3" in text
    integral = replace(ENTRY, kind="binary", levels=2, shape=(5,), truth=True)
    best = 1.25 / 5 / math.log(2)
    assert f"entropy 1.25 nats = {best:.6g} bits/dim" in words(integral, report)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_lines_fit_the_terminal(name: str) -> None:
    """Nothing but a digest or an address, which stay whole, is wider."""
    digests = [value for file in SETS.get(name, ()) for value in file.digests.values()]
    for width in (60, 80, 100):
        printed = lines(card(ENTRIES[name], None), width)
        assert printed[0].startswith(name)
        assert all(len(line) <= width or len(line.split()) == 1 for line in printed)
        assert all(line == line.rstrip() for line in printed)
        assert all(any(digest in line for line in printed) for digest in digests)


def test_anchors_and_files_are_those_of_the_registries() -> None:
    for name in ("mnist", "debd-ad", "power", "digits"):
        text = words(ENTRIES[name])
        for anchor in ANCHORS:
            if anchor.dataset == name:
                assert anchor.model in text
                assert anchor.printed in text
        for file in SETS.get(name, ()):
            assert file.name in text
            assert all(value in text for value in file.digests.values())
    assert "2 s.e. 1.437272" in words(ENTRIES["mnist"])


def test_json_has_what_is_declared() -> None:
    for name, entry in ENTRIES.items():
        said = declared(entry)
        for field in ("name", "kind", "shape", "levels", "source", "licence", "citation", "split"):
            assert said[field] == getattr(entry, field)
        assert len(said["files"]) == len(SETS.get(name, ()))
        assert len(said["anchors"]) == sum(a.dataset == name for a in ANCHORS)
        assert (said["uniform_bits_per_dim"] is None) == (not entry.integral)


def test_headline_of_one_coordinate() -> None:
    entry = DatasetEntry("x", Path("x.py"), "x", "continuous", (1,), truth=True)
    assert headline(entry) == "continuous, 1 coordinate, known law"
    assert uniform(entry) is None
    assert uniform(replace(entry, kind="binary")) == 1.0


def test_the_tables_of_the_documentation_are_current() -> None:
    """Red after a data set was added or changed: python -m bench.leaks.catalogue."""
    text = catalogue.PAGE.read_text(encoding="utf-8")
    assert catalogue.current(text) == text


def test_every_data_set_is_in_one_table() -> None:
    text = catalogue.tables(catalogue.own())
    for entry in catalogue.own():
        assert text.count(f"| `{entry.name}` |") == 1
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {8}


def test_a_card_imports_no_torch() -> None:
    code = (
        "import sys, bench.leaks.card, bench.leaks.catalogue, bench.cli.data_card\n"
        "print([m for m in ('torch', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
