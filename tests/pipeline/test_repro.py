"""Plain `dvc repro` on a tiny clone: exactly the right cells run, everything else is kept."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Clone

SETS = ("digits", "rings", "wine")
Source = Callable[..., str]
JOBS = [
    pytest.param({}, id="dvc", marks=pytest.mark.slow),
    pytest.param({"BENCH_JOBS": "3"}, id="pool"),
]


def index(clone: Clone) -> dict[str, str]:
    held = json.loads((clone.root / "results/records.json").read_text())
    return {f"{c['dataset']}/{c['model']}": c["status"] for c in held["cells"]}


def cells_of(*models: str) -> list[str]:
    return sorted(f"{d}/{m}" for d in SETS for m in models)


def test_the_first_run_has_run_all_and_the_second_runs_nothing(clone: Clone) -> None:
    assert index(clone) == dict.fromkeys(index(clone), "ok")
    assert sorted(index(clone)) == cells_of("maf", "nsf")
    again = clone.repro()
    assert again.returncode == 0, again.stderr
    assert clone.ran() == []
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert "all 6 cells are up to date" in again.stderr


@pytest.mark.parametrize("jobs", JOBS)
def test_a_new_model_runs_alone_and_leaves_no_trace(
    clone: Clone, model_source: Source, jobs: dict[str, str]
) -> None:
    clone.write("baselines/foo.py", model_source("foo"))
    done = clone.repro(**jobs)
    assert done.returncode == 0, done.stderr
    assert clone.ran() == cells_of("foo")
    assert sorted(index(clone)) == cells_of("foo", "maf", "nsf")
    assert clone.stale() == set()
    (clone.root / "baselines/foo.py").unlink()
    done = clone.repro(**jobs)
    assert done.returncode == 0, done.stderr
    assert clone.ran() == []
    assert sorted(index(clone)) == cells_of("maf", "nsf")
    assert clone.run("git", "status", "--porcelain").stdout == ""


BODY = """
    import os, time
    if data == "digits": raise RuntimeError("digits are wrong")
    if data == "rings": os._exit(7)
    return "diverged"
"""


@pytest.mark.parametrize("jobs", JOBS)
def test_bad_cells_have_their_rows_and_are_tried_again(
    clone: Clone, model_source: Source, jobs: dict[str, str]
) -> None:
    clone.write("baselines/bad.py", model_source("bad", BODY))
    first = clone.repro(**jobs)
    assert first.returncode != 0
    assert clone.ran() == cells_of("bad")
    found = index(clone)
    assert {d: found[f"{d}/bad"] for d in SETS} == {
        "digits": "error",
        "rings": "error",
        "wine": "diverged",
    }
    assert {found[c] for c in cells_of("maf", "nsf")} == {"ok"}
    assert "error: digits/bad: RuntimeError: digits are wrong" in first.stderr
    assert "ended itself with exit code 7" in first.stderr
    assert "digits" in (clone.root / "results/leaderboard.md").read_text()
    second = clone.repro(**jobs)
    assert second.returncode != 0
    assert clone.ran() == ["digits/bad", "rings/bad"]


ENDLESS = """
    import os, time
    open("beat." + str(os.getpid()), "w").close()
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["", "2"], ids=["dvc", "pool"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_cell_outlives_its_dvc(
    clone: Clone, model_source: Source, jobs: str, how: signal.Signals
) -> None:
    clone.write("baselines/endless.py", model_source("endless", ENDLESS))
    run = clone.start(sys.executable, "-m", "dvc", "repro", BENCH_JOBS=jobs)
    cell = wait_for(lambda: next(clone.root.glob("beat.*"), None))
    pid = int(cell.suffix[1:])
    if how is signal.SIGINT:
        os.killpg(run.pid, how)  # what a terminal does
    else:
        run.kill()  # DVC alone
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists())
    run.communicate(timeout=60)
    assert run.returncode != 0
    assert list(clone.root.glob("results/records/*/endless.json")) == []
    assert set(index(clone)) == set(cells_of("maf", "nsf")) or how is signal.SIGINT
    (clone.root / "baselines/endless.py").unlink()
    assert clone.repro(BENCH_JOBS="2").returncode == 0


