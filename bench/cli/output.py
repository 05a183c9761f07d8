"""Printing: tables for terminals, tab-separated values for pipes, JSON on request, errors.

Results go to stdout, everything else to stderr. `--color` beats NO_COLOR beats FORCE_COLOR beats
whether the stream is a terminal.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TextIO

import typer

SCHEMA = 1
GAP = "  "
GLYPHS = {"pass": "✓", "ok": "✓", "fail": "✗", "failed-check": "✗", "error": "!", "timeout": "!"}
GLYPHS |= {"diverged": "!", "inconclusive": "?", "missing": "○", "n/a": "–"}
COLORS = {"✓": "32", "✗": "31", "!": "31", "?": "33", "○": "33", "–": "2"}

Row = Mapping[str, Any]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: {schema, rows}.")]
Wide = Annotated[bool, typer.Option("--wide", help="All columns, however wide.")]


def emit(rows: Sequence[Row], as_json: bool = False, wide: bool = False) -> None:
    """Print rows (same keys in all) as the reader needs them; on a pipe without a heading."""
    if as_json:
        print(json.dumps({"schema": SCHEMA, "rows": [plain(r) for r in rows]}, allow_nan=False))
    elif sys.stdout.isatty():
        print_table(rows, wide)
    else:
        for row in rows:
            print("\t".join(whole(v) for v in row.values()))


def plain(value: Any) -> Any:
    """A value as JSON knows it: NaN and infinity are null, paths are strings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def whole(value: Any) -> str:
    """A value for a pipe: nothing cut or rounded, no tab or line break inside."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(whole(v) for v in value)
    return " ".join(str(value).split())


def shown(value: Any) -> str:
    """A value for a person: four digits, a glyph beside a status."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = whole(value)
    return marked(text, text)


def marked(status: str, text: str) -> str:
    """Text after the glyph of a status or verdict, where there is one and stdout can write it."""
    glyph = GLYPHS.get(status)
    return f"{glyph} {text}" if glyph and encodable(glyph) else text


def encodable(text: str) -> bool:
    """Whether stdout can write this text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def print_table(rows: Sequence[Row], wide: bool = False) -> None:
    """Aligned columns; where the terminal is narrow the last columns are left out, and counted."""
    if not rows:
        return
    names = list(rows[0])
    cells = [[shown(row[n]) for n in names] for row in rows]
    widths = [max(len(n), *(len(c[i]) for c in cells)) for i, n in enumerate(names)]
    kept = len(names) if wide else fitting(widths, shutil.get_terminal_size().columns)
    print(paint(_line(names[:kept], widths), "1"))
    for row, texts in zip(rows, cells, strict=True):
        print(_line(texts[:kept], widths, [isinstance(row[n], (int, float)) for n in names]))
    if kept < len(names):
        note(f"+{len(names) - kept} columns: --wide")


def fitting(widths: Sequence[int], columns: int) -> int:
    """How many leading columns fit a terminal; the first one always does."""
    used = 0
    for i, width in enumerate(widths):
        used += width + (len(GAP) if i else 0)
        if used > columns and i > 0:
            return i
    return len(widths)


def _line(texts: Iterable[str], widths: Sequence[int], right: Sequence[bool] = ()) -> str:
    padded = []
    for i, text in enumerate(texts):
        number = i < len(right) and right[i]
        fitted = text.rjust(widths[i]) if number else text.ljust(widths[i])
        plain_cell = number or text[:1] not in COLORS
        padded.append(fitted if plain_cell else paint(fitted, COLORS[text[0]]))
    return GAP.join(padded).rstrip()


def wants_color(stream: TextIO) -> bool:
    """NO_COLOR beats FORCE_COLOR beats whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def paint(text: str, code: str) -> str:
    """Text for stdout in an ANSI style, where colours are wanted."""
    return f"\033[{code}m{text}\033[0m" if wants_color(sys.stdout) else text


def note(text: str) -> None:
    """A line beside the result: stderr."""
    print(text, file=sys.stderr)


def error(sentence: str, code: int, as_json: bool = False) -> None:
    """An error on stderr: one sentence, or one JSON object."""
    if as_json:
        note(json.dumps({"schema": SCHEMA, "error": sentence, "exit_code": code}))
        return
    head = "\033[31merror:\033[0m" if wants_color(sys.stderr) else "error:"
    note(f"{head} {sentence}")
