"""results/leaderboard.md: an overview, one table per data set, twins, the environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bench.report import audit_table, data_table, text
from bench.report.board import Board
from bench.report.columns import BY_KEY, Printed, marked, tally
from bench.report.sentences import (
    Machine,
    cheapest,
    coverage,
    heading,
    machines,
    score_text,
    takeaway,
    totals,
)
from bench.report.twins import Pair
from bench.report.views import Row, View

if TYPE_CHECKING:
    from bench.profile.rows import Profile

TABLE = (
    "rank", "model", "implementation", "kind", "score", "gap", "checks", "audit", "samples",
    "logdet", "share", "parameters", "train", "status",
)  # fmt: skip
SIGNS = {
    "same": "same",
    "better": "in-house better",
    "worse": "in-house worse",
    "unknown": text.NONE,
}


def render(board: Board, profile: Profile | str | None = None) -> str:
    """The whole document; with a profile of log-det kernels, a line on it."""
    blocks = [
        "# Leaderboard",
        _summary(board),
        "How to read it: [docs/reading-the-tables.md](../docs/reading-the-tables.md). "
        "Sortable, with pictures: [leaderboard.html](leaderboard.html). "
        "Full precision: [leaderboard.csv](leaderboard.csv).",
        *_profiled(profile),
        *(f"Not planned: {escape(problem)}" for problem in board.problems),
        "## Overview",
        overview(board.views),
    ]
    for view in board.views:
        blocks += [
            f"## {escape(view.name)}",
            escape(heading(view)),
            f"**{escape(takeaway(view))}**",
        ]
        if warned := data_table.warnings(board, view.name):
            blocks.append(f"[{text.count(warned, 'warning')} on these data](#data)")
        blocks.append(table(view))
    if board.audits:
        blocks += ["## Audit", escape(audit_table.sentence(board)), AUDIT, audit(board)]
    if findings := list(data_table.lines(board)):
        blocks += ["## Data", DATA, data(findings)]
    if any(v.pairs for v in board.views):
        blocks += ["## Twins", TWINS, twins(board.views)]
    blocks += ["## Environment", *(f"- {_environment(m)}" for m in machines(board.everything))]
    return "\n\n".join(blocks) + "\n"


def _profiled(profile: Profile | str | None) -> list[str]:
    """Where the profile of log-det kernels is, and where it was measured."""
    if profile is None:
        return []
    if isinstance(profile, str):
        return [f"Log-det kernels: {escape(profile)}"]
    from bench.profile.reading import machine  # torch behind it

    kernels = text.count(len({row.kernel for row in profile.rows}), "log-det kernel")
    return [f"Profile of {kernels}: [profile/](profile/), on {escape(machine(profile))}."]


AUDIT = (
    "Every check on every known truth that a model meets: ✓ passed, ✗ failed, ? inconclusive, "
    "! the check raised; then the gap to the truth, nats. A model that fails is ranked nowhere."
)
DATA = (
    "What the data sets give away: test rows that training holds too, and the column of which it "
    "holds most test values. A warning names what a score can hinge on, other than the density."
)
TWINS = (
    "The same architecture in two implementations. Score: in-house minus reference on the same "
    "test points. Ratios above 1: in-house is faster; *equal weights* runs the reference's trained "
    "weights in both, interleaved, and is the one that compares implementations."
)


def _environment(machine: Machine) -> str:
    cells = text.count(machine.cells, "cell")
    return escape(f"{machine.hardware}: {cells}. {machine.software}; {machine.packages}")


def _summary(board: Board) -> str:
    t = totals(board.everything)
    statuses = ", ".join(f"{n} {status}" for status, n in sorted(t.statuses.items()))
    over = text.count(len(board.views), "data set")
    if board.audits:
        over += f" and {text.count(len(board.audits), 'truth')} of the audit"
    return (
        f"Suite `{escape(board.suite or 'unnamed')}`: {text.count(t.cells, 'cell')} over {over} "
        f"({statuses}). Checks: {t.checks}."
    )


def overview(views: Iterable[View]) -> str:
    """Who wins where, at which cost, and is it trustworthy: one row per data set."""
    lines = []
    for view in views:
        best = view.best[0] if view.best else None
        cost = cheapest(view.best)
        lines.append(
            [
                f"[{escape(view.name)}](#{slug(view.name)})",
                escape(", ".join(r.cell.model for r in view.best)) or text.NONE,
                f"{score_text(view, best)} {view.unit}" if best else text.NONE,
                _printed(BY_KEY["gap"].show(view, best)) if best else text.NONE,
                text.significant(cost.cell.log_prob_us if cost else None),
                coverage(view).rstrip("."),
            ]
        )
    head = ["data set", "best (ties are not separable)", "score", "gap to truth, nats"]
    return grid([*head, "log_prob µs", "rows"], lines, "llrrrl")


def table(view: View) -> str:
    """One data set's table."""
    audited = any(row.audit for row in view.rows)
    columns = [BY_KEY[key] for key in TABLE if audited or key != "audit"]
    titles = [
        f"score, {view.unit} ± test ± seeds" if c.key == "score" else c.title for c in columns
    ]
    body = [[escape(_cell(view, row, c.key)) for c in columns] for row in view.rows]
    return grid(titles, body, "".join("r" if c.number else "l" for c in columns))


