"""Which cells DVC would run, found without DVC: the comparison of `dvc status`, made in one pass.

Each file is hashed once, however many cells depend on it. DVC ignores entries of the lock that
the stage no longer lists, and so does this.
"""

from __future__ import annotations

import hashlib
import json
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from bench.pipeline.stages import PARAMS, Stage
from bench.yaml12 import load_yaml

ABSENT = object()


class Workspace:
    """A clone's files and params.yaml as they are now."""

    def __init__(self, root: Path, params: dict[str, Any]) -> None:
        self.root = root
        self.params = params
        self._hashes: dict[str, str | None] = {}
        self._locks: dict[str, dict[str, Any]] = {}

    def stale(self, stages: list[Stage]) -> list[Stage]:
        """The stages that `dvc repro` would run or restore."""
        return [s for s in stages if not self.fresh(s)]

    def fresh(self, stage: Stage) -> bool:
        """The lock's command, dependencies, parameters and outputs are those of the workspace."""
        entry = self._lock(stage.file).get(stage.key)
        if not isinstance(entry, dict) or entry.get("cmd") != stage.cmd:
            return False
        values = (entry.get("params") or {}).get(PARAMS) or {}
        return (
            all(values.get(k, ABSENT) == self.value(k) for k in stage.params)
            and self._same(stage.deps, entry.get("deps"))
            and self._same(stage.outs, entry.get("outs"))
        )

    def inputs(self, stage: Stage) -> dict[str, Any]:
        """Everything the stage reads: hashes by path and parameters by key."""
        return {
            **{path: self.md5(path) for path in stage.deps},
            **{f"{PARAMS}:{key}": self.value(key) for key in stage.params},
        }

    def value(self, key: str) -> Any:
        """The value of a dotted key of params.yaml, or ABSENT."""

        def step(held: Any, part: str) -> Any:
            return held.get(part, ABSENT) if isinstance(held, dict) else ABSENT

        return reduce(step, key.split("."), self.params)

    def md5(self, path: str) -> str | None:
        """Content hash of a file or folder as DVC computes it; None where there is none."""
        if path not in self._hashes:
            place = self.root / path
            self._hashes[path] = self._tree(place, path) if place.is_dir() else _hash(place)
        return self._hashes[path]

    def _tree(self, folder: Path, path: str) -> str:
        """DVC's hash of a folder: of the list of its files; __pycache__ is in .dvcignore."""
        names = sorted(
            f.relative_to(folder).as_posix()
            for f in folder.rglob("*")
            if f.is_file() and "__pycache__" not in f.parts
        )
        listed = [{"md5": self.md5(f"{path}/{name}"), "relpath": name} for name in names]
        text = json.dumps(listed, sort_keys=True)
        return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"

    def _same(self, files: tuple[str, ...], entries: list[dict[str, Any]] | None) -> bool:
        locked = {e.get("path"): e.get("md5") for e in entries or []}
        return all((md5 := self.md5(f)) is not None and md5 == locked.get(f) for f in files)

    def _lock(self, file: str) -> dict[str, Any]:
        if file not in self._locks:
            lock = self.root / Path(file).with_suffix(".lock")
            try:
                held = load_yaml(lock.read_text(encoding="utf-8"))
            except (OSError, yaml.YAMLError):
                held = None
            stages = held.get("stages") if isinstance(held, dict) else None
            self._locks[file] = stages if isinstance(stages, dict) else {}
        return self._locks[file]


def _hash(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, _md5).hexdigest()
    except OSError:
        return None


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)
