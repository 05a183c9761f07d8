"""What a user gets: a light import, a public surface by hand, no trace of one machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = [
    "check",
    "compare",
    "dataset",
    "evaluate",
    "implementation",
    "kernel",
    "load",
    "model",
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def fresh(code: str) -> str:
    """stdout of a fresh interpreter in the clone."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import bench\n"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    assert fresh(code).split() == ["bench"]


def test_the_public_surface_is_the_list_in_the_documentation() -> None:
    assert dir(bench) == PUBLIC == bench.__all__
    code = "import bench; print(*(callable(getattr(bench, n)) for n in dir(bench)))"
    assert fresh(code).split() == ["True"] * len(PUBLIC)


def test_a_name_it_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        bench.evalute  # noqa: B018


def test_what_the_package_reads_at_run_time_is_packaged() -> None:
    package = resources.files("bench")
    for name in ("py.typed", "scaffold/model.py.txt", "scaffold/dataset.py.txt"):
        assert package.joinpath(name).is_file(), name
    globs = PROJECT["tool"]["setuptools"]["package-data"]["bench"]
    packaged = {f for g in globs for f in (ROOT / "bench").glob(g)}
    data = {
        f
        for f in (ROOT / "bench").rglob("*")
        if f.is_file() and f.suffix not in (".py", ".pyc") and "__pycache__" not in f.parts
    }
    assert data <= packaged, sorted(str(f) for f in data - packaged)


def test_every_requirement_has_one_exact_version_in_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ;.*)?", p) for p in pins)
    names = [_normal(p.partition("==")[0]) for p in pins]
    assert len(names) == len(set(names))
    project = PROJECT["project"]
    extras = [r for k, v in project["optional-dependencies"].items() if k != "gpu" for r in v]
    wanted = {_normal(re.split(r"[<>=;\[ ]", r)[0]) for r in [*project["dependencies"], *extras]}
    assert wanted <= set(names), wanted - set(names)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


#: spelled in pieces, so that this file does not hold what it looks for
TRACES = {
    "a path of one machine": r"(?<![\w.~$}/-])/("
    + "|".join(["work", "home", "Users", "root"])
    + ")/",
    "a temporary environment": "/tmp/" + "venv",
    "a registry's host": "|".join(
        ["pypi" + r"\.org", "files" + r"\.pythonhosted", "find-" + "links"]
    ),
}


@pytest.mark.parametrize("trace", TRACES)
def test_no_tracked_file_names(trace: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    pattern = re.compile(TRACES[trace])
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name in filter(None, listed.stdout.split("\0"))
        if (text := _text(ROOT / name)) is not None
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


PAGES = sorted(
    ["README.md", "CONTRIBUTING.md", *(f"docs/{f.name}" for f in ROOT.glob("docs/*.md"))]
)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_every_page_named_in_the_code_exists() -> None:
    sources = [*ROOT.glob("bench/**/*.py"), *ROOT.glob("bench/**/*.j2"), *ROOT.glob("*.yaml")]
    named = {m for f in sources for m in re.findall(r"docs/[a-z0-9-]+\.md", _text(f) or "")}
    assert sorted(page for page in named if not (ROOT / page).is_file()) == []


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return None
