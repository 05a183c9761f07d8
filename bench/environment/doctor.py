"""What this machine has, what is missing, and how to get it: the data of `bench doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import paths
from bench.environment.machine import cores, git, git_state, project_root, versions

PYTHON = ((3, 11), (3, 14))  #: from, up to but not including
FREE_GIB = 2.0
#: distribution -> (what for, remedy, required)
PACKAGES = {
    "nflows": ("the reference models", "pip install -e .", True),
    "scikit-learn": ("digits, tabular data, reference mixtures", "pip install -e .", True),
    "dvc": ("the pipeline: dvc repro", "pip install -e .", True),
    "zuko": ("zuko's models", "pip install -e '.[peers]'", False),
    "normflows": ("normflows' models", "pip install -e '.[peers]'", False),
    "h5py": ("HDF5 and MATLAB 7.3 files", "pip install -e '.[data]'", False),
    "pyarrow": ("Parquet files", "pip install -e '.[data]'", False),
    "statsmodels": ("the series co2 and sunspots", "pip install -e '.[data]'", False),
    "pytest-benchmark": ("timing regressions (make benchmark)", "pip install -e '.[dev]'", False),
}


@dataclass(frozen=True)
class Finding:
    """One row. `found` is None where the thing is absent, `remedy` empty where none is needed."""

    what: str
    found: str | None
    needed_for: str
    remedy: str = ""
    required: bool = False
    ok: bool = True


def doctor() -> list[dict[str, Any]]:
    """All findings as rows of Finding's fields. Never raises: a failed probe is a finding too."""
    probes: list[tuple[str, Callable[[], Finding]]] = [
        ("Python", _python),
        ("torch", _torch),
        ("GPU", _gpu),
        *((name, _package(name)) for name in PACKAGES),
        ("git", _git),
        ("clone", _clone),
        ("git repository", _repository),
        ("disk space", _disk),
        ("C++ compiler", _compiler),
    ]
    return [asdict(_guarded(what, probe)) for what, probe in probes]


def missing(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of required things not in order; `bench doctor` exits with 3 when there are any."""
    return [row["what"] for row in rows if row["required"] and not row["ok"]]


def _guarded(what: str, probe: Callable[[], Finding]) -> Finding:
    try:
        return probe()
    except Exception as error:
        text = f"could not be examined: {type(error).__name__}: {error}"
        return Finding(what, text, "", "see the message", ok=False)


def _python() -> Finding:
    low, high = PYTHON
    ok = low <= sys.version_info[:2] < high
    remedy = "" if ok else f"use Python {low[0]}.{low[1]} to {high[0]}.{high[1] - 1}"
    return Finding("Python", platform.python_version(), "everything", remedy, True, ok)


def _torch() -> Finding:
    what, use = "torch", "models, scores, checks"
    try:
        import torch
    except Exception as error:
        found = f"{type(error).__name__}: {error}" if "torch" in versions(("torch",)) else None
        return Finding(what, found, use, "pip install -e .", True, False)
    found = f"{torch.__version__}, {torch.get_num_threads()} threads of {cores()} cores"
    return Finding(what, found, use, required=True)


def _gpu() -> Finding:
    what, use = "GPU", "suite gpu, --device cuda"
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding(what, f"{', '.join(names)} (CUDA {torch.version.cuda})", use)
    if torch.version.cuda is None:
        remedy = "none needed for the default suite; else a CUDA build of torch"
    else:
        remedy = "torch is built for CUDA but sees no device: look at the driver, or nvidia-smi"
    return Finding(what, None, use, remedy, ok=False)


def _package(name: str) -> Callable[[], Finding]:
    use, remedy, required = PACKAGES[name]

    def probe() -> Finding:
        found = versions((name,)).get(name)
        ok = found is not None
        return Finding(name, found, use, "" if ok else remedy, required, ok)

    return probe


def _git() -> Finding:
    found = git(Path.cwd(), "--version")
    ok = found is not None
    remedy = "" if ok else "install git (results can be made without it, but name no commit)"
    return Finding("git", found, "the commit in each record, dvc", remedy, ok=ok)


def _clone() -> Finding:
    root = paths.find_root()
    remedy = "" if root else "change into the clone, or git clone the project first"
    found = str(root) if root else None
    return Finding("clone", found, "bench run, dvc repro", remedy, True, root is not None)


def _repository() -> Finding:
    what, use = "git repository", "the commit in each record, git diff results/"
    commit, dirty = git_state(project_root())
    if commit is None:
        remedy = "clone the project with git rather than unpacking an archive"
        return Finding(what, None, use, remedy, ok=False)
    return Finding(what, commit[:12] + (" with uncommitted changes" if dirty else ""), use)


def _disk() -> Finding:
    free = shutil.disk_usage(project_root()).free / 2**30
    ok = free >= FREE_GIB
    remedy = "" if ok else "free some space: a full disk ends a run in the middle"
    use = f"data, checkpoints, results ({FREE_GIB:g} GiB)"
    return Finding("disk space", f"{free:.1f} GiB free", use, remedy, True, ok)


def _compiler() -> Finding:
    names = [os.environ.get("CXX"), "g++", "clang++", "c++", "cl"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    ok = found is not None
    remedy = "" if ok else "install a C++ compiler (g++ or clang); eager paths run without one"
    return Finding("C++ compiler", found, "torch.compile and native kernels", remedy, ok=ok)
