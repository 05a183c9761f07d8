"""The cells as DVC stages: one generated file per model, `pipeline/<model>/dvc.yaml`.

A file's stages are a `foreach` over data sets, so that a cell is addressed as
`pipeline/<model>/dvc.yaml:cell@<data set>`, and another over those of the model's audit,
`audit@<data set>`. Records, cost records and curves are metrics and plots with `cache: false`: in
git, deleted before a run like any output, and still in DVC's run-cache.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from bench import paths, records
from bench.atomic import write_text
from bench.cellspec import CellSpec
from bench.pipeline import closure

HEADER = "# Written by `bench plan` from the plugins and params.yaml: edit those.\n"
PARAMS = "params.yaml"
SUITE_PARTS = ("device", "seeds", "sizes", "train", "evaluate")  # not the time limit, nor the text


@dataclass(frozen=True)
class Stage:
    """One cell as DVC sees it; all paths relative to the clone's root."""

    spec: CellSpec
    cmd: str
    deps: tuple[str, ...]
    params: tuple[str, ...]  #: dotted keys of params.yaml
    outs: tuple[str, ...]

    @property
    def file(self) -> str:
        """The generated file that holds it."""
        return f"pipeline/{self.spec.model.name}/dvc.yaml"

    @property
    def key(self) -> str:
        """Its name in that file and its lock."""
        return f"{_group(self.spec)}@{self.spec.dataset.name}"

    @property
    def address(self) -> str:
        """What `dvc repro` takes."""
        return f"{self.file}:{self.key}"


def by_model(specs: list[CellSpec]) -> dict[str, list[CellSpec]]:
    """Cells grouped by model, names sorted."""
    ordered = sorted(specs, key=lambda s: s.model.name)
    return {name: list(group) for name, group in groupby(ordered, key=lambda s: s.model.name)}


def write(specs: list[CellSpec], params: dict[str, Any], root: Path) -> list[Stage]:
    """Write each model's file where its text differs; return all stages in the cells' order.

    `params` is params.yaml as parsed: only keys that it holds are listed, DVC refuses others.
    """
    stages = []
    for model, cells in by_model(specs).items():
        text, made = render(cells, params, root)
        file = root / "pipeline" / model / "dvc.yaml"
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)
        stages += made
    order = {spec.name: i for i, spec in enumerate(specs)}
    return sorted(stages, key=lambda s: order[s.spec.name])


def render(cells: list[CellSpec], params: dict[str, Any], root: Path) -> tuple[str, list[Stage]]:
    """The text of one model's file, and its stages."""
    written: dict[str, Any] = {}
    stages: list[Stage] = []
    for name in ("cell", "audit"):
        if group := [c for c in cells if _group(c) == name]:
            written[name], made = _foreach(group, params, root)
            stages += made
    text = yaml.safe_dump({"stages": written}, sort_keys=False, width=1000)
    return HEADER + text, stages


def _group(cell: CellSpec) -> str:
    return "audit" if cell.audit else "cell"


def _foreach(
    cells: list[CellSpec], params: dict[str, Any], root: Path
) -> tuple[dict[str, Any], list[Stage]]:
    """One stage per data set, and the same as `Stage`s."""
    model = cells[0].model
    common, own = closure.dependencies(model, [c.dataset for c in cells])
    shared = [closure.relative(f) for f in common]
    files = {name: [closure.relative(f) for f in extra] for name, extra in own.items()}
    slots = ["data" if i == 0 else f"data{i + 1}" for i in range(max(map(len, files.values())))]
    template = _stage("${key}", model.name, root, _params(params, cells[0], "${key}"))
    template["deps"] = [*shared, *(f"${{item.{slot}}}" for slot in slots)]
    each = {
        # a data set of fewer files names its first one again, which DVC takes
        name: {slot: extra[i] if i < len(extra) else extra[0] for i, slot in enumerate(slots)}
        for name, extra in files.items()
    }
    stages = [
        Stage(
            spec=cell,
            cmd=_command(cell.dataset.name, model.name),
            deps=tuple(dict.fromkeys([*shared, *files[cell.dataset.name]])),
            params=tuple(_params(params, cell, cell.dataset.name)),
            outs=tuple(out for out, _, _ in _outs(cell.dataset.name, model.name, root)),
        )
        for cell in cells
    ]
    return {"foreach": each, "do": template}, stages


def remove_vanished(specs: list[CellSpec], root: Path) -> list[str]:
    """Remove files of models and records of cells that are no longer planned; return their names.

    Only generated files, records, cost records and curves are ever removed.
    """
    models = {s.model.name for s in specs}
    cells = {(s.dataset.name, s.model.name) for s in specs}
    removed = []
    for folder in sorted((root / "pipeline").glob("*/")):
        if folder.name not in models and (folder / "dvc.yaml").is_file():
            shutil.rmtree(folder)
            removed.append(folder.name)
    results = root / "results"
    for pattern in ("records/*/*.json", "curves/*/*.csv"):
        for file in sorted(results.glob(pattern)):
            model = file.name.removesuffix(file.suffix).removesuffix(".cost")
            if (file.parent.name, model) not in cells:
                file.unlink()
                if not any(file.parent.iterdir()):
                    file.parent.rmdir()
    return removed


def _command(dataset: str, model: str) -> str:
    return f"python -m bench cell {dataset} {model}"


def _outs(dataset: str, model: str, root: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, kind and flags of all outputs."""
    results = root / "results"
    made: list[tuple[Path, str, dict[str, Any]]] = [
        (paths.checkpoint_path(results, dataset, model), "outs", {"push": False}),
        (paths.artifact_path(results, dataset, model), "outs", {"push": False}),
        (records.record_path(results, dataset, model), "metrics", {"cache": False}),
        (records.cost_path(results, dataset, model), "metrics", {"cache": False}),
        (
            paths.curve_path(results, dataset, model),
            "plots",
            {"cache": False, "x": "step", "y": "valid_nats"},
        ),
    ]
    return [(p.relative_to(root).as_posix(), kind, flags) for p, kind, flags in made]


def _stage(dataset: str, model: str, root: Path, params: list[str]) -> dict[str, Any]:
    stage: dict[str, Any] = {
        "wdir": "../..",
        "cmd": _command(dataset, model),
        "deps": [],
        "params": [{PARAMS: params}],
    }
    for path, kind, flags in _outs(dataset, model, root):
        stage.setdefault(kind, []).append({path: flags})
    return stage


def _params(params: dict[str, Any], cell: CellSpec, dataset: str) -> list[str]:
    """Dotted keys of what the cell reads of params.yaml."""
    suite, model = f"suites.{cell.suite_name}", cell.model.name
    held = params["suites"][cell.suite_name]
    keys = [
        *([] if cell.audit else ["suite"]),
        *(f"{suite}.{part}" for part in SUITE_PARTS if part in held),
    ]
    keys.append(f"{suite}.datasets.{dataset}")
    if model in (params.get("models") or {}):
        keys.append(f"models.{model}")
    return keys
