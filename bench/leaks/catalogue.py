"""The tables of all data sets in docs/data-sets.md; as a program, writes them there.

python -m bench.leaks.catalogue
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.atomic import write_text
from bench.datasets.anchors import anchors_of
from bench.datasets.fetch import SETS
from bench.registry import PACKAGE, DatasetEntry, discover

PAGE = PACKAGE.parent / "docs" / "data-sets.md"
BEGIN, END = "<!-- tables: python -m bench.leaks.catalogue -->\n", "<!-- end of tables -->\n"
HEAD = (
    "| name | kind | point | levels | anchors | source | licence |",
    "|---|---|---|---|---|---|---|",
)


def tables(entries: Iterable[DatasetEntry]) -> str:
    """Markdown: what comes with packages, what is fetched, what is drawn from a known law."""
    known = sorted(entries, key=lambda e: e.name)
    drawn = [e for e in known if e.truth]
    fetched = [e for e in known if e.name in SETS and not e.truth]
    bundled = [e for e in known if e.name not in SETS and not e.truth]
    parts = []
    for title, some in (
        ("With packages", bundled),
        ("Fetched", fetched),
        ("Drawn from a known law", drawn),
    ):
        parts.append("\n".join([f"### {title}: {len(some)}", "", *HEAD, *map(_row, some)]))
    return "\n\n".join(parts) + "\n"


def _row(entry: DatasetEntry) -> str:
    point = " x ".join(map(str, entry.shape))
    if entry.context_dim:
        point += f" given {entry.context_dim}"
    anchors = len(anchors_of(entry.name))
    cells = [
        f"`{entry.name}`",
        entry.kind,
        point,
        str(entry.levels or ""),
        str(anchors or ""),
        entry.source or "",
        entry.licence or "",
    ]
    return f"| {' | '.join(cells)} |"


def own() -> list[DatasetEntry]:
    """The data sets of this package, without a user's own."""
    return [e for e in discover().datasets.values() if e.file.is_relative_to(PACKAGE)]


def current(text: str) -> str:
    """A page with the tables between its two marks as they are now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(own())}\n{END}{after}"


def main(page: Path = PAGE) -> None:
    """Write the tables into the page."""
    write_text(page, current(page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
