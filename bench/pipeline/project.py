"""A clone with its plan: what every pipeline command starts from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import paths
from bench.cellspec import CellSpec
from bench.errors import MissingError
from bench.pipeline import cells, closure, stages
from bench.pipeline.stages import Stage
from bench.pipeline.stale import Workspace
from bench.registry import Registry, discover
from bench.settings import Params, read_params
from bench.yaml12 import load_yaml


@dataclass
class Project:
    """The clone, params.yaml and the plugins, read once."""

    root: Path
    params: Params
    raw: dict[str, Any]  #: params.yaml as DVC parses it
    registry: Registry

    @property
    def results(self) -> Path:
        """Where the active suite's results lie."""
        return self.root / "results"

    @property
    def problems(self) -> list[str]:
        """One sentence for each plugin file that could not be read."""
        return [p.reason for p in self.registry.problems]

    def plan(
        self,
        suite: str | None = None,
        models_glob: str | None = None,
        datasets_glob: str | None = None,
    ) -> list[CellSpec]:
        """The suite's cells; see bench.pipeline.cells.plan."""
        return cells.plan(self.params, self.registry, suite, models_glob, datasets_glob)

    def write_stages(self) -> tuple[list[Stage], list[str]]:
        """Write the active suite's stage files; return its stages and the models removed.

        While a plugin file does not parse, its name is unknown, so nothing is removed.
        """
        specs = self.plan()
        removed = [] if self.problems else stages.remove_vanished(specs, self.root)
        return stages.write(specs, self.raw, self.root), removed

    def workspace(self) -> Workspace:
        """Hashes of the files as they are now."""
        return Workspace(self.root, self.raw)


def open_project() -> Project:
    """Read the clone around the current folder. Raises MissingError outside one."""
    root = paths.root()
    if root != closure.CLONE:
        raise MissingError(
            f"the package bench comes from {closure.CLONE}, not from this clone, so its source "
            "cannot be tracked. Run in the clone: pip install -e ."
        )
    file = root / stages.PARAMS
    params = read_params(file)
    return Project(root, params, load_yaml(file.read_text(encoding="utf-8")), discover())


def read_index(root: Path) -> dict[str, Any]:
    """results/records.json. Raises MissingError where no run has written one."""
    try:
        index = json.loads((root / "results" / "records.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingError("results/records.json is missing or damaged. Run: dvc repro") from error
    if not isinstance(index, dict) or index.get("schema") != 1:
        raise MissingError("results/records.json is of another version. Run: dvc repro")
    return index
