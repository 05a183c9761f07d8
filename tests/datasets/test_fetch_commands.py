"""What is registered, and `bench data get|verify|where` as a person or a script meets them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fetch_cases import BODY, NAME, Server, whole
from typer.testing import CliRunner, Result

from bench.cli import data, data_files
from bench.datasets import load_splits
from bench.datasets.fetch import SETS, File
from bench.errors import BenchError, MissingError, UsageError
from bench.registry import discover
from bench.settings import Sizes

ROOT = Path(__file__).resolve().parents[2]
FILES = [file for files in SETS.values() for file in files]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(data.app, list(arguments), catch_exceptions=False)


def test_every_registered_file_is_of_a_data_set_with_the_same_licence() -> None:
    declared = discover().datasets
    for name, files in SETS.items():
        assert {f.licence for f in files} == {declared[name].licence}, name


def test_every_file_is_pinned_and_asked_for_by_https_first() -> None:
    by_place: dict[str, File] = {}
    for file in FILES:
        assert by_place.setdefault(file.place, file) == file  # one file, one pin
        assert file.pins
        assert re.fullmatch(r"[a-z0-9_]+/[\w.-]+", file.place)
        assert not (file.note and file.urls)
        origin = file.archive.file if file.archive and not file.urls else file
        for url in origin.urls:
            assert url.startswith("https://") or origin.digests, url
            assert url.endswith(Path(origin.name).suffix)


def test_the_columns_of_debd_agree_with_the_sizes() -> None:
    declared = discover().datasets
    for name, files in SETS.items():
        if name.startswith("debd-"):
            assert [f.size % (2 * declared[name].dim) for f in files] == [0, 0, 0]


@pytest.mark.parametrize("name", ["mnist", "debd-nltcs", "frey-faces"])
def test_a_data_set_without_its_files_is_missing_in_one_sentence(name: str, cache: Path) -> None:
    with pytest.raises(MissingError) as caught:
        load_splits(discover().dataset(name), Sizes())
    first, sentence = SETS[name][0], str(caught.value)
    assert sentence.startswith(f"{name} needs the file {first.name} (")
    assert caught.value.exit_code == 3
    assert str(cache.parent / first.folder / first.name) in sentence
    assert f"holds {first.place} in BENCH_DATA_MIRROR" in sentence
    assert (f"bench data get {name}" in sentence) == bool(first.urls)
    assert first.sha256 in sentence
    assert "\n" not in sentence


def test_a_listing_touches_neither_cache_nor_mirror(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA_MIRROR", server.url)
    code = "from bench.cli import main\nraise SystemExit(main(['list', 'datasets']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "\nmnist\t" in done.stdout
    assert not cache.parent.exists()
    assert server.requests == []


def test_get_then_verify_then_where(server: Server, toy: Callable[..., File], cache: Path) -> None:
    made = toy(server.put("/x", whole(BODY)))
    got = run("get", "toy")
    assert got.stdout == f"toy\t{NAME}\t{server.url}/x\t{made.size}\t{cache / NAME}\n"
    assert got.stderr == f"toy/{NAME}  0.1 MB  from {server.url}/x\n"
    again = run("get", "to*", "--json")
    (row,) = json.loads(again.stdout)["rows"]
    assert (row["source"], row["path"], again.stderr) == ("cache", str(cache / NAME), "")
    assert len(server.requests) == 1

    (row,) = json.loads(run("verify", "toy", "--json").stdout)["rows"]
    assert (row["status"], row["reason"]) == ("ok", None)
    assert run("verify").stdout == f"toy\t{NAME}\tok\tsha256\t{cache / NAME}\t\n"
    (row,) = json.loads(run("where", "toy", "--json").stdout)["rows"]
    assert row["present"] is True
    assert row == row | {"path": str(cache / NAME), "sha256": made.sha256, "mirror": made.place}


def test_verify_names_what_is_damaged_and_leaves_it(
    server: Server, toy: Callable[..., File], cache: Path
) -> None:
    toy(server.put("/x", whole(BODY)))
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(BODY[:-1])
    with pytest.raises(BenchError, match=f"1 damaged: {NAME}. Fetch again: bench data get toy"):
        run("verify")
    assert (cache / NAME).read_bytes() == BODY[:-1]
    got = run("get", "toy")
    assert f"{NAME} is damaged: it has 99999 bytes, not 100000; kept as" in got.stderr
    assert run("verify").exit_code == 0


def test_verify_of_what_is_missing(toy: Callable[..., File]) -> None:
    toy()
    assert run("verify").stdout == ""
    with pytest.raises(MissingError, match=f"not on this machine: {NAME}. Fetch: bench data get"):
        run("verify", "toy")


def test_get_goes_on_after_one_that_fails(
    server: Server,
    toy: Callable[..., File],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    toy(server.put("/x", whole(BODY)))
    monkeypatch.setitem(SETS, "gone", (File("gone", "gone.bin", 1, "0" * 64, "CC0"),))
    with pytest.raises(MissingError, match="gone needs the file gone.bin"):
        data_files.get_command(["gone", "toy"])
    assert capsys.readouterr().out.startswith(f"toy\t{NAME}\t")


def test_names(cache: Path) -> None:
    done = run("get", "digits")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "digits needs no file: it is generated, or comes with a package\n"
    for command in ("get", "verify", "where"):
        with pytest.raises(UsageError, match="Did you mean 'mnist'"):
            run(command, "mnits")
        done = run(command, "--help")
        assert f"{command} [OPTIONS]" in done.stdout


def test_a_live_line_on_a_terminal(
    toy: Callable[..., File], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_files, "FRAME", 0.0)
    made, shown = toy(), data_files._Listener(live=True)
    shown.progress(made, 50_000)
    shown.fetched(made, "there")
    err = capsys.readouterr().err
    assert f"\r\x1b[2Ktoy/{NAME}  50%  0.1 of 0.1 MB" in err
    assert err.endswith(f"\r\x1b[2Ktoy/{NAME}  0.1 MB  from there\n")
    monkeypatch.setattr(data_files, "HEARTBEAT", 0.0)
    plain = data_files._Listener(live=False)
    plain.progress(made, 50_000)
    assert capsys.readouterr().err == f"toy/{NAME}  50%  0.1 of 0.1 MB\n"
    plain.progress(replace(made, size=None), 50_000)
    assert capsys.readouterr().err == f"toy/{NAME}  0.1 MB\n"
