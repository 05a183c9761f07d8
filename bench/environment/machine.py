"""What a measurement was made on: hardware, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import paths
from bench.records import Environment

#: distributions that move a result's bits; the first group alone belongs in a training fingerprint
COMPUTING = ("torch", "numpy", "scipy", "scikit-learn", "nflows", "zuko", "normflows", "triton")
TOOLS = ("dvc", "pandas", "pydantic", "matplotlib", "density-bench")
GIT_SECONDS = 5.0
#: outputs and locks change in every run; a tree is dirty when anything else does
OUTPUTS = (":(exclude)results", ":(exclude)dvc.lock", ":(exclude,glob)**/dvc.lock")


def capture(device: str = "cpu") -> Environment:
    """The environment of a measurement on `device`, "cpu" or "cuda[:N]".

    `commit` and `dirty` are None outside a git clone of the project, as in a source archive.
    """
    import torch

    commit, dirty = git_state(project_root())
    cuda = device.startswith("cuda") and torch.cuda.is_available()
    return Environment(
        torch=str(torch.__version__),
        cuda=torch.version.cuda if cuda else None,
        device=torch.cuda.get_device_name(device) if cuda else "cpu",
        cpu=cpu_model(),
        cores=cores(),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        packages=versions(COMPUTING + TOOLS),
        platform=platform.platform(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        commit=commit,
        dirty=dirty,
    )


def versions(names: tuple[str, ...] = COMPUTING) -> dict[str, str]:
    """Versions of those of the distributions that are installed; imports none of them."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; its architecture where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def project_root() -> Path:
    """The clone at or above the current folder, else the folder that holds the package."""
    return paths.find_root() or Path(__file__).resolve().parents[2]


def git_state(root: Path) -> tuple[str | None, bool | None]:
    """Commit of the repository whose top is `root`, and whether it has uncommitted changes.

    Changes below results/ and in lock files are a run's own and do not count. (None, None) where
    `root` is no repository's top (an archive unpacked inside a foreign one) or git is missing.
    """
    top = git(root, "rev-parse", "--show-toplevel")
    commit = git(root, "rev-parse", "HEAD")
    if top is None or commit is None or Path(top).resolve() != root.resolve():
        return None, None
    status = git(root, "status", "--porcelain", "--", ".", *OUTPUTS)
    return commit, None if status is None else bool(status)


def git(root: Path, *arguments: str) -> str | None:
    """Output of a git command that takes no lock; None where it fails or takes too long."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=root,
            env=clean,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
