"""What the harness takes for stale is what `dvc status` reports, edit by edit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Clone

ALL = {
    f"pipeline/{m}/dvc.yaml:cell@{d}" for m in ("maf", "nsf") for d in ("digits", "rings", "wine")
}
MAF = {a for a in ALL if "/maf/" in a}


def params(old: str, new: str) -> Callable[[Clone], None]:
    def edit(clone: Clone) -> None:
        text = (clone.root / "params.yaml").read_text()
        assert old in text
        clone.write("params.yaml", text.replace(old, new))

    return edit


def appended(path: str, text: str) -> Callable[[Clone], None]:
    return lambda c: c.write(path, (c.root / path).read_text() + text)


def removed(path: str) -> Callable[[Clone], None]:
    return lambda c: (c.root / path).unlink()


EDITS: dict[str, tuple[Callable[[Clone], None], set[str]]] = {
    "nothing": (lambda c: None, set()),
    "what scores": (appended("helper.py", "# one more\n"), ALL),
    "one model": (appended("bench/models/maf.py", "\n"), MAF),
    "one data set": (
        appended("bench/datasets/wine.py", "\n"),
        {a for a in ALL if a.endswith("wine")},
    ),
    "a folder": (appended("bench/checks/two.py", "\n"), ALL),
    "a file more in a folder": (lambda c: c.write("bench/checks/three.py", ""), ALL),
    "a folder's cache": (lambda c: c.write("bench/checks/__pycache__/x.pyc", "x"), set()),
    "pool": (appended("bench/pipeline/pool.py", "\n"), set()),
    "budget": (params("lr: 5e-3", "lr: 0.006"), ALL),
    "budget spelt otherwise": (params("lr: 5e-3", "lr: 0.005"), set()),
    "one data set's budget": (params("steps: 3", "steps: 4"), {a for a in ALL if "wine" in a}),
    "time limit": (params("time_limit: 20", "time_limit: 30"), set()),
    "models of the suite": (params('models: ["*"]', "models: [maf, nsf]"), set()),
    "new settings": (params("suite: tiny\n", "suite: tiny\nmodels: {maf: {layers: 4}}\n"), MAF),
    "record": (
        appended("results/records/digits/maf.json", " "),
        {"pipeline/maf/dvc.yaml:cell@digits"},
    ),
    "record gone": (
        removed("results/records/digits/maf.cost.json"),
        {"pipeline/maf/dvc.yaml:cell@digits"},
    ),
    "checkpoint gone": (
        removed("checkpoints/rings/nsf.pt"),
        {"pipeline/nsf/dvc.yaml:cell@rings"},
    ),
    "lock gone": (removed("pipeline/maf/dvc.lock"), MAF),
    "import added": (
        lambda c: (c.write("more.py", ""), c.write("helper.py", "import more\nVALUE = 1\n"))[0],
        ALL,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_stale_cells_are_those_of_dvc_status(clone: Clone, name: str) -> None:
    edit, expected = EDITS[name]
    edit(clone)
    assert clone.stale() == expected
    files = sorted(str(f) for f in clone.root.glob("pipeline/*/dvc.yaml"))
    status = clone.run(sys.executable, "-m", "dvc", "status", "--json", *files)
    assert status.returncode == 0, status.stderr
    assert set(json.loads(status.stdout)) == expected
