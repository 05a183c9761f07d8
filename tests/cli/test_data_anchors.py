"""`bench data anchors`: what agrees, what differs, what is not here, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.cli import data, data_anchors
from bench.datasets import anchors
from bench.datasets.anchors.compute import Outcome
from bench.errors import BenchError, MissingError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.delenv("BENCH_DATA_MIRROR", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(data.app, ["anchors", *arguments])


def test_a_pipe_gets_a_line_for_each_anchor() -> None:
    done = run("iris", "w*e")
    assert done.exit_code == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["iris", "iris", "wine", "wine"]
    assert {line[7] for line in lines} == {"agrees"}
    assert lines[0][1:5] == ["train+valid -> test", "Gaussian diagonal", "nats", "-5.476775"]
    assert float(lines[0][5]) == pytest.approx(-5.476775, abs=5e-7)
    assert done.stderr == "anchors: 4 agree\n"


def test_json_has_numbers() -> None:
    (diagonal, full) = json.loads(run("iris", "--json").stdout)["rows"]
    assert (diagonal["verdict"], full["verdict"]) == ("agrees", "agrees")
    assert full["computed"] == pytest.approx(-3.315220, abs=5e-7)
    assert full["difference"] == pytest.approx(full["computed"] + 3.315220, abs=1e-12)
    assert full["reason"] is None


def test_one_wrong_digit_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tuple(
        replace(a, printed="-3.315229") if a.printed == "-3.315220" else a for a in anchors.ANCHORS
    )
    monkeypatch.setattr(anchors, "ANCHORS", wrong)
    done = run("iris")
    assert isinstance(done.exception, BenchError)
    assert done.exception.exit_code == 1
    assert "1 of 2 anchors differ" in str(done.exception)
    assert "iris Gaussian full" in str(done.exception)
    assert "\tdiffers\t" in done.stdout


def test_what_is_missing_is_told_and_ends_with_3_where_it_was_named() -> None:
    done = run("iris", "binarized-mnist")
    assert isinstance(done.exception, MissingError)
    assert "bench data get binarized-mnist" in str(done.exception)
    assert done.stdout.count("\tmissing\t") == 4
    assert done.stdout.count("\tagrees\t") == 2


def test_a_misspelt_name() -> None:
    done = run("iirs")
    assert isinstance(done.exception, UsageError)
    assert "Did you mean 'iris'" in str(done.exception)


def test_every_line_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    before = None
    for anchor in anchors.ANCHORS:
        data_anchors._tell(Outcome(anchor, anchor.value + 3e-7), before)
        before = anchor
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(("✓", "✗")) for line in lines) == len(anchors.ANCHORS)


def test_a_terminal_gets_a_table() -> None:
    text = on_terminal([sys.executable, "-m", "bench", "data", "anchors", "iris"])
    head, blank, title, *lines = text.splitlines()
    assert head.split() == ["model", "registered", "computed", "off", "by", "unit"]
    assert (blank, title) == ("", "iris  train+valid -> test")
    assert [line.split()[:5] for line in lines] == [
        ["✓", "Gaussian", "diagonal", "-5.476775", "-5.476775"],
        ["✓", "Gaussian", "full", "-3.315220", "-3.315220"],
    ]


def on_terminal(command: list[str]) -> str:
    """What a command prints on a terminal of 80 columns without colours."""
    master, slave = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        command, stdout=slave, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT
    )
    os.close(slave)
    read = []
    try:
        while piece := os.read(master, 65536):
            read.append(piece)
    except OSError:  # Linux: the other end is closed
        pass
    assert process.wait() == 0
    os.close(master)
    return b"".join(read).decode().replace("\r\n", "\n")
