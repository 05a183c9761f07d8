"""Writes a file in one step: a killed run leaves the old one or the new one, never half."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bench.errors import BenchError


def write_text(file: Path, text: str) -> None:
    """Replace a file by UTF-8 text in one step. Raises what `write_bytes` raises."""
    write_bytes(file, text.encode())


def write_bytes(file: Path, data: bytes) -> None:
    """Replace a file in one step: a killed run leaves the old file or the new one, never half.

    Raises BenchError where the disk is full or the folder may not be written.
    """
    temporary = file.parent / f".{file.name}.{os.getpid()}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, file)
    except OSError as error:
        raise BenchError(
            f"{file} could not be written: {error.strerror or error}. Free space or correct the "
            "permissions, then run again; what was there before is kept"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
