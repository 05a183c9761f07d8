"""The battery on conditional models: honest ones never fail, each cheat fails the check named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.cell import make_subject
from bench.cellspec import CellSpec
from bench.checks import _conditional, battery
from bench.contract import DataSpec, Splits
from bench.datasets.conditional import audit_conditional_2, conditional_claw
from bench.fitting import fit_seed, rebuilder
from bench.flows import maf
from bench.levels import draw
from bench.models import linear_regression, maf_conditional, mixture_density
from bench.preparing import Prepared, view
from bench.records import Check
from bench.registry import DatasetEntry, ModelEntry, discover
from bench.settings import Budget, DatasetPlan, Evaluation, Suite
from bench.spaces import Space, native, standard, stretched
from bench.subject import Subject

torch.set_num_threads(1)
Build = Callable[..., Any]
TRUTHS = {"claw": (conditional_claw, standard), "lumps": (audit_conditional_2, stretched)}
BUDGET = Budget(steps=60, batch=128, validations=2)


def subject(build: Build, truth: str = "lumps", known: bool = True) -> Subject:
    """A model on 2000 draws of a known conditional truth, briefly trained."""
    make, space = TRUTHS[truth]
    density, parts = make(), {}
    for part in ("train", "valid", "test"):
        generator = torch.Generator().manual_seed(len(part))
        context = density.draw_context(2000, generator)
        parts[f"{part}_context"], parts[part] = context, density.sample(context, generator)
    splits = Splits(**parts)
    shape = tuple(splits.train.shape[1:])
    entry = DatasetEntry("data", Path("d.py"), "d", "continuous", shape, context_dim=2)
    return _trained(build, entry, splits, space(splits.train, shape), density if known else None)


def bits(build: Build, dim: int, levels: int = 2) -> Subject:
    """Levels that follow a context of two numbers, whose model can be rebuilt."""
    generator = torch.Generator().manual_seed(dim)
    context = torch.randn(900, 2, generator=generator, dtype=torch.float64)
    lean = (context[:, :1] > 0).long() * (levels - 1)
    noise = torch.randint(levels, (900, dim), generator=generator)
    x = torch.where(torch.rand(900, dim, generator=generator) < 0.5, lean, noise)
    splits = Splits(*(t[i::3] for t in (x, context) for i in range(3)))
    entry = DatasetEntry("data", Path("d.py"), "d", "discrete", (dim,), levels, context_dim=2)
    return _trained(build, entry, splits, native((dim,)), None)


def _trained(
    build: Build, entry: DatasetEntry, splits: Splits, space: Space, truth: Any
) -> Subject:
    assert splits.train_context is not None
    entry = replace(entry, context_dim=splits.train_context.shape[1])
    kind = "exact-discrete" if entry.levels else "exact"
    spec = CellSpec(
        dataset=entry,
        model=ModelEntry("model", Path("m.py"), "build", likelihood=kind, conditional=True),
        suite_name="test",
        suite=Suite(datasets={"data": DatasetPlan()}, evaluate=Evaluation(check_points=1500)),
        budget=BUDGET,
        settings={},
        space="standard",
        kind=entry.kind,
    )
    contexts = standard(splits.train_context, (entry.context_dim,))
    data = Prepared(
        splits, truth, space, view(spec, splits, space, contexts), "", context_space=contexts
    )
    fitted = fit_seed(
        build, data, settings={}, budget=BUDGET, likelihood=kind, seed=0, root=None, key="",
        report=lambda step, steps: None,
    )  # fmt: skip
    return make_subject(spec, data, fitted.model, 0, rebuilder(build, {}, BUDGET, kind))


def found(of: Subject, names: set[str] | None = None) -> dict[str, Check]:
    """Outcomes by name; of some checks alone where they are named."""
    chosen = [c for n, c in discover().checks.items() if names is None or n in names]
    return {c.name: c for c in battery.run(of, chosen)}


# ---------------------------------------------------------------------------------- honest models


class Twisted(nn.Module):
    """A random conditional flow, stretched by a factor that depends on the context."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.data = data
        self.flow = maf(data.dim, 16, 2, context_dim=data.context_dim)
        for parameter in self.flow.parameters():
            nn.init.normal_(parameter, std=0.15).requires_grad_(False)

    def log_scale(self, context: Tensor) -> Tensor:
        return 0.5 + 0.3 * context[:, :1].tanh()

    def transform(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self.log_scale(context)
        z, logabsdet = self.flow.transform(x * log_scale.exp(), context)
        return z, logabsdet + x.shape[1] * log_scale[:, 0]

    def inverse(self, z: Tensor, context: Tensor) -> Tensor:
        return self.flow.inverse(z, context)[0] * (-self.log_scale(context)).exp()

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        z, logabsdet = self.transform(x, context)
        return self.flow.base.log_prob(z) + logabsdet

    def sample(self, n: int, context: Tensor) -> Tensor:
        return self.inverse(torch.randn(n, self.flow.dim), context)


class Tables(nn.Module):
    """Independent levels whose logits are linear in the context."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.levels = data.levels or 2
        self.logits = nn.Linear(data.context_dim, data.dim * self.levels)

    def conditionals(self, x: Tensor, context: Tensor) -> Tensor:
        logits = self.logits(context).unflatten(-1, (x.shape[1], self.levels))
        return logits.log_softmax(-1)

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        return self.conditionals(x, context).gather(-1, x.unsqueeze(-1)).squeeze(-1).sum(-1)

    def sample(self, n: int, context: Tensor) -> Tensor:
        dim = self.logits.out_features // self.levels
        return draw(self.conditionals(torch.zeros(n, dim), context).detach())


HONEST: dict[str, tuple[Callable[[], Subject], set[str]]] = {
    **{
        f"{name}, {truth}": (lambda build=build, truth=truth: subject(build, truth), passed)
        for name, truth, build, passed in (
            ("linear", "lumps", linear_regression.build, {"log-det", "round-trip"}),
            ("linear", "claw", linear_regression.build, {"log-det", "round-trip"}),
            ("mixture", "lumps", mixture_density.build, set()),
            ("flow", "claw", maf_conditional.build, {"log-det", "round-trip"}),
            ("random flow", "lumps", Twisted, {"log-det", "round-trip"}),
        )
    },
    "no truth": (lambda: subject(mixture_density.build, known=False), set()),
    **{
        f"tables, {dim} x {levels}": (
            lambda dim=dim, levels=levels: bits(Tables, dim, levels),
            {"sum", "conditionals"},
        )
        for dim, levels in ((6, 2), (40, 3))
    },
}


@pytest.mark.parametrize(("make", "expected"), HONEST.values(), ids=HONEST.keys())
def test_honest_conditional_models_never_fail(
    make: Callable[[], Subject], expected: set[str]
) -> None:
    one = make()
    results = found(one)
    assert {n: c.detail for n, c in results.items() if c.verdict in ("fail", "error")} == {}
    mass = set() if one.space.discrete else {"quadrature"}
    passed = {n for n, c in results.items() if c.verdict == "pass"}
    assert passed >= {"invariance", "balance", "copies"} | mass | expected
    assert all(c.detail.endswith(".") for c in results.values())
    of_slices = [c for n, c in results.items() if n in ("balance", "copies")]
    assert all("at context (" in c.detail for c in of_slices)


# ----------------------------------------------------------------------------------------- cheats


class FirstContext(Twisted):
    """Broadcasts the first row's context over the batch."""

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        return super().log_prob(x, context[:1].expand(len(x), -1))


class FactorOfContext(Twisted):
    """Mass 1.3 or .7, by the sign of a symmetric context: one on average."""

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        return super().log_prob(x, context) + (1 + 0.3 * context[:, 0].sign()).log()


class BlindSampler(Twisted):
    def sample(self, n: int, context: Tensor) -> Tensor:
        return super().sample(n, context[torch.randperm(n)])


class Neighbours(Twisted):
    """Draws each row at the context of the row before."""

    def sample(self, n: int, context: Tensor) -> Tensor:
        return super().sample(n, context.roll(1, 0))


class ForgottenScale(Twisted):
    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        return super().log_prob(x, context) - x.shape[1] * self.log_scale(context)[:, 0]


class MissingLogDet(Twisted):
    def transform(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        z, logabsdet = super().transform(x, context)
        return z, logabsdet - x.shape[1] * self.log_scale(context)[:, 0]


class WrongInverse(Twisted):
    def inverse(self, z: Tensor, context: Tensor) -> Tensor:
        return super().inverse(z, context + 0.05)


class Parrot(Twisted):
    """Hands out the training row of the nearest context."""

    def sample(self, n: int, context: Tensor) -> Tensor:
        assert self.data.train_context is not None
        return self.data.train[torch.cdist(context, self.data.train_context).argmin(1)]


class BatchContexts(Twisted):
    """Standardises the contexts by the batch."""

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        return super().log_prob(x, context - context.mean(0))


class HeavyTables(Tables):
    """Counts 5 % too much where the context is positive, half as much where it is not."""

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        return super().log_prob(x, context) + 0.05 * (1 + context[:, 0].sign() / 3)


CHEATS: dict[str, tuple[Callable[[], Subject], set[str]]] = {
    "the first context for all rows": (lambda: subject(FirstContext), {"invariance"}),
    "contexts standardised by the batch": (lambda: subject(BatchContexts), {"invariance"}),
    "a factor that depends on the context": (lambda: subject(FactorOfContext), {"quadrature"}),
    "a sampler blind to the context": (lambda: subject(BlindSampler), {"balance"}),
    "a sampler one row off": (lambda: subject(Neighbours), {"balance"}),
    "the scale's Jacobian forgotten": (lambda: subject(ForgottenScale), {"quadrature"}),
    "the same in the transform": (lambda: subject(MissingLogDet), {"quadrature", "log-det"}),
    "an inverse at another context": (lambda: subject(WrongInverse), {"round-trip"}),
    "training rows for draws": (lambda: subject(Parrot), {"copies"}),
    "heavy tables": (lambda: bits(HeavyTables, 6), {"sum"}),
    "heavy tables, summed on a crop": (lambda: bits(HeavyTables, 40, 3), {"sum"}),
}


@pytest.mark.parametrize(("make", "expected"), CHEATS.values(), ids=CHEATS.keys())
def test_cheating_conditional_models_fail(make: Callable[[], Subject], expected: set[str]) -> None:
    assert {n: c.verdict for n, c in found(make(), expected).items()} == dict.fromkeys(
        expected, "fail"
    )


def test_a_factor_of_the_context_is_invisible_on_average_and_named_where_it_shows() -> None:
    """Test rows as they come give the mass one on average; each slice tells it."""
    one = subject(FactorOfContext)
    factor = (1 + 0.3 * one.test_context[:, 0].sign()).mean()
    assert float(factor) == pytest.approx(1, abs=0.02)
    detail = found(one, {"quadrature"})["quadrature"].detail
    assert detail.startswith("at context (")
    assert "integrates to 0.70000" in detail or "integrates to 1.30000" in detail


# ------------------------------------------------------------------------------------------ slices


def test_a_slice_is_the_model_and_the_truth_at_one_context() -> None:
    one = subject(Twisted)
    splits, contexts = one.splits, one.test_context
    slices = _conditional.views(one)("quadrature")
    assert len({s.view for s in slices}) == 3
    for row, part in zip(_conditional._chosen(one), slices, strict=True):
        x, ledger = part.space.forward(part.splits.test, None)
        context = contexts[row].expand(len(x), -1)
        z = one.model.transform(x, context)[0]
        assert torch.equal(part.log_prob(x), one.log_prob(x, context=context))
        assert torch.equal(part.model.transform(x)[0], z)
        assert torch.equal(part.model.inverse(z), one.model.inverse(z, context))
        raw = splits.test_context[row].expand(len(x), -1)
        torch.testing.assert_close(
            part.truth.log_prob(part.splits.test),
            one.conditional_truth.log_prob(part.splits.test, raw),
        )
        double = part.double().log_prob(x.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double, part.log_prob(x), atol=1e-4, rtol=1e-4)
        distance = (one.spec.train_context - contexts[row]).norm(dim=1)
        kept = set(map(tuple, part.splits.train.tolist()))
        near = distance.argsort()[: len(kept)]
        assert kept == set(map(tuple, splits.train[near].tolist()))


def test_slices_spread_over_the_contexts() -> None:
    one = subject(linear_regression.build, "claw")
    chosen = one.splits.test_context[_conditional._chosen(one), 0]
    assert sorted(chosen.abs().tolist()) == pytest.approx([0, 1.6, 1.6], abs=0.1)


def test_the_battery_repeats_itself_and_hides_no_broken_sampler() -> None:
    class NoDraws(Twisted):
        def sample(self, n: int, context: Tensor) -> Tensor:
            raise ValueError("no draws today")

    one = subject(NoDraws, known=False)
    first = battery.run(one, fast=True)
    assert first == battery.run(one, fast=True)
    by_name = {c.name: c for c in first}
    assert by_name["balance"].verdict == "error"
    assert "no draws today" in by_name["balance"].detail
