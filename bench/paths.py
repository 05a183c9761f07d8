"""Where things lie: the clone's root, and the folders below it."""

from __future__ import annotations

from pathlib import Path

from bench.errors import MissingError


def find_root(start: Path | None = None) -> Path | None:
    """The nearest folder at or above `start` (default: the current one) that holds a clone."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    return None


def root() -> Path:
    """The clone's root. Raises MissingError outside a clone."""
    found = find_root()
    if found is None:
        raise MissingError(
            "this folder is not inside a clone of the benchmark (no params.yaml and dvc.yaml at or "
            "above it). Change into the clone, or git clone it first"
        )
    return found


def _outputs(results: Path) -> Path:
    """Folder of what DVC caches: the clone for `results/`, the suite's own folder elsewhere."""
    return results.parent if results.name == "results" else results


def checkpoint_path(results: Path, dataset: str, model: str) -> Path:
    """Trained weights of all seeds, a cached out of DVC."""
    return _outputs(results) / "checkpoints" / dataset / f"{model}.pt"


def artifact_path(results: Path, dataset: str, model: str) -> Path:
    """Per-point scores, samples and density grids for tables and pictures, a cached out of DVC."""
    return _outputs(results) / "artifacts" / dataset / f"{model}.npz"


def curve_path(results: Path, dataset: str, model: str) -> Path:
    """Training curve, CSV: seed, step, train_nats, valid_nats, kept."""
    return results / "curves" / dataset / f"{model}.csv"