def _cell(view: View, row: Row, key: str) -> str:
    if key == "checks":
        return marked(tally(row)) or text.NONE
    if key == "status":
        return ": ".join(v for v in BY_KEY[key].show(view, row) if v)
    return _printed(BY_KEY[key].show(view, row))


def audit(board: Board) -> str:
    """The verdict on each model, and what its checks said on each truth."""
    head = ["model", "audit", *(view.name for view in board.audits)]
    lines = [
        [escape(line.model), escape(line.words), *(_met(cell) for cell in line.cells)]
        for line in audit_table.lines(board)
    ]
    return grid(head, lines, "l" * len(head))


def _met(cell: audit_table.Cell) -> str:
    return escape(cell.words + (f", gap {cell.gap}" if cell.gap else ""))


def data(findings: Iterable[data_table.Line]) -> str:
    """The findings on each data set, warnings first."""
    head = ["data set", "test rows seen in training", "test values seen, worst column", "findings"]
    rows = [
        [escape(cell) for cell in (line.name, line.seen, line.tied, _findings(line))]
        for line in findings
    ]
    return grid(head, rows, "lrrl")


def _findings(line: data_table.Line) -> str:
    return " ".join((*(f"Warning: {w}" for w in line.warnings), *line.notes)) or text.NONE


def _printed(value: Printed) -> str:
    return " ".join(v for v in value if v)


def twins(views: Iterable[View]) -> str:
    """All pairs: paired difference of the scores, and time ratios."""
    head = ["data set", "in-house", "reference", "score difference", "verdict"]
    head += ["log_prob, equal weights", "sampling, equal weights", "log_prob", "sampling"]
    lines = [[escape(c) for c in twin_line(v, p)] for v in views for p in v.pairs]
    return grid(head, lines, "lllrlrrrr")


def twin_line(view: View, pair: Pair) -> list[str]:
    """A pair's cells: names, difference, verdict, four ratios."""
    difference = text.NONE
    if pair.score:
        decimals = text.decimals_for(view.error(pair.score.se))
        difference = (
            f"{text.fixed(view.score(pair.score.mean), decimals, sign=True)} "
            f"{text.plus_minus(view.error(pair.score.se), decimals)} {view.unit}"
        )
    c = pair.converted
    ratios = [c.log_prob_ratio if c else None, c.sample_ratio if c else None]
    ratios += [pair.log_prob_ratio, pair.sample_ratio]
    return [
        pair.dataset, pair.model, pair.reference, difference, SIGNS[pair.verdict],
        *(f"{text.significant(r)}×" if r is not None else text.NONE for r in ratios),
    ]  # fmt: skip


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """A pipe table of cells that are already escaped."""
    rule = ["---:" if a == "r" else "---" for a in align]
    return "\n".join(_lines([[escape(h) for h in head], rule, *rows]))


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |"


def slug(name: str) -> str:
    """An id for anchors: letters, digits and hyphens."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def escape(value: str) -> str:
    """Text that cannot become markup: pipes, brackets, angle brackets, backticks, newlines."""
    flat = " ".join(value.split())
    for char in "\\`|<>[]*_":
        flat = flat.replace(char, f"\\{char}")
    return flat
