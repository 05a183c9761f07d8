"""The battery on trained models: it sees planted cheats and wrongs no honest model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

from bench.calibration import document, run, truths
from bench.calibration.bases import mixture_model
from bench.calibration.cases import Case, cases
from bench.calibration.gaussianization import gaussianization_model
from bench.calibration.honest import bounded_histogram
from bench.calibration.small_flows import planar_model, spline_model
from bench.calibration.table import Calibration, summarise, wilson
from bench.checks import battery
from bench.cli import calibrate
from bench.jacobian import brute_force_logdet

CASES = cases()
PLANE = "audit-continuous-2"


#: named cheat -> checks that fail it in the plane, whatever else does
SEEN = {
    "log-det missing": {"quadrature"},
    "bits for nats": {"quadrature", "balance"},
    "standardisation Jacobian forgotten": {"quadrature"},
    "density x 1.05": {"quadrature"},
    "density x .95": {"quadrature"},
    "batch norm in training mode": {"invariance"},
    "sampler at temperature .9": {"balance"},
    "test-batch statistics": {"invariance"},
}


def verdicts(case: Case, seed: int = 0, fast: bool = True) -> dict[str, str]:
    return {c.name: c.verdict for c in battery.run(case.make(seed), fast=fast)}


@pytest.mark.parametrize("name", SEEN)
def test_named_cheats_fail_the_checks_made_for_them(name: str) -> None:
    found = verdicts(CASES[f"{name}, gaussian, {PLANE}"])
    assert {c for c, verdict in found.items() if verdict == "fail"} >= SEEN[name]


HONEST = [c for c in CASES.values() if c.honest]
CHEAP = ("normal", "student t3", "spline of free heights", "bounded histogram", "chow-liu tree")


@pytest.mark.parametrize(
    "case", [c for c in HONEST if c.name in CHEAP and "-64" not in c.truth], ids=lambda c: c.key
)
def test_honest_models_do_not_fail(case: Case) -> None:
    assert [c for c, verdict in verdicts(case, seed=1).items() if verdict == "fail"] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES.values() if c.named], ids=lambda c: c.key)
def test_every_named_cheat_fails(case: Case) -> None:
    assert "fail" in verdicts(case, fast=False).values()


@pytest.mark.slow
@pytest.mark.parametrize("case", HONEST, ids=lambda c: c.key)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_honest_model_passes(case: Case, seed: int) -> None:
    found = verdicts(case, seed, fast=False)
    assert [c for c, verdict in found.items() if verdict in ("fail", "error")] == []


# ------------------------------------------------------------------------------- the models are so


@pytest.mark.parametrize(
    "build", [mixture_model, gaussianization_model, spline_model, planar_model]
)
def test_honest_densities_integrate_to_one(build: truths.Build) -> None:
    """By the midpoints of a plain grid, in the model's space: seven standard deviations."""
    subject = truths.honest_subject(build, PLANE, 0)
    axis = torch.linspace(-7, 7, 501)[:-1] + 7 / 500
    grid = torch.cartesian_prod(axis, axis)
    scale, shift = subject.spec.train.std(0), subject.spec.train.mean(0)
    cell = float(scale.prod()) * (14 / 500) ** 2
    mass = subject.log_prob(shift + scale * grid).exp().sum() * cell
    assert float(mass) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("build", [gaussianization_model, planar_model])
def test_honest_transforms_report_their_jacobian(build: truths.Build) -> None:
    subject = truths.honest_subject(build, PLANE, 0)
    double = subject.double()
    assert double is not None
    reported, exact = brute_force_logdet(double.transform, subject.test[:8].double())
    torch.testing.assert_close(reported, exact, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("build", [mixture_model, gaussianization_model, spline_model])
def test_honest_samplers_have_the_moments_of_what_they_fit(build: truths.Build) -> None:
    """Each is fitted to these points by a likelihood that nearly keeps mean and covariance."""
    subject = truths.honest_subject(build, PLANE, 0)
    drawn, train = subject.samples(5_000), subject.spec.train
    assert drawn.dtype == torch.float32
    torch.testing.assert_close(drawn.mean(0), train.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(0), train.std(0), atol=0, rtol=0.15)


def test_bounded_histograms_have_mass_one_inside_and_none_outside() -> None:
    model = truths.honest_subject(bounded_histogram, PLANE, 0).model.obj
    assert float(model.histogram.log_mass.exp().sum()) == pytest.approx(1)
    assert (model.log_prob(torch.tensor([[50.0, 0.0], [0.0, -50.0]])) == -math.inf).all()
    assert model.log_prob(model.sample(1000)).isfinite().all()


def test_gaussianization_inverts_itself_far_out() -> None:
    model = truths.honest_subject(gaussianization_model, PLANE, 0).model.obj
    z = torch.linspace(-8, 8, 40, dtype=torch.float64).reshape(20, 2)
    torch.testing.assert_close(model.transform(model.inverse(z))[0], z, atol=1e-8, rtol=0)
    assert model.log_prob(torch.full((3, 2), 1e6)).isfinite().all()


def test_seeds_draw_other_data_and_repeat_to_the_bit() -> None:
    first, again, other = (truths.prepared.__wrapped__(PLANE, s).splits for s in (0, 0, 1))
    assert torch.equal(first.train, again.train)
    assert not torch.equal(first.train, other.train)
    case = CASES["density x 1.05, tree, audit-discrete-6"]
    (_, one), (_, two) = run.run_task((case.key, 0)), run.run_task((case.key, 0))
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in r] for r in (one, two)]
    assert timeless[0] == timeless[1]


