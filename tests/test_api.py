"""The Python API: what a notebook uses."""

from __future__ import annotations

import pytest
import torch

import bench
from bench.errors import PluginError, UsageError
from bench.settings import Evaluation, Sizes

SIZES = Sizes(train=400, valid=100, test=500)
QUICK = Evaluation(check_points=400, time_seconds=0.01)


def normal(mean: torch.Tensor, sd: torch.Tensor) -> torch.distributions.Distribution:
    return torch.distributions.Independent(torch.distributions.Normal(mean, sd), 1)


def test_load_gives_splits_in_the_datas_own_units() -> None:
    splits = bench.load("digits")
    assert splits.train.shape == (1237, 1, 8, 8)
    assert int(splits.train.max()) == 16
    with pytest.raises(UsageError, match="Did you mean 'digits'"):
        bench.load("digit")


def test_evaluate_scores_a_trained_object_in_the_datas_own_units() -> None:
    train = bench.load("claw", SIZES).train
    record = bench.evaluate(
        normal(train.mean(0), train.std(0)), "claw", sizes=SIZES, evaluation=QUICK
    )
    assert record.status == "ok"
    assert record.score.nats.mean == pytest.approx(-1.28, abs=0.1)
    assert record.score.gap_nats.mean == pytest.approx(0.0857, abs=0.1)
    assert "claw" in str(record)
    assert "<table" in record._repr_html_()


def test_evaluate_dequantizes_discrete_data_for_a_density() -> None:
    flat = bench.load("digits").train.reshape(1237, -1).double() + 0.5
    model = normal(flat.mean(0), (flat.var(0) + 1 / 12).sqrt())
    record = bench.evaluate(model, "digits", evaluation=QUICK)
    assert record.score.bits_per_dim.mean == pytest.approx(3.35, abs=0.1)
    assert record.cell.likelihood == "lower-bound"


def test_evaluate_takes_an_nflows_flow() -> None:
    from nflows.flows import SimpleRealNVP

    torch.manual_seed(0)
    record = bench.evaluate(SimpleRealNVP(2, 8, 2, 1), "rings", sizes=SIZES, evaluation=QUICK)
    assert record.status == "ok"
    assert record.cost.logdet_error < 1e-4


def test_evaluate_catches_a_false_likelihood() -> None:
    class Inflated:
        def __init__(self) -> None:
            self.base = normal(torch.zeros(1), torch.ones(1))

        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return self.base.log_prob(x) + 1.0

        def sample(self, n: int) -> torch.Tensor:
            return self.base.sample((n,))

    record = bench.evaluate(Inflated(), "claw", sizes=SIZES, evaluation=QUICK)
    assert record.status == "failed-check"
    assert "quadrature" in record.reason


def test_evaluate_refuses_a_wrong_shape() -> None:
    class Wrong:
        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with pytest.raises(PluginError, match="expected shape"):
        bench.evaluate(Wrong(), "claw", sizes=SIZES, evaluation=QUICK)


def test_compare_sorts_by_score() -> None:
    wide = bench.evaluate(
        normal(torch.zeros(1), torch.full((1,), 3.0)),
        "claw",
        name="wide",
        sizes=SIZES,
        evaluation=QUICK,
    )
    good = bench.evaluate(
        normal(torch.zeros(1), torch.ones(1)), "claw", name="good", sizes=SIZES, evaluation=QUICK
    )
    assert list(bench.compare([wide, good])["model"]) == ["good", "wide"]
