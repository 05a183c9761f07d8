"""What params.yaml may say, as validated types. Imports no torch, so that planning is fast."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bench.errors import MissingError, UsageError, did_you_mean
from bench.yaml12 import load_yaml

SPACES = ("marginals", "logit", "uniform")  #: of a continuous model on discrete data
VARIATIONAL = "variational"  #: the same, the noise drawn by a trained flow (bench.dequantization)
CONTINUOUS_SPACES = ("standard", "stretched")  #: on continuous data


def space_parts(space: str) -> tuple[str, float | None]:
    """Name and alpha of a space: "logit:1e-6" -> ("logit", 1e-6). UsageError for a wrong alpha."""
    name, colon, text = space.partition(":")
    if not colon:
        return name, None
    try:
        alpha = float(text)
    except ValueError:
        alpha = math.nan
    if name != "logit" or not 0 < alpha < 0.5:
        raise UsageError(
            f"space '{space}': only logit takes a number after the colon, between 0 and .5, such "
            "as logit:1e-6"
        )
    return name, alpha


class Strict(BaseModel):
    """Unknown keys are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(Strict):
    """One training recipe for every model: maximum likelihood by Adam (docs/suites.md)."""

    steps: int = Field(500, ge=1)
    batch: int = Field(256, ge=1)
    lr: float = Field(5e-3, gt=0)
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps")
    final_lr: float = Field(0.01, ge=0, le=1, description="share of lr at the end of the cosine")
    clip: float | None = Field(5.0, gt=0, description="largest gradient norm")
    weight_decay: float = Field(0.0, ge=0, description="decoupled (AdamW)")
    beta2: float = Field(0.999, gt=0, lt=1, description="decay of the squared gradients' average")
    ema: float | None = Field(None, gt=0, lt=1, description="decay of averaged weights")
    validations: int = Field(8, ge=1, description="evenly spaced; the best one is kept")
    patience: int | None = Field(None, ge=1, description="validations without gain before the end")
    seconds: float | None = Field(None, gt=0, description="wall limit: not reproducible")


class Evaluation(Strict):
    """How a trained model is scored, checked and timed."""

    batch: int = Field(500, ge=1, description="points per call of log_prob; fixed, it moves bits")
    noise_draws: int = Field(2, ge=1, description="dequantization draws per test point")
    bound_samples: int = Field(64, ge=1, description="K of lower bounds")
    check_points: int = Field(4000, ge=100)
    time_batch: int = Field(256, ge=1)
    time_seconds: float = Field(0.15, gt=0, description="per timed quantity")


class Sizes(Strict):
    """Points drawn from a known truth."""

    train: int = Field(10_000, ge=2)
    valid: int = Field(2_000, ge=2)
    test: int = Field(10_000, ge=2)


#: a bare `claw:` in YAML, with nothing after the colon, is an entry without exceptions
Bare = BeforeValidator(lambda value: {} if value is None else value)


class DatasetPlan(Strict):
    """A suite's exceptions for one data set."""

    train: dict[str, Any] = {}  #: overrides of Budget
    settings: dict[str, Any] = {}  #: of every model that has a setting of that name
    space: str | None = None  #: of continuous models: one of SPACES or CONTINUOUS_SPACES


class Suite(Strict):
    """A named list of data sets and models, and the budget they share."""

    description: str = ""
    device: Literal["cpu", "cuda"] = "cpu"
    datasets: dict[str, Annotated[DatasetPlan, Bare]] = Field(min_length=1)
    models: list[str] = ["*"]  #: globs over model names
    native: bool = False  #: no continuous model on discrete data
    audit: str | None = None  #: suite whose data sets are added for every model (docs/checks.md)
    seeds: int = Field(1, ge=1)
    time_limit: float = Field(600, gt=0, description="seconds per cell, enforced from outside")
    sizes: Sizes = Sizes()
    train: Budget = Budget()
    recipes: dict[str, dict[str, Any]] = {}  #: overrides of the budget by globs of models, in order
    evaluate: Evaluation = Evaluation()


class Params(Strict):
    """params.yaml."""

    suite: str  #: the suite of `dvc repro`
    suites: dict[str, Suite]
    models: dict[
        str, Annotated[dict[str, Any], Bare]
    ] = {}  #: settings by model; `space` is the harness's own


def read_params(file: Path) -> Params:
    """Read and validate params.yaml. Raises UsageError naming each wrong key and its place."""
    if not file.is_file():
        raise MissingError(f"{file} does not exist. Restore it: git checkout -- {file.name}")
    try:
        params = Params.model_validate(load_yaml(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file.name} is no valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise UsageError(f"{file.name} is invalid: {_wrong(error)}. See docs/suites.md") from error
    if params.suite not in params.suites:
        raise UsageError(
            f"{file.name}: no suite '{params.suite}'.{did_you_mean(params.suite, params.suites)} "
            f"It has: {', '.join(params.suites)}"
        )
    for name, suite in params.suites.items():
        if suite.audit is not None and suite.audit not in params.suites:
            raise UsageError(
                f"{file.name}, suites.{name}.audit: no suite '{suite.audit}'."
                f"{did_you_mean(suite.audit, params.suites)}"
            )
        for dataset in suite.datasets:
            for model in ("", *suite.recipes):  # a glob matches itself
                budget_for(suite, dataset, model, f"{file.name}, suites.{name}")
    return params


def budget_for(suite: Suite, dataset: str, model: str = "", where: str = "params.yaml") -> Budget:
    """The suite's budget, over that the data set's overrides, over those the model's recipes.

    Raises UsageError for a wrong override.
    """
    layers = [(f"datasets.{dataset}.train", suite.datasets[dataset].train)]
    layers += [(f"recipes.{g}", r) for g, r in suite.recipes.items() if fnmatchcase(model, g)]
    budget = suite.train.model_dump()
    for place, overrides in layers:
        budget |= overrides
        try:
            Budget.model_validate(budget)
        except ValidationError as error:
            raise UsageError(f"{where}.{place} is invalid: {_wrong(error)}") from error
    return Budget.model_validate(budget)


def _wrong(error: ValidationError) -> str:
    """Each wrong key with its place, what was expected, what came, and the nearest key there is."""
    known = {key for kind in Strict.__subclasses__() for key in kind.model_fields}
    parts = []
    for e in error.errors():
        place = ".".join(map(str, e["loc"])) or "top level"
        if e["type"] == "extra_forbidden":
            parts.append(f"{place}: unknown key.{did_you_mean(str(e['loc'][-1]), known)}")
        elif e["type"] == "missing":
            parts.append(f"{place}: missing")
        else:
            parts.append(f"{place}: {e['msg'][0].lower()}{e['msg'][1:]}, not {e['input']!r:.60}")
    return "; ".join(parts)
