"""Calls of DVC, always as a command of this Python: importing it would cost more than it does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.errors import BenchError, MissingError
from bench.pipeline.stages import Stage


def require(root: Path) -> None:
    """Raise MissingError where DVC cannot work in this folder, with what makes it work."""
    if not (root / ".dvc").is_dir():
        raise MissingError(
            f"{root} has no .dvc folder. Take a full clone or archive of the project, or run: "
            "dvc init"
        )
    configured = [root / ".dvc" / name for name in ("config", "config.local")]
    without_git = any("no_scm" in f.read_text(encoding="utf-8") for f in configured if f.is_file())
    repository = any((folder / ".git").exists() for folder in (root, *root.parents))
    if not repository and not without_git:
        raise MissingError(
            f"{root} is not a git repository. Run: git init, or, in a source archive: "
            "dvc config --local core.no_scm true"
        )


def repro(root: Path, targets: list[str]) -> int:
    """Bring these stages up to date, going on past failures; return DVC's exit code."""
    # without a target DVC would take the root's dvc.yaml, whose first stage makes this very call
    return _run(root, ["repro", "--quiet", "--keep-going", *targets]) if targets else 0


def commit(root: Path, targets: list[str]) -> None:
    """Enter the workspace's state of these stages in their locks. Raises BenchError."""
    if targets and (code := _run(root, ["commit", "--quiet", "--force", *targets])):
        raise BenchError(
            f"dvc commit failed with exit code {code}; the records are kept. Run: dvc repro"
        )


def targets(chosen: list[Stage], untouched: list[Stage]) -> list[str]:
    """What names the chosen stages: a whole file where it holds no untouched one.

    DVC takes a file in one go, addresses one by one.
    """
    split = {s.file for s in untouched}
    named = [s.address if s.file in split else s.file for s in chosen]
    return list(dict.fromkeys(named))


def orphaned() -> bool:
    """Started by DVC, and that DVC is gone: nobody would enter the results in a lock."""
    return "DVC_STAGE" in os.environ and os.getppid() != _PARENT


def gone() -> BenchError:
    """What to say then."""
    return BenchError("the DVC that started this is gone. Run again: dvc repro")


_PARENT = os.getppid()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End DVC, which ignores Ctrl-C while its child runs and would then go on with the next."""
    for sign in [*[signal.SIGINT] * 20, signal.SIGTERM, signal.SIGKILL]:
        process.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            return


def _run(root: Path, arguments: list[str]) -> int:
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "dvc", *arguments], cwd=root, env=environment)
    try:
        while not orphaned():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(1)
    except KeyboardInterrupt:
        _stop(process)
        raise
    process.kill()
    raise gone()
