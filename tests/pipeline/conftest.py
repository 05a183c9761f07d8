"""A tiny clone with its own copy of the package: real DVC, real git, cells of no arithmetic."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CELL = '''"""A cell that trains nothing: its model's build says how it ends."""
import helper
from bench import paths, records
from bench.atomic import write_text
from bench.registry import load_function


def failed(spec, status, reason):
    name = (spec.dataset.name, spec.model.name)
    key = records.CellKey(dataset=name[0], model=name[1], suite=spec.suite_name)
    return records.Record(cell=key, status=status, reason=reason)


def run_cell(spec, root, results, report):
    name = (spec.dataset.name, spec.model.name)
    with (root / "ran.txt").open("a") as log:
        log.write("/".join(name) + "\\n")
    status = load_function(spec.model)(spec.dataset.name, **spec.settings) or "ok"
    record = failed(spec, status, None if status == "ok" else f"toy {status}")
    if status in ("ok", "failed-check"):
        for path in (paths.checkpoint_path, paths.artifact_path, paths.curve_path):
            write_text(path(results, *name), f"{name} {spec.settings} {helper.VALUE}")
    records.write(records.cost_path(results, *name), records.CostRecord())
    records.write(records.record_path(results, *name), record)
    return record
'''
DATASETS = {
    "toys.py": """from bench import dataset
@dataset("digits", kind="discrete", shape=[4], levels=3)
def digits(): ...
@dataset("rings", kind="continuous", shape=[2])
def rings(): ...
""",
    "wine.py": """from bench import dataset
@dataset("wine", kind="continuous", shape=[3])
def wine(): ...
""",
}
PARAMS = """suite: tiny
suites:
  tiny:
    time_limit: 20
    datasets: {digits: {}, rings: , wine: {train: {steps: 3}}}
    models: ["*"]
    train: {lr: 5e-3, weight_decay: 1e-05}
"""


def a_model(name: str, body: str = "...", extra: str = "", settings: str = "") -> str:
    """Source of a plugin."""
    parameters = f"data, {settings}" if settings else "data"
    return (
        f'from bench import model\n@model("{name}"{extra})\ndef build({parameters}):\n    {body}\n'
    )


@dataclass
class Clone:
    """A working tree and the commands that a person would type in it."""

    root: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command, with this Python's folder first on the PATH."""
        process = self.start(*command, **environment)
        output, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """The same, not waited for, in a session of its own."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        held = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **environment}
        held.pop("PYTHONPATH", None)
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=held,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    def repro(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """`dvc repro`."""
        return self.run(sys.executable, "-m", "dvc", "repro", **environment)

    def ran(self) -> list[str]:
        """Cells that have run since this was last asked, sorted."""
        log = self.root / "ran.txt"
        names = sorted(log.read_text().split()) if log.is_file() else []
        log.unlink(missing_ok=True)
        return names

    def stale(self) -> set[str]:
        """Addresses that the harness takes for stale; dvc.yaml files are written first."""
        code = (
            "from bench.pipeline.project import open_project\np = open_project()\n"
            "stages, _ = p.write_stages()\n"
            "print(*[s.address for s in p.workspace().stale(stages)])"
        )
        done = self.run(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        return set(done.stdout.split())

    def write(self, path: str, text: str) -> None:
        """Write a file, making its folder."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self) -> None:
        """Everything into git."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Two models on three data sets, run once with two jobs and committed."""
    clone = Clone(tmp_path_factory.mktemp("pristine") / "clone")
    ignore = shutil.ignore_patterns("__pycache__", "models", "checks", "costs", "flows")
    shutil.copytree(ROOT / "bench", clone.root / "bench", ignore=ignore)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        clone.write(name, (ROOT / name).read_text())
    for file in (clone.root / "bench" / "datasets").glob("*.py"):
        if file.name != "__init__.py":
            file.unlink()
    clone.write("bench/cell.py", CELL)
    clone.write("bench/checks/one.py", "")
    clone.write("bench/checks/two.py", "import helper")
    clone.write("helper.py", "VALUE = 1\n")
    # the toys have no points to report on; tests/leaks runs the real thing
    clone.write(
        "bench/leaks/refresh.py", "def refresh(specs, root, removing=True):\n    return []\n"
    )
    clone.write("bench/models/maf.py", a_model("maf", settings="layers=3"))
    clone.write("baselines/nsf.py", a_model("nsf", extra=', twin="maf"', settings="layers=3"))
    for name, text in DATASETS.items():
        clone.write(f"bench/datasets/{name}", text)
    clone.write("params.yaml", PARAMS)
    with (clone.root / ".gitignore").open("a") as stream:
        stream.write("/ran.txt\n")
    clone.run("git", "init", "-q")
    clone.run("git", "config", "user.email", "a@b")
    clone.run("git", "config", "user.name", "a")
    clone.commit()
    clone.first = clone.repro(BENCH_JOBS="2")  # type: ignore[attr-defined]
    clone.commit()
    return clone


@pytest.fixture
def clone(pristine: Clone, tmp_path: Path) -> Clone:
    """A copy of the pristine clone, with its DVC cache and lock files."""
    shutil.copytree(pristine.root, tmp_path / "clone", symlinks=True)
    copied = Clone(tmp_path / "clone")
    copied.ran()
    return copied


@pytest.fixture
def model_source() -> Callable[..., str]:
    """Source of a plugin from its name, body, further decorator arguments and settings."""
    return a_model
