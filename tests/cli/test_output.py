"""Tables, colours and values as they are printed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable

import pytest

from bench.cli import output

ROWS = [
    {"name": "maf", "status": "ok", "nats": -1.23456789, "n": 4, "detail": "a long sentence"},
    {"name": "nsf-coupling", "status": "failed-check", "nats": None, "n": 12, "detail": "[nan]"},
]


class Terminal(io.TextIOWrapper):
    """Standard output that says it is a terminal, in a given encoding."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Put a terminal of so many columns in place of stdout, without colours."""

    def open_terminal(columns: int = 100, encoding: str = "utf-8") -> Terminal:
        stream = Terminal(encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        return stream

    return open_terminal


def test_a_terminal_gets_aligned_columns_under_a_heading(terminal: Open) -> None:
    stream = terminal()
    output.emit(ROWS)
    assert stream.text().splitlines() == [
        "name          status          nats    n   detail",
        "maf           ✓ ok            -1.235   4  a long sentence",
        "nsf-coupling  ✗ failed-check          12  [nan]",
    ]


def test_a_narrow_terminal_loses_whole_columns_and_says_so(
    terminal: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = terminal(columns=32)
    output.emit(ROWS)
    lines = stream.text().splitlines()
    assert lines[0].split() == ["name", "status"]
    assert lines[2].split() == ["nsf-coupling", "✗", "failed-check"]
    assert max(map(len, lines)) <= 32
    assert capsys.readouterr().err == "+3 columns: --wide\n"


def test_wide_shows_all_columns(terminal: Open) -> None:
    stream = terminal(columns=32)
    output.emit(ROWS, wide=True)
    assert "a long sentence" in stream.text()


def test_an_encoding_without_the_glyphs_keeps_the_words(terminal: Open) -> None:
    stream = terminal(encoding="ascii")
    output.emit(ROWS)
    assert "  ok  " in stream.text()
    assert "  failed-check  " in stream.text()


def test_a_pipe_gets_unrounded_values_without_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "maf\tok\t-1.23456789\t4\ta long sentence",
        "nsf-coupling\tfailed-check\t\t12\t[nan]",
    ]


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit([{"a": float("nan"), "b": (1.0, float("inf")), "c": {"d": True}}], as_json=True)
    rows = [{"a": None, "b": [1.0, None], "c": {"d": True}}]
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "rows": rows}


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": ""}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
    ids=str,
)
def test_colour_follows_the_environment(
    variables: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    output.emit(ROWS)
    assert ("\033[" in stream.text()) == colored


def test_force_color_paints_a_pipe_that_is_a_table_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.emit(ROWS)
    output.error("wrong", 2)
    out, err = capsys.readouterr()
    assert "\033[" not in out  # values for scripts stay whole
    assert err == "\033[31merror:\033[0m wrong\n"
