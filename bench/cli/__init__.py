"""The command line: one file per command, argument parsing and printing only.

A command's file imports torch, pandas, pydantic and the like inside its function, so that `--help`,
completion and `bench list` answer at once. Exit codes: 0 done, 1 a check or cell failed, 2 wrong
use, 3 something missing, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from bench.cli import (
    cell,
    check,
    compare,
    data,
    doctor,
    leaderboard,
    listing,
    new,
    output,
    plan,
    profile,
    run,
    stage,
)
from bench.errors import BenchError

GLOBAL_FLAGS = ("--debug", "--color", "--no-color")

app = typer.Typer(
    name="bench",
    help="A benchmark of density models whose likelihoods are checked before they are ranked.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.command)
app.command("new")(new.command)
app.command("check")(check.command)
app.command("run")(run.command)
app.command("cell")(cell.command)
app.command("plan")(plan.command)
app.command("leaderboard")(leaderboard.command)
app.command("profile")(profile.command)
app.command("compare")(compare.command)
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.command)
app.command("stage", hidden=True)(stage.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from bench import __version__

        print(f"bench {__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    color: Annotated[
        bool | None, typer.Option("--color/--no-color", help="Default: on terminals.")
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and exit."),
    ] = False,
) -> None:
    """Global options, handed on to child processes through the environment."""
    if debug:
        os.environ["BENCH_DEBUG"] = "1"
    if color is not None:
        os.environ.pop("NO_COLOR", None)
        os.environ["FORCE_COLOR" if color else "NO_COLOR"] = "1"


def main(arguments: list[str] | None = None) -> int:
    """Run one command line (default: this process's). Returns the exit code, never raises it.

    Raises ModuleNotFoundError, which `bench.__main__` turns into its sentence.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=_hoisted(given), prog_name="bench")
        sys.stdout.flush()
    except SystemExit as end:
        return _code(end)
    except BrokenPipeError:
        # the interpreter flushes stdout once more at exit: let it write to nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError:
        raise
    except Exception as error:
        return _report(error, as_json="--json" in given)
    return 0


def _code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    return end.code if isinstance(end.code, int) else 1


def _hoisted(arguments: list[str]) -> list[str]:
    """Global flags may stand anywhere: `bench run --debug` is `bench --debug run`."""
    front = [a for a in arguments if a in GLOBAL_FLAGS]
    return [*front, *(a for a in arguments if a not in GLOBAL_FLAGS)]


def _report(error: Exception, as_json: bool) -> int:
    """Print an error as one sentence, or with `--debug` its traceback first."""
    if os.environ.get("BENCH_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, BenchError):
        code, sentence = error.exit_code, str(error)
    else:
        text = " ".join(str(error).split())
        code = 1
        sentence = f"internal error: {type(error).__name__}: {text}. Rerun with --debug"
    output.error(sentence, code, as_json)
    return code
