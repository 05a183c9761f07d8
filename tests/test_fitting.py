"""Building and fitting one seed: the store, faults of plugins, models without randomness."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.contract import DataSpec, Splits
from bench.errors import PluginError
from bench.fitting import Fitted, fit_seed, rebuilder
from bench.preparing import Prepared
from bench.settings import Budget
from bench.spaces import Space


class Normal(nn.Module):
    """A trainable standard deviation."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        z = x * torch.exp(-self.log_scale)
        return (-0.5 * z * z - 0.5 * math.log(2 * math.pi) - self.log_scale).sum(-1)


class FitsItself:
    """A plain object with `fit`."""

    def fit(self, data, budget) -> None:
        self.mean = data.train.mean(0)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return -0.5 * (x - self.mean).pow(2).sum(-1)


def closed_form(data):
    normal = torch.distributions.Normal(data.train.mean(0), data.train.std(0))
    return torch.distributions.Independent(normal, 1)


def prepared() -> Prepared:
    raw = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spec = DataSpec(
        "toy", "continuous", (2,), None, 0, 200, lambda: raw.float(), lambda: raw[:50].float()
    )
    return Prepared(Splits(raw, raw[:50], raw), None, Space("data", (2,), []), spec, "digest")


def fit(build, root: Path | None = None, seed: int = 0, key: str = "k") -> Fitted:
    return fit_seed(
        build,
        prepared(),
        settings={},
        budget=Budget(steps=20, batch=50, validations=2),
        likelihood="exact",
        seed=seed,
        root=root,
        key=key,
        report=lambda step, steps: None,
    )


def random_start(data):
    model = Normal(2)
    model.log_scale.data.normal_()
    model.log_scale.requires_grad_(False)
    return model


RANDOMNESS = {
    "closed form": (closed_form, False),
    "fits itself": (lambda data: FitsItself(), False),
    "trained": (lambda data: Normal(data.dim), True),
    "random start": (random_start, True),
}


@pytest.mark.parametrize("name", RANDOMNESS)
def test_a_model_without_randomness_is_recognised(name: str) -> None:
    build, expected = RANDOMNESS[name]
    assert fit(build).random is expected


@pytest.mark.parametrize("name", ["trained", "fits itself"])
def test_the_store_saves_a_training(name: str, tmp_path: Path) -> None:
    build, _ = RANDOMNESS[name]
    first = fit(build, tmp_path)
    again = fit(build, tmp_path)
    assert not first.cached
    assert again.cached
    x = prepared().spec.train
    assert torch.equal(first.model.log_prob(x), again.model.log_prob(x))
    assert again.result == first.result
    assert not fit(build, tmp_path, key="other").cached


def raises(data):
    raise RuntimeError("boom")


class Wrong:
    def __init__(self, value) -> None:
        self.log_prob = lambda x: value(x)


FAULTS = {
    "raise": (raises, "build raised RuntimeError: boom"),
    "nothing": (lambda data: 3, "no adapter understands"),
    "wrong shape": (lambda data: Wrong(lambda x: x), r"expected shape \[7\]"),
    "no tensor": (lambda data: Wrong(lambda x: 1.0), r"returned float; expected shape"),
    "nan": (lambda data: Wrong(lambda x: x.sum(-1) * math.nan), "NaN at 7 of 7"),
    "log_prob raises": (lambda data: Wrong(lambda x: 1 / 0), "raised ZeroDivisionError"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_plugin_is_refused_in_one_sentence(name: str) -> None:
    build, words = FAULTS[name]
    with pytest.raises(PluginError, match=words) as caught:
        fit(build)
    assert "\n" not in str(caught.value)


def test_rebuilding_trains_on_other_data_and_leaves_the_generator_alone() -> None:
    rebuild = rebuilder(lambda data: Normal(data.dim), {}, Budget(steps=200, lr=0.05), "exact")
    raw = 5 * torch.randn(300, 3)
    spec = DataSpec("crop", "continuous", (3,), None, 0, 300, lambda: raw, lambda: raw[:100])
    before = torch.get_rng_state()
    model = rebuild(spec)
    assert torch.equal(before, torch.get_rng_state())
    assert bool((model.module.log_scale > 0.3).all())