def test_cheats_leave_the_honest_model_as_it_was() -> None:
    case = CASES[f"running statistics move, mixture, {PLANE}"]
    honest = truths.honest_subject(case.build, PLANE, 0)
    before = honest.log_prob(honest.test)
    verdicts(case)
    assert torch.equal(before, honest.log_prob(honest.test))


# -------------------------------------------------------------------------------------- the tables


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (1, 20), (20, 20), (37, 400)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_nothing_is_known_without_trials() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def table(verdicts: list[tuple[str, bool, int, str, str]]) -> Calibration:
    """Tables of (name, honest, seed, check, verdict); every cheat is a named one."""
    rows = [
        {
            "case": name, "name": name, "base": "b", "truth": "t", "honest": honest,
            "named": not honest, "seed": seed, "check": check, "verdict": verdict,
            "statistic": math.nan, "threshold": 0.1, "detail": "so.", "seconds": 1.0 + seed,
        }
        for name, honest, seed, check, verdict in verdicts
    ]  # fmt: skip
    return summarise(pd.DataFrame(rows))


MADE = [
    ("lie", False, 0, "sum", "fail"),
    ("lie", False, 1, "sum", "pass"),
    ("lie", False, 0, "truth", "fail"),
    ("lie", False, 1, "truth", "inconclusive"),
    ("fib", False, 0, "sum", "pass"),
    ("fib", False, 0, "truth", "n/a"),
    ("good", True, 0, "sum", "pass"),
    ("good", True, 1, "sum", "error"),
    ("good", True, 0, "truth", "n/a"),
    ("good", True, 1, "truth", "n/a"),
]


def test_tables_count_what_they_say() -> None:
    result = table(MADE)
    lie, fib = result.cheats
    assert (lie["seen"], lie["failing checks"], lie["by"]) == (0.5, 1.0, "sum 50%, truth 50%")
    assert lie["silent"] == "truth 50%"
    assert [row["cheat"] for row in result.blind] == ["fib"]
    sums, truth = result.checks
    assert (sums["caught"], sums["cheats"]) == ("33%", "1 of 2")
    assert (sums["honest runs"], sums["false alarms"], sums["silent"]) == (2, 0, 1)
    assert (truth["honest runs"], truth["false alarm rate"]) == (0, "n/a")
    assert result.honest[0]["silent"] == "50%"
    assert not result.kept


def test_a_false_alarm_is_told_in_the_checks_own_words() -> None:
    result = table([*MADE, ("good", True, 2, "truth", "fail")])
    assert result.alarms == [
        {"model": "good", "truth": "t", "seed": 2, "check": "truth", "detail": "so."}
    ]
    assert "1 of 3 honest runs" in document.sentence(result)


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        ([], True),
        ([("good", True, 0, "sum", "fail")], False),
        ([("fib", False, 0, "sum", "pass")], False),
    ],
)
def test_the_promise(extra: list[tuple], kept: bool) -> None:
    base = [("lie", False, 0, "sum", "fail"), ("good", True, 1, "sum", "pass")]
    assert table([*base, *extra]).kept is kept


def test_the_command_prints_writes_and_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["tables, audit-binary-12", f"density x 1.05, gaussian, {PLANE}"]
    monkeypatch.setattr(run, "cases", lambda: {k: CASES[k] for k in chosen})
    monkeypatch.setattr("bench.paths.root", lambda: tmp_path)
    calibrate.calibrate(seeds=1, jobs=1, json=True, write=True)
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "results" / "calibration.json").read_text())
    assert printed == written
    assert {row["cheat"] for row in written["cheats"]} == {"density x 1.05"}
    text = (tmp_path / "results" / "calibration.md").read_text()
    assert "0 of 1 honest runs" in text
    assert "quadrature" in text


def test_a_model_that_cannot_be_built_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(data: object) -> None:
        raise ValueError("no")

    case = Case("broken", "", PLANE, refuses)
    monkeypatch.setattr(run, "cases", lambda: {case.key: case})
    (_, (row,)) = run.run_task((case.key, 0))
    assert (row["check"], row["verdict"]) == ("build", "error")
    assert "build raised ValueError: no" in row["detail"]


def test_processes_give_the_same_rows_in_the_same_order() -> None:
    todo = run.tasks(1, 1, ["tables, audit-binary-12", "chow-liu tree, audit-binary-12"])
    alone, together = run.measure(todo, 1), run.measure(todo, 2)
    pd.testing.assert_frame_equal(alone.drop(columns="seconds"), together.drop(columns="seconds"))
