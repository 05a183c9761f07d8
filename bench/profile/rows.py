"""The profile's schema: one row per kernel, implementation, mode, pass and size.

Times are microseconds per call; `device` is the time of the device: CUDA events on a GPU, the
process's CPU time on a CPU, where other processes then do not count. `wall` stands beside it.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.atomic import write_text
from bench.errors import BenchError, UsageError
from bench.records import Environment
from bench.timing import Timing, Verdict

SCHEMA = 1
WAYS = ("forward", "inverse", "backward")  #: backward: forward, then gradients of everything
Way = Literal["forward", "inverse", "backward"]
Status = Literal["ok", "wrong", "missing", "error"]
BRUTE = "brute-force"  #: slogdet of the definition's autograd Jacobian, as an implementation
NO_INVERSE = "has no inverse"  #: why a row is missing that nobody misses
DIGITS = 5  #: significant, of every number in a file


class Part(BaseModel):
    """Base: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Spread(Part):
    """Quantiles over blocks of calls, microseconds per call."""

    p20: float
    p50: float
    p80: float
    n: int  #: blocks
    noisy: bool = False  #: few blocks, or p20 to p80 wider than a quarter of p50

    @staticmethod
    def of(timing: Timing) -> Spread:
        """From seconds per call."""
        p20, p50, p80 = (1e6 * p for p in (timing.p20, timing.p50, timing.p80))
        return Spread(p20=p20, p50=p50, p80=p80, n=timing.n, noisy=timing.noisy)


class Versus(Part):
    """How many times faster the row is than another one, from interleaved pairs of device times."""

    value: float
    low: float | None = None  #: 95 % interval; None with too few pairs
    high: float | None = None
    n: int
    verdict: Verdict


class Errors(Part):
    """Largest |found - float64| / (1 + |float64|); of an inverse, the error of going back."""

    value: float
    logdet: float
    gradient: float | None = None


class Row(Part):
    """One implementation of a kernel at one size. A wrong one has errors and no time."""

    kernel: str
    implementation: str
    mode: str
    way: Way
    dim: int
    batch: int
    dtype: str
    status: Status = "ok"
    reason: str | None = None
    baseline: bool = False
    control: bool = False  #: the baseline once more: its ratio should be 1
    error: Errors | None = None
    error_reference: Errors | None = None  #: of the definition in this dtype
    error_double: Errors | None = None  #: in float64, of a part of the batch
    device_us: Spread | None = None
    wall_us: Spread | None = None
    ratio: Versus | None = None  #: over the baseline
    brute: Versus | None = None  #: over slogdet of the definition's autograd Jacobian
    map_us: float | None = None  #: the value without its log-determinant, median
    logdet_added: float | None = None  #: what the log-determinant adds to that: 0.5 is half
    operations: int | None = None  #: dispatched, views and allocations left out; of a GPU launches
    synchronisations: int | None = None
    moved_bytes: float | None = None  #: by the dispatched operations, without credit for caches
    must_bytes: float | None = None
    must_flops: float | None = None
    floor_us: float | None = None  #: what the machine's measured ceilings allow
    floor_by: Literal["bytes", "flops", "launch"] | None = None
    share: float | None = None  #: floor over device time
    cached: bool | None = None  #: the tensors fit a cache: the floor by bytes can be beaten
    peak_bytes: int | None = None
    compile_seconds: float | None = None
    source: str | None = None  #: digest of the implementation's file

    @property
    def key(self) -> tuple[str, str, str, str, int, int, str]:
        """What identifies the row in another profile."""
        return (
            self.kernel,
            self.implementation,
            self.mode,
            self.way,
            self.dim,
            self.batch,
            self.dtype,
        )


class Fit(Part):
    """Time ~ size^exponent, by least squares of the logarithms with its 95 % interval."""

    kernel: str
    implementation: str
    mode: str
    way: Way
    over: Literal["dim", "batch"]
    at: int  #: the other size
    dtype: str
    sizes: list[int]
    exponent: float
    low: float
    high: float
    last: float  #: between the two largest sizes, where launches weigh least


class Ceilings(Part):
    """What this machine reached in this run."""

    bytes_per_second: float  #: copy of a large tensor, read and written
    flops_per_second: float  #: matrix product, of the profile's first dtype
    launch_us: float  #: the smallest operation, one number
    cache_bytes: int  #: below this working set data may stay in a cache


class Profile(Part):
    """One run of `bench profile`."""

    schema_version: int = SCHEMA
    started: str  #: ISO 8601, UTC
    seconds: float
    device: str
    threads: int
    environment: Environment
    ceilings: Ceilings | None = None  #: not measured by pytest-benchmark
    #: by this factor the intervals were widened, so that 95 % of the A/A controls' hold 1
    widened: float = 1.0
    rows: list[Row]
    fits: list[Fit] = []

    def by_key(self) -> dict[tuple[str, str, str, str, int, int, str], Row]:
        """The rows that are no control, by what identifies them."""
        return {row.key: row for row in self.rows if not row.control}


def read(file: Path) -> Profile:
    """A profile from its JSON file. Raises UsageError where there is none, BenchError else."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}. Write one: bench profile --json {file}"
        ) from error
    try:
        data = json.loads(text)
        if data.get("schema_version") != SCHEMA:
            raise UsageError(
                f"{file} is a profile of schema {data.get('schema_version')}, and this version "
                f"reads {SCHEMA}. Write it anew: bench profile --json {file}"
            )
        return Profile.model_validate(data)
    except (ValueError, AttributeError, ValidationError) as error:
        raise BenchError(f"{file} is no profile. Write one: bench profile --json {file}") from error


def as_json(profile: Profile) -> str:
    """One row per line; what is absent or default is left out."""
    data = rounded(profile.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
    data["schema_version"] = SCHEMA
    head = {k: v for k, v in data.items() if k not in ("rows", "fits")}
    text = json.dumps(head, allow_nan=False)[:-1]
    for name in ("rows", "fits"):
        lines = ",\n".join(json.dumps(r, allow_nan=False) for r in data.get(name, []))
        text += f',\n"{name}": [\n{lines}\n]'
    return text + "\n}\n"


def write(profile: Profile, file: Path) -> None:
    """Write the JSON file, atomically."""
    write_text(file, as_json(profile))


def as_csv(profile: Profile) -> str:
    """Tidy: one line per row, nested fields as `device_us_p50`."""
    flat = [_flat(rounded(row.model_dump(mode="json"))) for row in profile.rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()


def rounded(value: Any) -> Any:
    """Numbers to DIGITS significant digits, and what is not finite to None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """Nested fields, of whichever row has them, under joined names."""
    out: dict[str, Any] = {}
    for name, value in data.items():
        annotation = NESTED.get(name)
        if annotation is None:
            out[name] = value
            continue
        for inner in annotation.model_fields:
            out[f"{name}_{inner}"] = None if value is None else value.get(inner)
    return out


NESTED: dict[str, type[Part]] = {
    "error": Errors,
    "error_reference": Errors,
    "error_double": Errors,
    "device_us": Spread,
    "wall_us": Spread,
    "ratio": Versus,
    "brute": Versus,
}
