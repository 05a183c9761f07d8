"""Environment capture and the doctor's rows, in throw-away repositories and broken environments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.environment import capture, doctor, missing, versions
from bench.environment.machine import COMPUTING, cores, cpu_model, git_state, project_root

PROBES = sys.modules["bench.environment.doctor"]


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed clone; the current folder."""
    root = tmp_path / "clone"
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "bench/x.py", "results/a.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("one\n")
    git(tmp_path, "init", "-q", "clone")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "one")
    monkeypatch.chdir(root)
    return root


#: name -> (file that changes, is the tree dirty then)
CHANGES = {
    "nothing": (None, False),
    "a result": ("results/a.json", False),
    "a new result": ("results/b.json", False),
    "the lock": ("dvc.lock", False),
    "a model's lock": ("pipeline/m/dvc.lock", False),
    "code": ("bench/x.py", True),
    "a new plugin": ("baselines/new.py", True),
}


@pytest.mark.parametrize(("file", "dirty"), CHANGES.values(), ids=CHANGES.keys())
def test_commit_and_dirty(repository: Path, file: str | None, dirty: bool) -> None:
    if file:
        (repository / file).parent.mkdir(parents=True, exist_ok=True)
        (repository / file).write_text("two\n")
    found = capture()
    assert (found.commit, found.dirty) == (git(repository, "rev-parse", "HEAD"), dirty)


def test_no_commit_outside_a_repository_of_its_own(repository: Path, tmp_path: Path) -> None:
    inside = repository / "unpacked"
    inside.mkdir()
    for folder in (tmp_path, inside):  # no repository; an archive unpacked in a foreign one
        assert git_state(folder) == (None, None)


def test_no_commit_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_state(repository) == (None, None)


def test_variables_of_a_git_hook_do_not_mislead(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert git_state(repository) == (head, False)


def test_capture_names_machine_and_software(repository: Path) -> None:
    found = capture("cpu")
    assert (found.torch, found.device, found.cuda) == (torch.__version__, "cpu", None)
    assert found.threads == torch.get_num_threads()
    assert 1 <= found.cores <= 4096
    assert found.cpu
    assert found.platform
    assert found.packages["torch"] == torch.__version__
    assert found.cpu_capability == torch.backends.cpu.get_cpu_capability()


def test_versions_leave_out_what_is_absent() -> None:
    found = versions(("numpy", "no-such-distribution"))
    assert list(found) == ["numpy"]
    assert set(versions()) <= set(COMPUTING)


CPUS = {
    "named": ("processor\t: 0\nmodel name\t: Fast 9000\nflags: x\nmodel name\t: B\n", "Fast 9000"),
    "unnamed": ("processor\t: 0\n", None),
    "unreadable": (None, None),
}


@pytest.mark.parametrize(("text", "name"), CPUS.values(), ids=CPUS.keys())
def test_cpu_model(tmp_path: Path, text: str | None, name: str | None) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    found = cpu_model(tmp_path / "cpuinfo")
    assert found == name if name else found


def test_cores_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert cores() >= 1


def test_outside_a_clone_the_packages_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (project_root() / "bench" / "environment").is_dir()


def by_name() -> dict[str, dict[str, object]]:
    return {row["what"]: row for row in doctor()}


def test_doctor_in_a_clone_finds_nothing_required_missing(repository: Path) -> None:
    rows = doctor()
    fields = {"what", "found", "needed_for", "remedy", "required", "ok"}
    assert all(set(row) == fields for row in rows)
    assert missing(rows) == []
    assert all(row["remedy"] for row in rows if not row["ok"])
    assert all(row["needed_for"] for row in rows)
    assert by_name()["clone"]["found"] == str(repository)


def fault(*_: object) -> None:
    raise OSError("planted")


def set_versions(found: dict[str, str]) -> Callable[..., dict[str, str]]:
    return lambda names: {k: v for k, v in found.items() if k in names}


#: name -> (what is broken, row that must show it, is it required)
BREAKS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, bool]] = {
    "torch is absent": (lambda m: m.setitem(sys.modules, "torch", None), "torch", True),
    "dvc is absent": (lambda m: m.setattr(PROBES, "versions", set_versions({})), "dvc", True),
    "zuko is absent": (lambda m: m.setattr(PROBES, "versions", set_versions({})), "zuko", False),
    "old Python": (lambda m: m.setattr(sys, "version_info", (3, 10, 1)), "Python", True),
    "no clone": (lambda m: m.chdir("/"), "clone", True),
    "full disk": (lambda m: m.setattr(PROBES, "FREE_GIB", 1e9), "disk space", True),
    "no git": (lambda m: m.setenv("PATH", ""), "git", False),
    "no compiler": (
        lambda m: (m.setenv("PATH", ""), m.delenv("CXX", False), None)[2], "C++ compiler", False
    ),
    "disk cannot be examined": (
        lambda m: m.setattr("shutil.disk_usage", fault), "disk space", False
    ),
}  # fmt: skip


def test_importing_the_module_loads_no_torch() -> None:
    code = "import sys, bench.environment; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
