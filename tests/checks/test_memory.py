"""The check of leaked test points: who must fail, and who must not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, StudentT

from bench.adapters import adapt
from bench.checks import _base, battery
from bench.checks._ranks import rank_test
from bench.contract import DataSpec, Density, Splits
from bench.datasets._densities import GaussianMixture
from bench.datasets._markov import sticky_chain
from bench.datasets.audit_truths import audit_continuous_64
from bench.datasets.conditional import audit_conditional_2
from bench.datasets.known_truth_2d import eight_gaussians
from bench.models import categorical, histogram, kde
from bench.records import Check
from bench.registry import DatasetEntry, ModelEntry, discover
from bench.settings import Evaluation
from bench.spaces import dequantized, native, standard
from bench.subject import Subject

Build = Callable[[DataSpec], Any]
MEMORY = discover().checks["memory"]

TRUTHS: dict[str, tuple[Callable[[], Density], int | None]] = {
    "line": (lambda: GaussianMixture([0.5, 0.5], [[-2.0], [1.0]], [1.0, 0.1], entropy=1.0), None),
    "plane": (eight_gaussians, None),
    "64-D": (audit_continuous_64, None),
    "levels": (lambda: sticky_chain(6, 4), 4),
    "bits": (lambda: sticky_chain(64, 2), 2),
}


def subject(
    build: Build,
    truth: str,
    *,
    leak: bool = False,
    seed: int = 0,
    n: int = 2000,
    likelihood: str | None = None,
    dequantised: bool = False,
) -> Subject:
    """A model on draws of a known truth; with `leak` the test points are among its training."""
    make, levels = TRUTHS[truth]
    density = make()
    parts = [density.sample(n, torch.Generator().manual_seed(10 * seed + k)) for k in range(3)]
    splits = Splits(*parts)
    shape = tuple(parts[0].shape[1:])
    if levels is None:
        space = standard(splits.train, shape)
    elif dequantised:
        space = dequantized("marginals", splits.train, levels, shape)
    else:
        space = native(shape)
    fitted = torch.cat([splits.train, splits.test]) if leak else splits.train

    def view(x: Tensor) -> Tensor:
        return space.forward(x, torch.Generator().manual_seed(17))[0]

    spec = DataSpec(
        name="data",
        kind="continuous" if not space.discrete else "discrete",
        shape=shape,
        levels=levels,
        n_train=len(fitted),
        make_train=lambda: view(fitted),
        make_valid=lambda: view(splits.valid),
    )
    kind = likelihood or ("exact-discrete" if space.discrete else "exact")
    torch.manual_seed(seed)
    return Subject(
        model=adapt(build(spec)),
        entry=ModelEntry("model", Path("model.py"), "build", likelihood=kind),
        dataset=DatasetEntry("data", Path("data.py"), "data", "continuous", shape, levels),
        spec=spec,
        space=space,
        splits=splits,
        evaluation=Evaluation(),
        truth=density,
        seed=seed,
    )


def verdict(of: Subject) -> Check:
    return battery.run_one(MEMORY, of)


class Kernels:
    """A kernel estimate on the training points, of a given bandwidth."""

    def __init__(self, data: DataSpec, bandwidth: float) -> None:
        x = data.train.double()
        self.honest = kde.KDE(x, bandwidth * x.std(0, correction=0))

    def log_prob(self, x: Tensor) -> Tensor:
        return self.honest.log_prob(x)


class Counts:
    """Point masses at the training rows, mixed with the uniform law."""

    def __init__(self, data: DataSpec) -> None:
        self.rows = data.train.double()
        self.uniform = (data.levels or 2) ** -float(data.dim)

    def log_prob(self, x: Tensor) -> Tensor:
        hits = (torch.cdist(x.double(), self.rows, p=0) == 0).double().mean(1)
        return (0.5 * hits + 0.5 * self.uniform).log()


class Bound(Kernels):
    """A noisy bound of a kernel estimate, nearer to it with more samples."""

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return super().log_prob(x) - torch.randn(samples, len(x)).abs().mean(0)


def kernels(bandwidth: float) -> Build:
    return lambda data: Kernels(data, bandwidth)


def bound(data: DataSpec) -> Bound:
    return Bound(data, 0.02)


CASES: dict[str, Callable[..., Subject]] = {
    "narrow kernels, 1-D": partial(subject, kernels(0.005), "line"),
    "narrow kernels, 2-D": partial(subject, kernels(0.02), "plane"),
    "wider kernels, 2-D": partial(subject, kernels(0.05), "plane"),
    "validated kernels, 64-D": partial(subject, kde.build, "64-D"),
    "bound, 2-D": partial(subject, bound, "plane", likelihood="lower-bound"),
    "stochastic, 2-D": partial(subject, bound, "plane", likelihood="stochastic"),
    "counts, 6 x 4": partial(subject, Counts, "levels"),
    "counts, 64 x 2": partial(subject, Counts, "bits", n=1000),
    "kernels, dequantised": partial(subject, kernels(0.3), "bits", dequantised=True),
}


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_a_model_trained_on_test_points_fails(make: Callable[..., Subject]) -> None:
    found = verdict(make(leak=True))
    assert found.verdict == "fail"
    assert found.statistic > 0.02
    assert float(found.detail.split("(+")[1].split()[0]) > 6


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_the_same_model_trained_on_its_own_points_passes(make: Callable[..., Subject]) -> None:
    found = verdict(make())
    assert found.verdict == "pass"
    assert abs(found.statistic) < 0.05


class Pairs:
    """Kernels at the training points, weighted by kernels at their contexts."""

    def __init__(self, points: Tensor, contexts: Tensor) -> None:
        self.points, self.contexts = points, contexts

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        near = torch.log_softmax(-50 * torch.cdist(context, self.contexts).square(), 1)
        log_kernel = -1250 * torch.cdist(x, self.points).square() + math.log(1250 / math.pi)
        return torch.logsumexp(near + log_kernel, 1)


@pytest.mark.parametrize(("leak", "expected"), [(True, "fail"), (False, "pass")])
def test_of_conditional_data_pairs_are_compared(leak: bool, expected: str) -> None:
    law = audit_conditional_2()
    generator = torch.Generator().manual_seed(5)
    contexts = [law.draw_context(1500, generator) for _ in range(3)]
    splits = Splits(*(law.sample(c, generator) for c in contexts), *contexts)
    plain = subject(kernels(0.3), "plane")
    space, context_space = (standard(part, (2,)) for part in (splits.train, splits.train_context))
    seen = [0, 2] if leak else [0]
    x = torch.cat([(splits.train, splits.valid, splits.test)[k] for k in seen])
    c = torch.cat([contexts[k] for k in seen])
    model = Pairs(space.forward(x, None)[0], context_space.forward(c, None)[0])
    found = verdict(
        replace(
            plain,
            model=adapt(model),
            splits=splits,
            space=space,
            truth=None,
            context_space=context_space,
            conditional_truth=law,
        )
    )
    assert found.verdict == expected


def test_over_fitting_is_told_and_is_no_fault() -> None:
    found = verdict(subject(kernels(0.005), "plane"))
    assert found.verdict == "pass"
    assert float(found.detail.split("training point with ")[1][:6]) > 0.9


def test_planted_memory_is_as_plain_as_in_the_prototype() -> None:
    """Kolmogorov-Smirnov gave p = 1e-47 there, which is 14.4 standard errors."""
    honest = subject(kernels(0.02), "plane", leak=True)
    fresh = honest.truth.sample(2000, torch.Generator().manual_seed(99))
    test, new = (_base.data_log_prob(honest, x) for x in (honest.splits.test, fresh))
    assert rank_test(test, new).z > 14


def misfit(data: DataSpec) -> Any:
    """Off centre and twice too wide."""
    return Independent(Normal(torch.full((data.dim,), 0.7), 2.0), 1)


def cauchy(data: DataSpec) -> Any:
    return Independent(StudentT(1.0, torch.zeros(data.dim), torch.ones(data.dim)), 1)


HONEST: dict[str, Callable[..., Subject]] = {
    "misfit": partial(subject, misfit, "plane"),
    "cauchy": partial(subject, cauchy, "line"),
    "histogram": partial(subject, histogram.build, "plane"),
    "categorical": partial(subject, categorical.build, "levels"),
    **{name: CASES[name] for name in ("narrow kernels, 2-D", "stochastic, 2-D", "counts, 6 x 4")},
}


@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_no_honest_model_fails_over_twenty_seeds(make: Callable[..., Subject]) -> None:
    found = [verdict(make(seed=seed, n=400)) for seed in range(20)]
    assert {c.verdict for c in found} == {"pass"}
    # each statistic has mean 0 and standard error .02 (400 against 400): their mean stays within 4
    assert abs(sum(c.statistic for c in found) / 20) < 4 * 0.0205 / math.sqrt(20)


class Broken(Kernels):
    def log_prob(self, x: Tensor) -> Tensor:
        value = super().log_prob(x)
        return value.where(x[:, 0] < 1, torch.nan)


class Bounded(Kernels):
    """No mass on one side: honest, and minus infinity there."""

    def log_prob(self, x: Tensor) -> Tensor:
        value = super().log_prob(x)
        return value.where(x[:, 0] < 0, -torch.inf)


OTHERS: dict[str, tuple[Callable[[], Subject], str, str]] = {
    "no truth": (
        lambda: replace(subject(kernels(0.3), "plane"), truth=None),
        "n/a",
        "the data's density is not known.",
    ),
    "no likelihood": (
        lambda: subject(kernels(0.3), "plane", likelihood="none"),
        "n/a",
        "the model has no likelihood.",
    ),
    "NaN": (
        lambda: subject(lambda d: Broken(d, 0.3), "plane"),
        "inconclusive",
        "have a log_prob of NaN",
    ),
    "minus infinity": (lambda: subject(lambda d: Bounded(d, 0.3), "plane"), "pass", "probability"),
    "one value": (lambda: subject(lambda d: Flat(), "levels"), "pass", "probability"),
}


class Flat:
    """The uniform law over 4^6 states."""

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.full((len(x),), -6 * math.log(4.0), dtype=torch.float64)


@pytest.mark.parametrize(("make", "verdict_", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_what_it_says_of_the_rest(make: Callable[[], Subject], verdict_: str, words: str) -> None:
    found = verdict(make())
    assert found.verdict == verdict_
    assert words in found.detail


def test_same_subject_same_verdict() -> None:
    assert verdict(subject(bound, "plane")) == verdict(subject(bound, "plane"))
