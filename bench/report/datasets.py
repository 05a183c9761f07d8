"""The data sets' cards on the page: what `bench data show` says, with a picture."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from bench.datasets import PARTS
from bench.leaks.card import card
from bench.leaks.report import DataReport
from bench.registry import DatasetEntry
from bench.report import text
from bench.report.board import Board
from bench.report.previews import picture

CARDS = 150_000  #: characters of cards on a page; later data sets go without
LONGEST = 160  #: characters of the line above a card
ELSEWHERE = ("Findings",)  #: sections that the page has on its own


def cards(board: Board) -> dict[str, dict[str, Any]]:
    """What the template needs of each data set's card, in the order of the tables.

    Data sets without a plugin have none.
    """
    found, left = {}, CARDS
    for view in board.views:
        entry, report = board.entries.get(view.name), board.reports.get(view.name)
        if entry is None:
            continue
        made = card(entry, report)
        sections = [s for s in made.sections if s.title not in ELSEWHERE]
        drawn = picture(report.preview, view.name) if report and report.preview else None
        left -= sum(len(words) for s in sections for line in s.lines for words in line)
        left -= len(drawn[0]) if drawn else 0
        if left < 0:
            break
        found[view.name] = {
            "summary": _summary(entry, report),
            "headline": made.headline,
            "about": made.about,
            "sections": sections,
            "picture": drawn and (Markup(drawn[0]), *drawn[1:]),
        }
    return found


def _summary(entry: DatasetEntry, report: DataReport | None) -> str:
    """The line that is seen before the card is opened."""
    rows = [" / ".join(f"{report.sizes[part]:,}" for part in PARTS) + " rows"] if report else []
    parts = [*rows, *(words for words in (entry.source, entry.licence) if words)]
    return text.shorten(" · ".join(parts), LONGEST)
