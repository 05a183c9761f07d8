"""Training: the recipe, and resumption to the same bits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bench.adapters import adapt
from bench.errors import DivergedError, PluginError
from bench.settings import Budget
from bench.spaces import Space, dequantized, standard
from bench.training import Batches, Source, Trainer, rate


class Gaussian(nn.Module):
    """A diagonal Gaussian with dropout on its mean, so that the global generator matters."""

    def __init__(self, dim: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.mean, self.log_scale = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.drop = nn.Dropout(dropout)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        z = (x - self.drop(self.mean)) * torch.exp(-self.log_scale)
        return (-0.5 * z * z - 0.5 * math.log(2 * math.pi) - self.log_scale).sum(-1)


BUDGET = Budget(steps=80, batch=32, lr=0.05, validations=8)


def trainer(budget: Budget = BUDGET, model: nn.Module | None = None) -> Trainer:
    torch.manual_seed(5)
    raw = 0.3 * torch.randn(500, 2, dtype=torch.float64) + 1
    space = Space("data", (2,), [])
    adapted = adapt(model or Gaussian(2))
    return Trainer(adapted, Source(raw, space), raw[:50].float(), budget, seed=0)


def quiet(step: int, steps: int) -> None:
    pass


def test_finds_the_maximum_likelihood_gaussian() -> None:
    run = trainer(Budget(steps=600, batch=128, lr=0.05), Gaussian(2, dropout=0.0))
    run.run(None, quiet)
    raw = run.source.raw
    assert torch.allclose(run.module.mean.double(), raw.mean(0), atol=0.03)
    assert torch.allclose(run.module.log_scale.exp().double(), raw.std(0), atol=0.03)


def test_a_killed_run_resumes_to_the_same_bits(tmp_path) -> None:
    whole = trainer()
    result = whole.run(None, quiet)

    class Killed(Exception):
        pass

    def die(step: int, steps: int) -> None:
        if step >= 60:
            raise Killed

    partial = tmp_path / "partial.pt"
    first = trainer()
    with pytest.raises(Killed):
        first.run(partial, die)
    assert partial.is_file()
    torch.manual_seed(12345)  # a new process has another global state
    second = trainer()
    torch.manual_seed(999)
    resumed = second.run(partial, quiet)
    assert not partial.exists()
    assert resumed.curve == result.curve
    for name, value in whole.module.state_dict().items():
        assert torch.equal(value, second.module.state_dict()[name]), name


def test_two_runs_give_the_same_bits() -> None:
    runs = []
    for _ in range(2):
        runs.append(trainer())  # seeds the global generator
        runs[-1].run(None, quiet)
    assert torch.equal(runs[0].module.mean, runs[1].module.mean)


def test_keeps_the_best_validation() -> None:
    run = trainer(Budget(steps=80, batch=32, lr=0.05, validations=8))
    result = run.run(None, quiet)
    best = max(result.curve, key=lambda row: row[2])
    assert result.kept_step == best[0]
    assert result.valid_nats == best[2]
    assert run._validation_score() == pytest.approx(best[2], abs=1e-9)


def test_ema_scores_the_averaged_weights_that_it_keeps(tmp_path) -> None:
    budget = BUDGET.model_copy(update={"ema": 0.9})
    run = trainer(budget)
    result = run.run(tmp_path / "partial.pt", quiet)
    run.average = None  # the module now holds the averaged weights that were kept
    assert run._validation_score() == pytest.approx(result.valid_nats, abs=1e-9)


def test_patience_ends_early() -> None:
    budget = Budget(steps=4000, batch=32, lr=0.5, warmup=0, validations=200, patience=3)
    assert trainer(budget).run(None, quiet).steps < 4000


def test_rate_warms_up_and_decays() -> None:
    budget = Budget(steps=100, lr=1.0, warmup=0.1, final_lr=0.01)
    rates = [rate(s, budget) for s in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[-1] == pytest.approx(0.01, abs=0.005)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_batches_visit_every_row_once_per_epoch() -> None:
    batches = Batches(20, 5, seed=0)
    seen = torch.cat([batches.next() for _ in range(4)])
    assert sorted(seen.tolist()) == list(range(20))


def test_dequantization_noise_is_fresh_at_every_step() -> None:
    raw = torch.randint(0, 4, (50, 3))
    source = Source(raw, dequantized("uniform", raw, 4, (3,)))
    generator = torch.Generator().manual_seed(0)
    index = torch.arange(10)
    assert not torch.equal(source.points(index, generator), source.points(index, generator))
    fixed = Source(raw.double(), standard(raw, (3,)))
    assert torch.equal(fixed.points(index, generator), fixed.points(index, generator))


class Bad(Gaussian):
    def __init__(self, fault: str) -> None:
        super().__init__(2)
        self.fault = fault

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        value = super().log_prob(x)
        return value[:, None] if self.fault == "shape" else value * float("nan")


FAULTS = {"shape": (PluginError, "expected"), "nan": (DivergedError, "not finite at step")}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    error, words = FAULTS[fault]
    with pytest.raises(error, match=words):
        trainer(model=Bad(fault)).run(None, quiet)


class ByClass(nn.Module):
    """A mean per class; remembers the pairs that its loss was given."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(3, 2))
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return torch.logsumexp(-0.5 * ((x[:, None] - self.mean) ** 2).sum(-1), 1)

    def loss(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self.seen.append((x, labels))
        return 0.5 * ((x - self.mean[labels]) ** 2).sum(-1)


def test_a_loss_that_asks_for_labels_gets_those_of_its_points() -> None:
    labels = torch.arange(500) % 3
    raw = labels[:, None].double() + torch.tensor([0.0, 10.0])
    model = ByClass()
    source = Source(raw, Space("data", (2,), []), labels=labels)
    run = Trainer(adapt(model), source, raw[:50].float(), Budget(steps=300, lr=0.5), seed=0)
    run.run(None, quiet)
    assert all(torch.equal(x[:, 0].long(), y) for x, y in model.seen)
    assert torch.allclose(model.mean[:, 1] - model.mean[:, 0], torch.full((3,), 10.0), atol=0.1)


def test_beta2_is_the_optimizers() -> None:
    assert trainer(Budget(beta2=0.98)).optimizer.param_groups[0]["betas"] == (0.9, 0.98)
