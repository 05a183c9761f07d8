"""`bench data show`: the card of a data set, on a terminal or as JSON."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from bench.cli import output
from bench.errors import MissingError

if TYPE_CHECKING:
    from bench.leaks.card import Card, Section
    from bench.leaks.refresh import Job
    from bench.leaks.report import Column, DataReport
    from bench.pipeline.project import Project
    from bench.registry import DatasetEntry

WIDEST = 100  #: characters of a line, however wide the terminal
LEAST = 9  #: characters of a label's column
SHOWN = 8  #: columns with ties


def found(project: Project, entry: DatasetEntry, job: Job) -> tuple[DataReport | None, str | None]:
    """A data set's report, and a sentence where it is not a current one.

    The one in `results/data/` where that is current, else one made on the spot and not kept; where
    the data are not on this machine the older one, or none.
    """
    from bench.leaks.report import read, report_path

    kept = read(report_path(project.results, entry.name))
    if kept is not None and job.current(project.results):
        return kept, None
    from bench.leaks.audit import audit

    try:
        return audit(entry, job.sizes, job.inputs), None
    except MissingError as error:
        older = "" if kept is None else "The report is older than the present source: "
        return kept, f"{older}{error}"


def show(entry: DatasetEntry, report: DataReport | None, lacking: str | None) -> None:
    """Print the card, a table of the columns with ties, and what is lacking."""
    from bench.leaks.card import card

    width = min(shutil.get_terminal_size().columns, WIDEST)
    for line in lines(card(entry, report), width):
        print(line)
    if report is not None and report.columns.each:
        _print_columns(report.columns.each)
    if lacking:
        text = lacking if report else f"No report, and so no rows, digest or findings: {lacking}"
        print("\n" + "\n".join(_wrapped(output.marked("missing", text), width, indent="  ")))


def as_json(entry: DatasetEntry, report: DataReport | None, lacking: str | None) -> None:
    """Print what is declared, the report, and what is lacking."""
    from bench.leaks.card import declared
    from bench.registry import shown

    row = {
        "card": declared(entry) | {"file": shown(entry.file)},
        "report": None if report is None else report.model_dump(mode="json"),
        "missing": lacking,
    }
    output.emit([row], as_json=True)


def lines(card: Card, width: int) -> list[str]:
    """The card in lines of at most `width` characters, digests and addresses left whole."""
    printed = _wrapped(f"{card.name}  {card.headline}", width)
    printed[0] = printed[0].replace(card.name, output.paint(card.name, "1"), 1)
    for paragraph in card.about:
        printed += _wrapped(paragraph, width)
    for section in card.sections:
        printed += ["", *([output.paint(section.title, "1")] if section.title else [])]
        printed += _section(section, width)
    return printed


def _section(section: Section, width: int) -> list[str]:
    labels, texts = zip(*section.lines, strict=True)
    column = max(LEAST, *map(len, labels)) + 2 if any(labels) else 2
    if column + max(len(word) for text in texts for word in text.split()) > width:
        column = 4  # the text then begins below its label
    printed = []
    for label, text in section.lines:
        indent = " " * column
        if len(label) < column:
            printed += _wrapped(text, width, label.ljust(column), indent)
        else:
            printed += [label, *_wrapped(text, width, indent, indent)]
    return printed


def _wrapped(text: str, width: int, first: str = "", indent: str = "") -> list[str]:
    """Lines of at most `width` characters that break at spaces alone."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print_columns(columns: list[Column]) -> None:
    """The columns with most ties; all are in the JSON."""
    worst = sorted(columns, key=lambda c: -c.tied_test)[:SHOWN]
    more = f", worst {SHOWN} of {len(columns)}" if len(columns) > SHOWN else ""
    print(f"\n{output.paint(f'Columns with ties or on a grid{more}', '1')}")
    output.print_table([_column(c) for c in worst], wide=True)


def _column(column: Column) -> dict[str, Any]:
    return {
        "column": column.index,
        "distinct": column.distinct,
        "top_share": column.top_share,
        "tied_test": column.tied_test,
        "gap": column.smallest_gap,
        "grid": column.spacing,
        "grid_sd": column.spacing_sd,
        "gain_nats": column.gain,
    }
