"""Results of pytest-benchmark as a profile, so that the same report and comparison serve both.

python -m bench.profile.benchmarks FROM.json TO.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.contract import TEXTBOOK
from bench.errors import BenchError, UsageError
from bench.profile import rows as files
from bench.profile.rows import Profile, Row, Spread, Versus
from bench.records import Environment
from bench.timing import summarise


def read(file: Path) -> Profile:
    """A profile from a file of `bench profile` or of pytest-benchmark.

    Raises UsageError where there is none, BenchError where it is neither.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return files.read(file)  # which says what is wrong
    if not isinstance(data, dict) or "benchmarks" not in data:
        return files.read(file)
    try:
        return collated(data)
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(
            f"{file} is no result of this project's benchmarks. Write one: make benchmark"
        ) from error


def collated(data: dict[str, Any]) -> Profile:
    """The benchmarks of one run that have a ratio to a baseline."""
    environment = Environment.model_validate(data["machine_info"]["bench"])
    rows = [_row(b) for b in data["benchmarks"] if "ratio" in b["extra_info"]]
    return Profile(
        started=data["datetime"],
        seconds=sum(b["stats"]["total"] for b in data["benchmarks"]),
        device=environment.device,
        threads=environment.threads,
        environment=environment,
        rows=rows,
    )


def _row(benchmark: dict[str, Any]) -> Row:
    info = benchmark["extra_info"]
    low, high = info["ratio_interval"] or (None, None)
    times = Spread.of(summarise(benchmark["stats"]["data"]))
    name = benchmark["param"] or benchmark["name"]
    return Row(
        kernel=f"{benchmark['group']}: {name}",
        implementation="in-house",
        mode=info.get("mode", "eager"),
        way="forward",
        dim=info["dim"],
        batch=info["batch"],
        dtype="float32",
        reason=f"over {info.get('baseline', TEXTBOOK)}",
        wall_us=times,
        device_us=times,
        ratio=Versus(
            value=info["ratio"],
            low=low,
            high=high,
            n=info["ratio_pairs"],
            verdict=info["verdict"],
        ),
    )


def main(arguments: list[str]) -> int:
    """Convert a file; returns the exit code."""
    if len(arguments) != 2:
        raise UsageError("name two files: python -m bench.profile.benchmarks FROM.json TO.json")
    files.write(read(Path(arguments[0])), Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
