"""The command line as a person or a script meets it: output, streams, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli, registry

Write = Callable[[str, str], Path]
Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parent.parent.parent
COMMANDS = [
    "list",
    "new",
    "check",
    "run",
    "cell",
    "plan",
    "leaderboard",
    "profile",
    "compare",
    "doctor",
    "data",
]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command line in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, as a shell would start it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60
    )


def test_help_names_every_command_and_no_hidden_one(bench: Run) -> None:
    code, out, _ = bench("--help")
    listed = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line]
    assert code == 0
    assert listed == COMMANDS
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("command", [*COMMANDS, "stage"])
def test_every_command_has_help_of_its_own(command: str, bench: Run) -> None:
    code, out, err = bench(command, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: bench {command}" in out


def test_version(bench: Run) -> None:
    import bench as package

    assert bench("--version") == (0, f"bench {package.__version__}\n", "")


WRONG_USE: dict[str, tuple[list[str], str]] = {
    "no such command": (["lst"], "Did you mean 'list'?"),
    "no such listing": (["list", "modells"], "'models'"),
    "no such option": (["list", "models", "--jsn"], "--json"),
    "argument missing": (["cell", "rings"], "'MODEL'"),
    "no jobs": (["run", "--jobs", "0"], "'--jobs'"),
    "bad name": (["new", "model", "My_Flow"], "lower-case letters"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_exits_with_2_and_says_what_is_right(case: str, bench: Run, clone: Path) -> None:
    arguments, words = WRONG_USE[case]
    code, out, err = bench(*arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_misspelt_suite_is_answered_with_the_nearest(bench: Run, clone: Path) -> None:
    code, out, err = bench("list", "cells", "--suite", "tinny")
    assert (code, out) == (2, "")
    assert err == "error: no suite 'tinny'. Did you mean 'tiny'? All: bench list suites\n"


@pytest.mark.parametrize(
    "arguments", [["run"], ["plan"], ["list", "cells"], ["list", "suites"]], ids=" ".join
)
def test_outside_a_clone_exits_with_3_and_the_remedy(
    arguments: list[str], bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = bench(*arguments)
    assert (code, out) == (3, "")
    assert err.startswith("error: this folder is not inside a clone")
    assert err.count("\n") == 1


def test_models_and_data_sets_are_listed_outside_a_clone(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "gaussian" in bench("list", "models")[1]
    assert "rings" in bench("list", "datasets")[1]


def test_a_pipe_gets_one_tab_separated_line_each_with_whole_values(
    bench: Run, clone: Path, plugin: Write
) -> None:
    long = "a-name-that-is-longer-than-any-column-of-a-narrow-terminal-would-be"
    plugin("m.py", f'from bench import model\n@model("{long}", paper="a\\tb")\ndef f(data): ...\n')
    code, out, err = bench("list", "models", "-m", "a-name*")
    assert (code, err) == (0, "")
    cells = out.removesuffix("\n").split("\t")
    assert cells[0] == long
    assert cells[-1] == "baselines/m.py"
    assert "a b" in cells


def test_json_is_an_object_of_rows(bench: Run, clone: Path) -> None:
    found = registry.discover()
    for what, names in (
        ("models", set(found.models)),
        ("datasets", set(found.datasets)),
        ("suites", {"tiny"}),
    ):
        data = json.loads(bench("list", what, "--json")[1])
        assert data["schema"] == 1
        assert {row["name"] for row in data["rows"]} == names


def test_cells_are_those_of_the_suite_and_globs_choose(bench: Run, clone: Path) -> None:
    rows = json.loads(bench("list", "cells", "--json")[1])["rows"]
    assert {"rings"} == {r["dataset"] for r in rows}
    assert {"gaussian", "maf"} <= {r["model"] for r in rows}
    chosen = json.loads(bench("list", "cells", "--json", "-m", "gauss*", "-m", "maf")[1])["rows"]
    matched = {"gaussian", "gaussian-diagonal", "gaussianization-flow"}
    assert {r["model"] for r in chosen} == {*matched, "maf"}
    assert bench("list", "cells", "-d", "claw")[0] == 2


def test_an_error_is_json_where_json_is_asked_for(bench: Run, clone: Path) -> None:
    code, out, err = bench("list", "cells", "--suite", "nope", "--json")
    assert out == ""
    data = json.loads(err)
    assert data["exit_code"] == code == 2
    assert "no suite 'nope'" in data["error"]


def test_a_broken_plugin_is_a_warning_beside_the_listing(
    bench: Run, clone: Path, plugin: Write
) -> None:
    plugin("broken.py", "def (")
    code, out, err = bench("list", "models")
    assert code == 0
    assert "gaussian" in out
    assert err.startswith("warning: baselines/broken.py:1 does not parse")


def test_an_unforeseen_error_is_one_sentence_and_a_traceback_only_with_debug(
    bench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(registry, "discover", fail)
    code, out, err = bench("list", "models")
    assert (code, out) == (1, "")
    assert err == "error: internal error: RuntimeError: two lines. Rerun with --debug\n"
    assert "Traceback" in bench("list", "models", "--debug")[2]


def test_ctrl_c_exits_with_130(bench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "discover", interrupt)
    assert bench("list", "models") == (130, "", "")


def test_a_closed_pipe_is_silent() -> None:
    script = f"{sys.executable} -m bench list models --json | head -c 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.stderr == ""


def test_a_python_without_the_packages_is_told_to_activate_the_environment() -> None:
    done = python("-S", "-m", "bench", "list", "models")  # -S: no installed packages
    assert done.returncode == 3
    assert done.stderr.startswith("error: this Python (")
    assert "source .venv/bin/activate" in done.stderr
    assert "Traceback" not in done.stderr


LIGHT = [["list", "models"], ["list", "cells"], ["list", "suites"], ["--help"], ["run", "--help"]]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_listing_and_help_load_nothing_heavy(arguments: list[str], clone: Path) -> None:
    code = (
        "import sys\nfrom bench import cli\n"
        f"code = cli.main({arguments!r})\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'rich', 'sklearn', 'dvc'}\n"
        "assert code == 0, code\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_completion_offers_the_names(clone: Path) -> None:
    done = python(
        "-c",
        "import sys; from bench import cli; sys.exit(cli.main([]))",
        _BENCH_COMPLETE="complete_bash",
        COMP_WORDS="bench check gauss",
        COMP_CWORD="2",
    )
    assert done.stdout.split() == ["gaussian", "gaussian-diagonal", "gaussianization-flow"]