def wait_for(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def test_a_missing_package_is_a_row_that_starts_no_process(
    clone: Clone, model_source: Source
) -> None:
    extra = ', requires=["no-such-package"]'
    clone.write("baselines/peer.py", model_source("peer", extra=extra))
    done = clone.repro()
    assert done.returncode == 0, done.stderr
    assert clone.ran() == []
    assert {index(clone)[c] for c in cells_of("peer")} == {"missing"}
    strict = clone.run(sys.executable, "-m", "bench", "stage", "check", "--strict")
    assert strict.returncode == 1
    assert "missing: digits/peer: 'peer' needs the package no-such-package" in strict.stderr


def test_an_unreadable_plugin_removes_nothing_and_fails_the_check(clone: Clone) -> None:
    clone.write("baselines/nsf.py", "def broken(:\n")
    done = clone.repro()
    assert done.returncode != 0
    assert "baselines/nsf.py:1 does not parse" in done.stderr
    assert clone.ran() == []
    assert (clone.root / "results/records/wine/nsf.json").is_file()
    assert (clone.root / "pipeline/nsf/dvc.lock").is_file()


@pytest.mark.slow
def test_a_reverted_change_comes_from_the_run_cache(clone: Clone) -> None:
    text = (clone.root / "bench/models/maf.py").read_text()
    clone.write("bench/models/maf.py", text + "X = 1\n")
    assert clone.repro(BENCH_JOBS="2").returncode == 0
    assert clone.ran() == cells_of("maf")
    clone.write("bench/models/maf.py", text)
    assert clone.repro().returncode == 0
    assert clone.ran() == []
    assert clone.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_one_cell_by_its_address_and_settings_by_an_experiment(clone: Clone) -> None:
    address = "pipeline/maf/dvc.yaml:cell@digits"
    done = clone.run(sys.executable, "-m", "dvc", "repro", "-f", address)
    assert done.returncode == 0, done.stderr
    assert clone.ran() == ["digits/maf"]
    text = (clone.root / "params.yaml").read_text() + "models: {maf: {layers: 3}}\n"
    clone.write("params.yaml", text)
    clone.repro(BENCH_JOBS="2")
    clone.commit()
    clone.ran()
    done = clone.run(sys.executable, "-m", "dvc", "exp", "run", "-S", "models.maf.layers=5")
    assert done.returncode == 0, done.stderr
    assert clone.ran() == cells_of("maf")
    assert "layers (3 and 5)" in done.stderr + done.stdout


@pytest.mark.slow
def test_a_fresh_clone_runs_everything_once(clone: Clone) -> None:
    clone.run("git", "clone", "-q", ".", "../fresh")
    fresh = type(clone)(clone.root.parent / "fresh")
    files = sorted(str(f) for f in fresh.root.glob("pipeline/*/dvc.yaml"))
    dry = fresh.run(sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing", *files)
    assert "Running stage" not in dry.stdout, "the published results belong to this code"
    done = fresh.repro(BENCH_JOBS="2")
    assert done.returncode == 0, done.stderr
    assert fresh.ran() == cells_of("maf", "nsf")
    changed = fresh.run("git", "status", "--porcelain").stdout.split()
    assert not [f for f in changed if f.startswith("results/records/")]


def test_run_chooses_cells_and_leaves_the_rest_stale(clone: Clone) -> None:
    clone.write("helper.py", "VALUE = 2\n")
    done = clone.run(
        sys.executable, "-m", "bench", "run", "-m", "ma*", "-d", "digits", "-d", "wine", "-j", "2"
    )
    assert done.returncode == 0, done.stderr
    assert clone.ran() == ["digits/maf", "wine/maf"]
    assert "pipeline/maf/dvc.yaml:cell@rings" in clone.stale()
    assert len(clone.stale()) == 4


WRONG: dict[str, tuple[Callable[[Clone], Any], str, int]] = {
    "no .dvc": (lambda c: (c.root / ".dvc").rename(c.root / "dvc-gone"), "has no .dvc folder", 3),
    "no git": (lambda c: (c.root / ".git").rename(c.root / "git-gone"), "core.no_scm true", 3),
    "jobs": (lambda c: None, "BENCH_JOBS is 'many'; expected a whole number", 2),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_surroundings_are_named(clone: Clone, name: str) -> None:
    spoil, words, code = WRONG[name]
    spoil(clone)
    jobs = "many" if name == "jobs" else ""
    done = clone.run(sys.executable, "-m", "bench", "stage", "cells", BENCH_JOBS=jobs)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_source_archive_works_without_git(clone: Clone) -> None:
    (clone.root / ".git").rename(clone.root / "git-gone")
    clone.run(sys.executable, "-m", "dvc", "config", "--local", "core.no_scm", "true")
    clone.write("bench/datasets/wine.py", (clone.root / "bench/datasets/wine.py").read_text() + "#")
    done = clone.repro(BENCH_JOBS="2")
    assert done.returncode == 0, done.stderr
    assert clone.ran() == ["wine/maf", "wine/nsf"]
