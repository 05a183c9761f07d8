"""Content-addressed checkpoints: found again exactly when nothing that training read has changed.

They live in `.bench/` of the clone, outside DVC's outs, which DVC deletes before a stage runs. The
address is the fingerprint of source closure, settings, budget, data digest, seed and versions.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from bench.atomic import write_bytes
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
    """torch.save in one step. Raises BenchError on a full disk; the old file stays.

    What cannot be pickled raises AttributeError, TypeError or pickle.PicklingError.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(file, buffer.getvalue())


def load_state(file: Path) -> Any:
    """torch.load of a file that this program wrote itself. A damaged one is an error."""
    try:
        return torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:
        raise BenchError(
            f"checkpoint {file} is damaged ({type(error).__name__}). Delete it and run again"
        ) from error
