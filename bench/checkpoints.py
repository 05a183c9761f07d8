"""Content-addressed checkpoints: found again exactly when nothing that training read has changed.

They live in `.bench/` of the clone, outside DVC's outs, which DVC deletes before a stage runs. The
address is the fingerprint of source closure, settings, budget, data digest, seed and versions.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError


def fingerprint(parts: dict[str, Any]) -> str:
    """sha256 of everything a training read, as hexadecimal."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def trained_path(root: Path, key: str) -> Path:
    """Where a finished training of this fingerprint lies."""
    return root / ".bench" / "trained" / f"{key}.pt"


def partial_path(root: Path, key: str) -> Path:
    """Where an unfinished one lies."""
    return root / ".bench" / "partial" / f"{key}.pt"


def save_state(file: Path, state: Any) -> None:
    """torch.save in one atomic step. Raises BenchError on a full disk; the old file stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            torch.save(state, stream)
        os.replace(temporary, file)
    except (OSError, RuntimeError) as error:
        Path(temporary).unlink(missing_ok=True)
        raise BenchError(
            f"checkpoint {file} could not be written: {error}. Free disk space and run again; "
            "training resumes from the last checkpoint"
        ) from error


def load_state(file: Path) -> Any:
    """torch.load of a file that this program wrote itself. A damaged one is an error."""
    try:
        return torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:
        raise BenchError(
            f"checkpoint {file} is damaged ({type(error).__name__}). Delete it and run again"
        ) from error
