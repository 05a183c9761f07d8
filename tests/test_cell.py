"""A cell end to end on small data: record, resumption, faults, and what belongs to what."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from bench import cell, paths, records
from bench.cellspec import CellSpec
from bench.preparing import prepare
from bench.registry import discover, read
from bench.settings import Budget, DatasetPlan, Evaluation, Sizes, Suite

SIZES = Sizes(train=400, valid=100, test=300)
EVALUATION = Evaluation(check_points=400, time_seconds=0.01, bound_samples=8)


def spec(dataset: str, model: str, *, seeds: int = 1, steps: int = 8, **changes) -> CellSpec:
    registry = discover()
    data, entry = registry.dataset(dataset), registry.model(model)
    native = data.kind in entry.accepts
    suite = Suite(datasets={dataset: DatasetPlan()}, seeds=seeds, sizes=SIZES, evaluate=EVALUATION)
    space = "levels" if native and data.kind != "continuous" else "marginals"
    return CellSpec(
        dataset=data,
        model=entry,
        suite_name="test",
        suite=suite,
        budget=Budget(steps=steps, batch=64, validations=4),
        settings=entry.settings,
        space="standard" if data.kind == "continuous" else space,
        kind=data.kind if native else "continuous",
        training_digest="one",
        **changes,
    )


def with_model(source: str, folder: Path, dataset: str = "checkerboard") -> CellSpec:
    """A cell of a plugin written on the spot."""
    file = folder / "plugin.py"
    file.write_text(source)
    base = spec(dataset, "gaussian")
    (entry,) = read(file)
    return CellSpec(**{**vars(base), "model": entry, "settings": entry.settings})


PAIRS = {
    "1-D truth": ("claw", "histogram"),
    "flow": ("rings", "nsf-coupling"),
    "nflows": ("checkerboard", "realnvp-nflows"),
    "scikit-learn": ("eight-gaussians", "gmm-sklearn"),
    "dequantized": ("digits", "gaussian"),
    "levels": ("digits", "chow-liu"),
    "binary": ("binarized-digits", "made"),
    "bound": ("binarized-digits", "vae"),
    "tabular": ("breast-cancer", "gaussian-diagonal"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_every_kind_of_cell_ends_with_a_complete_record(name: str, tmp_path: Path) -> None:
    dataset, model = PAIRS[name]
    results = tmp_path / "results"
    record = cell.run_cell(spec(dataset, model, seeds=2), tmp_path, results)
    assert record.status == "ok", record.reason
    assert records.read(records.record_path(results, dataset, model)) == record
    cost = records.read_cost(records.cost_path(results, dataset, model))
    assert cost.cost.log_prob_us.p50 > 0
    assert cost.environment.threads == 1
    assert sum(c.verdict == "pass" for c in record.checks) >= 3
    discrete = discover().dataset(dataset).kind != "continuous"
    assert (record.score.bits_per_dim is not None) is discrete
    arrays = numpy.load(paths.artifact_path(results, dataset, model))
    assert arrays["test_log_prob"].mean() == pytest.approx(record.score.nats.mean)
    assert arrays["test_log_prob"].shape[0] == len(record.seeds)
    assert paths.checkpoint_path(results, dataset, model).is_file()
    assert paths.curve_path(results, dataset, model).read_text().startswith("seed,step,")


def test_a_dequantized_density_is_a_bound_with_its_draws_in_the_key() -> None:
    record = cell.execute(spec("digits", "realnvp"), None).record
    assert record.cell.likelihood == "lower-bound"
    assert record.score.dequantization == "uniform"
    assert record.score.noise_draws == EVALUATION.noise_draws
    assert record.score.box_bits_per_dim is None


def test_a_gaussian_on_levels_needs_no_draws_and_has_exact_masses_beside_its_bound() -> None:
    score = cell.execute(spec("digits", "gaussian-diagonal"), None).record.score
    assert (score.dequantization, score.noise_draws) == ("uniform", None)
    assert score.box_bits_per_dim.mean < score.bits_per_dim.mean


def test_a_model_without_randomness_runs_one_seed() -> None:
    assert len(cell.execute(spec("claw", "gaussian", seeds=3), None).record.seeds) == 1
    record = cell.execute(spec("checkerboard", "maf", seeds=2), None).record
    assert len(record.seeds) == 2
    assert record.score.nats.se_seeds > 0


def test_two_runs_and_a_run_from_the_store_give_the_same_record(tmp_path: Path) -> None:
    one = spec("checkerboard", "maf")
    first = cell.run_cell(one, tmp_path / "a", tmp_path / "a" / "results")
    again = cell.run_cell(one, tmp_path / "b", tmp_path / "b" / "results")
    stored = cell.run_cell(one, tmp_path / "a", tmp_path / "a" / "results")
    assert first == again == stored


def test_a_killed_cell_resumes_to_the_same_record(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(event: dict) -> None:
        if event.get("seed") == 1 and event.get("step", 0) >= 4:
            raise Killed

    one = spec("checkerboard", "nsf-coupling", seeds=2)
    whole = cell.run_cell(one, tmp_path / "a", tmp_path / "a" / "results")
    with pytest.raises(Killed):
        cell.run_cell(one, tmp_path / "b", tmp_path / "b" / "results", die)
    assert list((tmp_path / "b" / ".bench" / "partial").glob("*.pt"))
    assert cell.run_cell(one, tmp_path / "b", tmp_path / "b" / "results") == whole
    assert not list((tmp_path / "b" / ".bench" / "partial").glob("*.pt"))


def test_the_store_is_addressed_by_all_that_training_read(tmp_path: Path) -> None:
    base = spec("checkerboard", "maf")
    data = prepare(base)
    other = {
        "source": CellSpec(**{**vars(base), "training_digest": "two"}),
        "budget": CellSpec(**{**vars(base), "budget": Budget(steps=9)}),
        "settings": CellSpec(**{**vars(base), "settings": {"hidden": 3}}),
    }
    inputs = cell._training_inputs(base, data, 0)
    for name, changed in other.items():
        assert cell._training_inputs(changed, data, 0) != inputs, name
    assert cell._training_inputs(base, data, 1) != inputs
    evaluation = base.suite.model_copy(update={"evaluate": Evaluation(batch=99)})
    assert cell._training_inputs(CellSpec(**{**vars(base), "suite": evaluation}), data, 0) == inputs


HEAD = "import math\nimport torch\nfrom bench import model\n"
OBJECT = HEAD + "class M:\n    def log_prob(self, x):\n        return {}\n"
BUILD = "@model('bad')\ndef build(data):\n    return M()\n"
FAULTS = {
    "raises on import": ("raise ValueError('boom')\n" + HEAD + BUILD, "error", "raised on import"),
    "raises in build": (
        HEAD + "@model('bad')\ndef build(data):\n    raise KeyError('x')\n",
        "error",
        "build raised KeyError",
    ),
    "wrong shape": (OBJECT.format("x") + BUILD, "error", "expected shape"),
    "nan": (OBJECT.format("x.sum(1) * math.nan") + BUILD, "error", "NaN"),
    "zero density": (
        OBJECT.format("torch.where(x[:, 0] > 1, -math.inf, 0.0)") + BUILD,
        "diverged",
        "infinite at",
    ),
    "missing package": (
        HEAD + BUILD.replace("'bad'", "'bad', requires=['no-such-package']"),
        "missing",
        "pip install",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_plugin_becomes_a_row_with_its_reason(name: str, tmp_path: Path) -> None:
    source, status, words = FAULTS[name]
    broken = with_model(source, tmp_path)
    record = cell.run_cell(broken, tmp_path, tmp_path / "results")
    assert record.status == status
    assert words in record.reason
    assert "\n" not in record.reason
    stored = json.loads((tmp_path / "results/records/checkerboard/bad.json").read_text())
    assert stored["status"] == status


def test_debug_lets_the_traceback_through(tmp_path: Path) -> None:
    source, _, words = FAULTS["raises in build"]
    with pytest.raises(Exception, match=words):
        cell.run_cell(with_model(source, tmp_path), tmp_path, tmp_path / "results", debug=True)


def test_a_gpu_suite_without_a_gpu_is_missing(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    one = spec("claw", "gaussian")
    cuda = CellSpec(**{**vars(one), "suite": one.suite.model_copy(update={"device": "cuda"})})
    record = cell.run_cell(cuda, tmp_path, tmp_path / "results")
    assert record.status == "missing"
    assert "--device cpu" in record.reason
