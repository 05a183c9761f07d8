"""Results of pytest-benchmark as a profile, so that the same report and comparison serve both.

python -m bench.profile.benchmarks FROM.json TO.json

writes the small form, and a table beside it: TO.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.atomic import write_text
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


def as_markdown(profile: Profile) -> str:
    """A table of the ratios; slower than the baseline is below 1."""
    head = ("what", "D x batch", "mode", "p50, us", "times faster", "95 %", "")
    lines = [
        "# Benchmarks",
        "",
        f"{len(profile.rows)} rows of `make benchmark` on {profile.environment.cpu}, "
        f"{profile.threads} thread(s), torch {profile.environment.torch}, {profile.started[:10]}. "
        "Ratios are interleaved; wall time.",
        "",
        f"| {' | '.join(head)} |",
        "|---|---|---|---:|---:|---|---|",
    ]
    for row in profile.rows:
        assert row.ratio is not None
        assert row.wall_us is not None
        between = "" if row.ratio.low is None else f"{row.ratio.low:.3g} to {row.ratio.high:.3g}"
        cells = (
            row.kernel,
            f"{row.dim} x {row.batch}",
            row.mode,
            f"{row.wall_us.p50:.3g}",
            f"{row.ratio.value:.3g}",
            between,
            row.reason or "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Convert a file; returns the exit code."""
    if len(arguments) != 2:
        raise UsageError("name two files: python -m bench.profile.benchmarks FROM.json TO.json")
    profile, file = read(Path(arguments[0])), Path(arguments[1])
    files.write(profile, file)
    write_text(file.with_suffix(".md"), as_markdown(profile))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
