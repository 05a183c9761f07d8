"""A result set ready to print: every data set, the audit's truths, what the checks ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.leaks.report import DataReport, read_all
from bench.registry import CheckEntry, DatasetEntry, Registry
from bench.report.audit import Audit, judged
from bench.report.cells import read_results
from bench.report.views import View, audit_view, make_view


@dataclass(frozen=True)
class Board:
    """What the tables and the page are written from."""

    suite: str
    views: tuple[View, ...]
    audits: tuple[View, ...] = ()  #: known truths; empty for a suite without an audit
    verdicts: Mapping[str, Audit] = field(default_factory=dict)  #: on each model with an audit
    checks: Mapping[str, CheckEntry] = field(default_factory=dict)
    entries: Mapping[str, DatasetEntry] = field(default_factory=dict)  #: data sets' declarations
    reports: Mapping[str, DataReport] = field(default_factory=dict)  #: on data sets, where any
    problems: tuple[str, ...] = ()  #: plugin files that could not be read

    @property
    def everything(self) -> tuple[View, ...]:
        """The data sets, then the audit's truths."""
        return (*self.views, *self.audits)

    @property
    def rows(self) -> int:
        """Number of planned cells."""
        return sum(len(view.rows) for view in self.everything)


def make_board(results: Path, plugins: Registry) -> Board:
    """Read a result set and rank it. Raises what `read_results` does."""
    found = read_results(results, plugins)
    verdicts = judged(found.audits)
    return Board(
        suite=found.suite,
        views=tuple(make_view(d, verdicts if found.audits else None) for d in found.datasets),
        audits=tuple(audit_view(d, verdicts) for d in found.audits),
        verdicts=verdicts,
        checks=plugins.checks,
        entries=plugins.datasets,
        reports=read_all(results),
        problems=found.problems,
    )
