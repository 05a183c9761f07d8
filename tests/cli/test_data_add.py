"""`bench data add` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import cli, registry

ROWS = "".join(f"{i * 0.37 % 1:.4f},{i * i * 0.11 % 2:.4f}\n" for i in range(50))


@pytest.fixture
def table(clone: Path) -> Path:
    (clone / "data").mkdir()
    (clone / "data" / "x.csv").write_text("a,b\n" + ROWS)
    return clone / "data" / "x.csv"


def add(*arguments: str) -> int:
    return cli.main(["data", "add", *arguments])


def test_it_writes_an_entry_shows_a_card_and_says_what_comes_next(
    table: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("my-points", "data/x.csv", "--licence", "CC0", "--source", "a note book") == 0
    out, err = capsys.readouterr()
    facts = dict(
        line.split(maxsplit=1) for line in out.splitlines() if not line.startswith("repea")
    )
    assert facts["rows"] == "50: 40 train, 5 valid, 5 test"
    assert facts["split"] == "at random with seed 0, 0.8/0.1/0.1"
    assert (facts["kind"], facts["shape"], facts["columns"]) == ("continuous", "2", "a, b")
    assert err == (
        "written: datasets/my-points.toml\n"
        "next: write `my-points: {}` below suites.tiny.datasets in params.yaml; then: "
        "bench run -d my-points. Leaks and ties: bench data show my-points\n"
    )
    text = (clone / "datasets" / "my-points.toml").read_text()
    assert text.startswith(
        "# bench data add my-points data/x.csv --source 'a note book' --licence CC0\n"
    )
    assert 'path = "../data/x.csv"' in text
    assert cli.main(["list", "datasets", "-d", "my-*"]) == 0
    assert capsys.readouterr().out == (
        "my-points\tcontinuous\t2\t\tno\tCC0\ta note book\tdatasets/my-points.toml\n"
    )


def test_a_data_set_that_is_planned_is_only_to_be_run(
    table: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = (clone / "params.yaml").read_text().replace("{rings: {}}", "{mine: {}}")
    (clone / "params.yaml").write_text(params)
    assert add("mine", "data/x.csv") == 0
    assert "next: bench run -d mine." in capsys.readouterr().err
    assert cli.main(["list", "cells", "-m", "gaussian-diagonal"]) == 0
    assert capsys.readouterr().out.startswith("mine\tgaussian-diagonal\ttiny\tstandard")


def test_a_dry_run_shows_the_entry_and_writes_nothing(
    table: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("mine", "data/x.csv", "--dry-run") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert not (clone / "datasets").exists()
    text = out.partition("\n\n")[2]
    assert add("mine", "data/x.csv") == 0
    assert (clone / "datasets" / "mine.toml").read_text() == text


def test_adding_again_asks_for_force(
    table: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("mine", "data/x.csv") == 0
    before = (clone / "datasets" / "mine.toml").read_text()
    capsys.readouterr()
    assert add("mine", "data/x.csv", "--split", "order") == 2
    assert capsys.readouterr().err == "error: datasets/mine.toml exists. Replace it: --force\n"
    assert (clone / "datasets" / "mine.toml").read_text() == before
    assert add("mine", "data/x.csv", "--split", "order", "--force") == 0
    assert registry.discover().dataset("mine").split == "in the file's order, 0.8/0.1/0.1"


def test_the_command_in_the_entry_writes_the_same_entry(
    table: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    options = ["--drop", "a", "--split", "random:7", "--fractions", ".6,.2,.2", "--no-header"]
    (clone / "data" / "x.csv").write_text(ROWS)
    assert (
        add("mine", "data/x.csv", *[o.replace("a", "0") if o == "a" else o for o in options]) == 0
    )
    file = clone / "datasets" / "mine.toml"
    before = file.read_text()
    words = shlex.split(before.splitlines()[0].removeprefix("# "))
    assert words[:4] == ["bench", "data", "add", "mine"]
    file.unlink()
    assert cli.main(words[1:]) == 0
    assert file.read_text() == before


def test_json_has_the_facts(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("mine", "data/x.csv", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["entry"], row["written"]) == ("datasets/mine.toml", True)
    assert (row["kind"], row["shape"], row["repeated rows"]) == ("continuous", [2], 0)


def test_outside_a_clone_it_goes_to_the_first_plugin_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a,b\n" + ROWS)
    assert add("mine", "x.csv") == 3
    assert "--into FOLDER" in capsys.readouterr().err
    (tmp_path / "plugins").mkdir()
    assert add("mine", "x.csv", "--into", "plugins") == 0
    assert "export BENCH_PLUGINS=" in capsys.readouterr().err
    monkeypatch.setenv("BENCH_PLUGINS", "plugins")
    assert add("other", "x.csv") == 0
    assert {"mine", "other"} <= set(registry.discover().datasets)


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "upper case": (["Mine", "data/x.csv"], 2, "no data set's name"),
    "path": (["../x", "data/x.csv"], 2, "no data set's name"),
    "taken": (["rings", "data/x.csv"], 2, "data set 'rings' exists"),
    "taken, with force": (["rings", "data/x.csv", "--force"], 2, "data set 'rings' exists"),
    "no file": (["mine", "data/y.csv"], 3, "there is no file or folder data/y.csv"),
    "no folder": (["mine", "data/x.csv", "--into", "nowhere"], 3, "nowhere is no folder"),
    "no kind": (["mine", "data/x.csv", "--kind", "real"], 2, "'real' is not one of"),
    "no path": (["mine"], 2, "Missing argument"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(
    case: str, table: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, words = REFUSED[case]
    assert add(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert not (clone / "datasets").exists()


def test_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.datasets.adding.stated import Stated

    assert add("--help") == 0
    out = capsys.readouterr().out
    for name in Stated.__dataclass_fields__:
        assert name == "source_file" or f"--{name.replace('_', '-')}" in out
