"""One data set as a reader meets it: rows in order, ranks, twins, the sentences above the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bench.report import text
from bench.report.artifacts import Artifact, Curve, read_artifact, read_curve
from bench.report.audit import NOT_PLANNED, Audit
from bench.report.cells import Cell, DataSet
from bench.report.ranking import Difference, Entrant, Place, difference, rank
from bench.report.twins import Pair, pairs

PICTURED = 12  #: rows per data set whose pictures are kept
_ORDER = {"ranked": 0, "unranked": 1, "failed-check": 2, "failed-audit": 2}


@dataclass(frozen=True)
class Row:
    """A table row. `note` is the reason why it has no rank, or what its rank leaves out."""

    cell: Cell
    place: Place | None
    behind: Difference | None
    note: str
    artifact: Artifact = Artifact()
    curve: Curve | None = None
    audit: Audit | None = None  #: of the model; None for a suite without an audit

    @property
    def group(self) -> str:
        """ranked, unranked (ok, but not by likelihood), failed-audit, or the status."""
        if self.place:
            return "ranked"
        if self.cell.status != "ok":
            return self.cell.status
        return "failed-audit" if self.audit and self.audit.refusal else "unranked"


@dataclass(frozen=True)
class View:
    """A data set ready to print. `unit` is 'bits/dim' or 'nats'; `per_unit` converts nats to it."""

    data: DataSet
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    unit: str
    per_unit: float
    truth_nats: float | None

    @property
    def name(self) -> str:
        """The data set's id."""
        return self.data.name

    @property
    def ranked(self) -> list[Row]:
        """Rows that have a rank, in order."""
        return [r for r in self.rows if r.place]

    @property
    def best(self) -> list[Row]:
        """Rows of rank 1: the best row and those tied with it."""
        return [r for r in self.ranked if r.place and r.place.rank == 1]

    def score(self, nats: float | None) -> float | None:
        """A score in the table's unit."""
        return None if nats is None else nats * self.per_unit

    def error(self, nats: float | None) -> float | None:
        """A standard error in the table's unit."""
        return None if nats is None else abs(nats * self.per_unit)


def make_view(data: DataSet, audits: Mapping[str, Audit] | None = None) -> View:
    """Read the artifacts and curves of one data set, rank its rows, pair its twins.

    `audits`: the verdict on each model; a model that failed its audit gets no rank. None for a
    suite without an audit.
    """
    audit = {c.model: None if audits is None else _verdict(audits, c) for c in data.cells}
    artifacts = {c.model: _artifact(c) for c in data.cells}
    entrants = {c.model: _entrant(c, artifacts[c.model]) for c in data.cells if c.nats is not None}
    able = [entrants[c.model] for c in data.cells if _refusal(c, audit[c.model]) is None]
    places = {p.model: p for p in rank(able)}
    best = next(iter(places), None)
    rows = []
    for cell in data.cells:
        place = places.get(cell.model)
        behind = place.behind if place else None
        if behind is None and best and cell.model in entrants:
            behind = difference(entrants[cell.model], entrants[best])
        note = _note(cell, place, audit[cell.model])
        art, curve = artifacts[cell.model].without_points(), read_curve(cell.curve)
        rows.append(Row(cell, place, behind, note, art, curve, audit[cell.model]))
    ordered = _thinned(sorted(rows, key=_key(list(places))))
    return _view(data, ordered, tuple(pairs(data.cells, entrants)))


def audit_view(data: DataSet, audits: Mapping[str, Audit]) -> View:
    """A truth of the audit: its rows in the plan's order, neither ranked nor pictured."""
    rows = []
    for cell in data.cells:
        verdict = _verdict(audits, cell)
        rows.append(Row(cell, None, None, _note(cell, None, None), audit=verdict))
    return _view(data, tuple(rows))


def _verdict(audits: Mapping[str, Audit], cell: Cell) -> Audit:
    return audits.get(cell.model, NOT_PLANNED)


def _view(data: DataSet, rows: tuple[Row, ...], twins: tuple[Pair, ...] = ()) -> View:
    return View(
        data=data,
        rows=rows,
        pairs=twins,
        unit="bits/dim" if data.discrete else "nats",
        per_unit=_per_unit(data),
        truth_nats=_truth(data),
    )


def _artifact(cell: Cell) -> Artifact:
    return read_artifact(cell.artifact) if cell.nats is not None else Artifact()


def _entrant(cell: Cell, artifact: Artifact) -> Entrant:
    assert cell.record is not None
    assert cell.record.score is not None
    nats = cell.record.score.nats
    assert nats.mean is not None
    seeds = tuple(s.nats for s in cell.record.seeds if s.nats is not None)
    return Entrant(
        cell.model, nats.mean, cell.likelihood, nats.se_test, nats.se_seeds, artifact.points, seeds
    )


def _refusal(cell: Cell, audit: Audit | None) -> str | None:
    """Why a cell is not ranked, or None."""
    if cell.status != "ok":
        return cell.reason or cell.status
    if audit and audit.refusal:
        return audit.refusal
    if cell.likelihood == "none":
        return "has no likelihood"
    if cell.nats is None or not math.isfinite(cell.nats):
        return "its score is not finite"
    return None


def _note(cell: Cell, place: Place | None, audit: Audit | None) -> str:
    if place is None:
        refusal = _refusal(cell, audit) or ""
        failed = [c.name for c in cell.record.checks if c.verdict == "fail"] if cell.record else []
        if cell.status == "failed-check" and failed and not cell.reason:
            return f"failed {text.listing(failed)}"
        return refusal
    above = "bound above the exact best" if place.above_exact else ""
    return "; ".join(part for part in (above, cell.reason) if part)


def _key(order: list[str]) -> Callable[[Row], tuple[int, int, float, str]]:
    position = {model: i for i, model in enumerate(order)}

    def key(row: Row) -> tuple[int, int, float, str]:
        nats = row.cell.nats
        return (
            _ORDER.get(row.group, 3),
            position.get(row.cell.model, 0),
            -nats if nats is not None else math.inf,
            row.cell.model,
        )

    return key


def _thinned(rows: list[Row]) -> tuple[Row, ...]:
    """Pictures of the first rows only: ten thousand cells must fit in memory."""
    return tuple(
        row if i < PICTURED else replace(row, artifact=Artifact(note=row.artifact.note))
        for i, row in enumerate(rows)
    )


def _per_unit(data: DataSet) -> float:
    if not data.discrete:
        return 1.0
    if data.dim:
        return -1 / (data.dim * math.log(2))
    for cell in data.cells:
        score = cell.record.score if cell.record else None
        if score and score.bits_per_dim and score.bits_per_dim.mean and score.nats.mean:
            return score.bits_per_dim.mean / score.nats.mean
    return -1 / math.log(2)


def _truth(data: DataSet) -> float | None:
    """Best mean score there is, nats: minus the entropy of a known truth."""
    scores = (c.record.score for c in data.cells if c.record and c.record.score)
    return next((s.truth_nats for s in scores if s.truth_nats is not None), None)
