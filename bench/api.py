"""For scripts and notebooks: `load` a data set, `evaluate` a trained object, `compare` results.

The same code as the pipeline's, without a pipeline around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import cell, datasets, records
from bench.adapters import adapt
from bench.cellspec import CellSpec
from bench.contract import Splits
from bench.environment import capture
from bench.errors import UsageError
from bench.fitting import Fitted, probe
from bench.preparing import Prepared, view
from bench.registry import ModelEntry, discover
from bench.settings import Budget, DatasetPlan, Evaluation, Sizes, Suite
from bench.spaces import Space
from bench.training import TrainingResult

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Evaluated", "compare", "evaluate", "load"]


class Evaluated(records.Record):
    """A record with its costs; prints as a table and renders as one in a notebook."""

    cost: records.Cost = records.Cost()
    environment: records.Environment = records.Environment()

    def __str__(self) -> str:
        return str(compare([self]).T.to_string(header=False))

    def _repr_html_(self) -> str:
        return str(compare([self]).T.to_html(header=False))


def load(name: str, sizes: Sizes | None = None) -> Splits:
    """Train, validation and test points of a data set in its own units, each [N, *shape].

    Raises UsageError for an unknown name, MissingError for data that are not on this machine.
    """
    return datasets.load_splits(discover().dataset(name), sizes or Sizes())[0]


def evaluate(
    model: Any,
    dataset: str,
    *,
    name: str = "model",
    likelihood: str = "exact",
    sizes: Sizes | None = None,
    evaluation: Evaluation | None = None,
    seed: int = 0,
) -> Evaluated:
    """Score, check and time a trained object on a data set's test split.

    Args:
        model: anything with `log_prob(x) -> [B]` in nats or that an adapter understands, trained on
            points [N, dim] in the data's own units, as `load` returns them flattened. On discrete
            data a continuous density (`likelihood="exact"`) meets x + u, u uniform on [0, 1). On
            conditional data `log_prob(x, context)`, with contexts as `load` returns them.
        dataset: name of the data set.
        name: the row's name.
        likelihood: kind of its log_prob (bench.contract.LIKELIHOODS).
        sizes: points drawn from a known truth.
        evaluation: batches, dequantization draws, samples of bounds, time per measurement.
        seed: of the evaluation's random numbers.

    Returns:
        The record with its costs; `print` it, or end a notebook cell with it.

    Raises:
        UsageError: unknown data set. PluginError: wrong shapes or NaN.
    """
    spec = _spec(dataset, name, likelihood, sizes or Sizes(), evaluation or Evaluation())
    splits, truth = datasets.load_splits(spec.dataset, spec.suite.sizes)
    levels = spec.dataset.integral and not spec.dequantized
    space = Space(
        "data",
        spec.dataset.shape,
        [],
        levels=spec.dataset.levels,
        noise=spec.dequantized,
        discrete=levels,
    )
    contexts = None
    if spec.dataset.context_dim:
        contexts = Space("data", (spec.dataset.context_dim,), [])
    seen = view(spec, splits, space, contexts)
    data = Prepared(splits, truth, space, seen, datasets.digest(splits), context_space=contexts)
    adapted = adapt(model)
    if adapted.module is not None:
        adapted.module.eval()
    probe(adapted, data.spec, likelihood, data.device)
    fitted = Fitted(adapted, TrainingResult(), random=False)
    subject = cell.make_subject(spec, data, adapted, seed, rebuild=None)
    outcome = cell.judge(spec, data, [subject], [fitted], cell.NO_REPORT)
    fields = dict(outcome.record)
    return Evaluated(**fields, cost=outcome.cost, environment=capture("cpu"))


def _spec(
    dataset: str, name: str, likelihood: str, sizes: Sizes, evaluation: Evaluation
) -> CellSpec:
    from bench.contract import LIKELIHOODS

    if likelihood not in LIKELIHOODS:
        raise UsageError(f"likelihood '{likelihood}': expected one of {', '.join(LIKELIHOODS)}")
    entry = discover().dataset(dataset)
    native = likelihood == "exact-discrete" or not entry.integral
    return CellSpec(
        dataset=entry,
        model=ModelEntry(
            name=name,
            file=Path("notebook"),
            function="",
            likelihood=likelihood,
            conditional=entry.context_dim > 0,
        ),
        suite_name="notebook",
        suite=Suite(datasets={dataset: DatasetPlan()}, sizes=sizes, evaluate=evaluation),
        budget=Budget(),
        settings={},
        space="data",
        kind=entry.kind if native else "continuous",
    )


def compare(results: Iterable[records.Record]) -> DataFrame:
    """One row per record: score with both errors, gap, checks, costs. Best score first."""
    import pandas

    rows = [_row(r) for r in results]
    frame = pandas.DataFrame(rows)
    return frame.sort_values(["dataset", "nats"], ascending=[True, False], ignore_index=True)


def _row(record: records.Record) -> dict[str, Any]:
    score, cost = record.score, getattr(record, "cost", records.Cost())
    verdicts = [c.verdict for c in record.checks]
    row: dict[str, Any] = {
        "dataset": record.cell.dataset,
        "model": record.cell.model,
        "status": record.status,
        "likelihood": record.cell.likelihood,
        "nats": score.nats.mean if score else None,
        "nats_se_test": score.nats.se_test if score else None,
        "bits_per_dim": score.bits_per_dim.mean if score and score.bits_per_dim else None,
        "truth": score.truth_nats if score else None,
        "gap": score.gap_nats.mean if score and score.gap_nats else None,
        "checks_passed": verdicts.count("pass"),
        "checks_failed": verdicts.count("fail"),
        "log_prob_us": cost.log_prob_us.p50 if cost.log_prob_us else None,
        "samples_per_second": cost.samples_per_second,
        "logdet_us": cost.logdet_us,
    }
    return row
