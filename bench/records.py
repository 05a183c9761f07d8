"""The record of a cell: schema, reading, writing.

Two files per cell, so that `git diff results/` means something: `<model>.json` holds what the
same code on the same kind of machine reproduces to the bit (scores, checks, digests),
`<model>.cost.json` what no run repeats (times, memory, environment, date). Units are in the field
names or docstrings.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.atomic import write_text
from bench.errors import BenchError, UsageError

SCHEMA = 1
STATUSES = ("ok", "failed-check", "error", "timeout", "diverged", "missing")
Status = Literal["ok", "failed-check", "error", "timeout", "diverged", "missing"]
Verdict = Literal["pass", "fail", "inconclusive", "n/a", "error"]


class DamagedRecord(BenchError):
    """A record file that cannot be read as one."""


class Part(BaseModel):
    """Base of all parts of a record: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class CellKey(Part):
    """Which pair this is, and what its row is keyed by."""

    dataset: str
    model: str
    suite: str
    implementation: str = "in-house"
    twin: str | None = None
    family: str | None = None
    likelihood: str = "exact"
    settings: dict[str, Any] = {}


class Estimate(Part):
    """A mean with its two standard errors, which are never added."""

    mean: float | None
    se_test: float | None = None  #: over test points
    se_seeds: float | None = None  #: over seeds; None with one seed or a model without randomness


class Gap(Part):
    """Paired mean of log p* - log q over the test points, nats: an estimate of KL(p*||q)."""

    mean: float | None
    se: float | None


class Score(Part):
    """Test score of the row, mean over seeds. Higher nats are better, lower bits are better."""

    nats: Estimate  #: log-likelihood per point, in the data's own units
    bits_per_dim: Estimate | None = None  #: discrete and binary data only
    train_nats: float | None = None  #: the same on (up to as many) training points
    worst_nats: float | None = None  #: lowest test point, mean over seeds
    space: str = "standard"  #: the model's space (bench.spaces)
    dequantization: str | None = None  #: of discrete data that a continuous model met
    noise_draws: int | None = None  #: None: the expectation over the noise is exact
    #: of the levels' own probabilities, integrated over the box of each, where the model can
    box_bits_per_dim: Estimate | None = None
    bound_samples: int | None = None
    truth_nats: float | None = None  #: minus the entropy of a known truth: the best mean score
    gap_nats: Gap | None = None


class SeedScore(Part):
    """One seed's run."""

    seed: int
    nats: float | None
    bits_per_dim: float | None = None
    valid_nats: float | None = None
    steps: int = 0  #: training steps taken
    kept_step: int | None = None  #: the validation whose weights were kept


class Check(Part):
    """One check's outcome. `error`: the check raised, and says nothing of the model."""

    name: str = ""
    verdict: Verdict
    statistic: float | None = None
    threshold: float | None = None
    n: int = 0
    detail: str = ""


class Digests(Part):
    """sha256 of what made the record."""

    data: str = ""  #: of the processed arrays
    source: str = ""  #: of all source that training read
    settings: str = ""


class Record(Part):
    """The reproducible part: `results/records/<dataset>/<model>.json`."""

    schema_version: int = SCHEMA
    cell: CellKey
    status: Status
    reason: str | None = None
    seeds: list[SeedScore] = []
    score: Score | None = None
    checks: list[Check] = []
    digests: Digests = Digests()
    curve: str | None = None  #: path of the training curve, relative to the clone's root
    reproducible: bool = True  #: False under a wall limit or on a device without fixed order


class Times(Part):
    """Quantiles of a repeated measurement, microseconds per sample unless the field says else."""

    p20: float
    p50: float
    p80: float
    n: int
    noisy: bool = False


class Converted(Part):
    """Speed of the in-house flow of equal weights over the reference, interleaved; > 1: faster."""

    log_prob_ratio: float | None = None
    log_prob_interval: tuple[float, float] | None = None  #: 95 %
    sample_ratio: float | None = None
    sample_interval: tuple[float, float] | None = None


class Throughput(Part):
    """Samples per second at one batch size."""

    batch: int
    samples_per_second: float


class Cost(Part):
    """What the model costs. Times per sample at `batch` points, one thread on CPU."""

    parameters: int | None = None
    train_seconds: float | None = None  #: mean over seeds
    train_steps: int | None = None
    log_prob_us: Times | None = None
    sample_us: Times | None = None
    samples_per_second: float | None = None  #: best of `sampling`
    sampling: list[Throughput] = []  #: batch 1, the suite's batch, the largest of a short ladder
    density: list[Throughput] = []
    batch: int | None = None
    transform_us: Times | None = None  #: data to noise, with the log-determinant
    map_us: Times | None = None  #: the same map without it, where it can be left out
    logdet_method: Literal["map", "tape"] | None = None  #: how it was left out (docs/costs.md)
    logdet_us: float | None = None  #: median of their paired differences, at least 0
    logdet_share: float | None = None  #: the same as a share of log_prob, 0 to 1
    logdet_speedup: float | None = None  #: over the slogdet of the autograd Jacobian
    logdet_error: float | None = None  #: largest absolute error against it in float64, nats
    peak_bytes: int | None = None
    path: str | None = None  #: eager, compiled, fused, triton
    converted: Converted | None = None


class Environment(Part):
    """The machine and the software of a measurement."""

    torch: str = ""
    cuda: str | None = None
    device: str = ""
    cpu: str = ""
    cores: int = 0
    threads: int = 1
    python: str = ""
    packages: dict[str, str] = {}
    platform: str = ""
    cpu_capability: str = ""
    commit: str | None = None
    dirty: bool | None = None


class CostRecord(Part):
    """The part no run repeats: `<model>.cost.json`."""

    schema_version: int = SCHEMA
    cost: Cost = Cost()
    environment: Environment = Environment()
    wall_seconds: float | None = None  #: whole cell, start of the process included
    finished: str | None = None  #: ISO 8601, UTC


def record_path(results: Path, dataset: str, model: str) -> Path:
    """`<results>/records/<dataset>/<model>.json`."""
    return results / "records" / dataset / f"{model}.json"


def cost_path(results: Path, dataset: str, model: str) -> Path:
    """`<results>/records/<dataset>/<model>.cost.json`."""
    return results / "records" / dataset / f"{model}.cost.json"


def write(file: Path, part: Record | CostRecord) -> None:
    """Write one part atomically, with sorted keys and a final newline; NaN is written as null."""
    data = finite(part.model_dump(mode="json"))
    write_text(file, json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """JSON data with null for every NaN and infinity, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return [finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def read(file: Path) -> Record:
    """Read a record.

    Raises DamagedRecord, UsageError for one of a newer schema, FileNotFoundError for none.
    """
    return _read(file, Record)


def read_cost(file: Path) -> CostRecord:
    """Read a cost record; an absent file gives an empty one."""
    return _read(file, CostRecord) if file.exists() else CostRecord()


def _read(file: Path, kind: Any) -> Any:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = data.get("schema_version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > SCHEMA:
            raise UsageError(
                f"{file} has schema {version}, this version reads up to {SCHEMA}. Update the "
                "package, or delete the file and run: dvc repro"
            )
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise _damaged(file, str(error).splitlines()[0]) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(file, error.strerror or str(error)) from error


def _damaged(file: Path, why: str) -> DamagedRecord:
    return DamagedRecord(f"{file} is damaged ({why}). Delete it and run: dvc repro")
