"""Every adapter: the object's own log-density, samples of the right shape, an invertible map."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.adapters import adapt
from bench.errors import PluginError

DIM = 3


def distribution() -> Any:
    normal = torch.distributions.Normal(torch.zeros(DIM), torch.ones(DIM))
    return torch.distributions.Independent(normal, 1)


def nflows_maf() -> Any:
    from nflows.flows import MaskedAutoregressiveFlow

    return MaskedAutoregressiveFlow(DIM, 8, 2, 2)


def zuko_nsf() -> Any:
    import zuko

    return zuko.flows.NSF(DIM, transforms=2, hidden_features=(8,))


def normflows_coupling() -> Any:
    import normflows

    flow = normflows.flows.CoupledRationalQuadraticSpline(DIM, 1, 8)
    return normflows.NormalizingFlow(normflows.distributions.DiagGaussian(DIM), [flow])


def scikit_mixture() -> Any:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(2, random_state=0).fit(torch.randn(100, DIM).double().numpy())


CASES: dict[str, tuple[str, Callable[[], Any]]] = {
    "torch.distributions": ("torch", distribution),
    "nflows": ("nflows", nflows_maf),
    "zuko": ("zuko", zuko_nsf),
    "normflows": ("normflows", normflows_coupling),
    "scikit-learn": ("sklearn", scikit_mixture),
}


@pytest.fixture(params=CASES)
def adapted(request: pytest.FixtureRequest) -> Any:
    package, make = CASES[request.param]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'density-bench[peers]'")
    torch.manual_seed(0)
    model = adapt(make())
    if model.module is not None:
        model.module.eval()
    return model


@torch.no_grad()
def test_log_prob_and_sample_have_the_contract_shapes(adapted: Any) -> None:
    x = torch.randn(5, DIM)
    assert adapted.log_prob(x).shape == (5,)
    samples = adapted.sample(4)
    assert samples.shape == (4, DIM)
    assert bool(torch.isfinite(adapted.log_prob(samples)).all())


@torch.no_grad()
def test_transform_runs_from_data_to_noise(adapted: Any) -> None:
    if adapted.transform is None:
        pytest.skip("no transform")
    x = torch.randn(5, DIM)
    z, logabsdet = adapted.transform(x)
    base = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    assert torch.allclose(base + logabsdet, adapted.log_prob(x), atol=1e-4)
    if adapted.inverse is not None:
        assert torch.allclose(adapted.inverse(z), x, atol=1e-4)
    if adapted.map_only is not None:
        assert torch.allclose(adapted.map_only(x), z, atol=1e-6)


def test_an_object_that_nothing_understands_is_refused() -> None:
    with pytest.raises(PluginError, match="no adapter understands"):
        adapt(object())


def test_samples_and_context_reach_only_a_log_prob_that_takes_them() -> None:
    class Bound:
        def log_prob(self, x: torch.Tensor, samples: int = 1) -> torch.Tensor:
            return torch.full((len(x),), float(samples))

    class Plain:
        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x))

    x = torch.zeros(2, 1)
    assert adapt(Bound()).log_prob(x, samples=7)[0] == 7
    assert adapt(Plain()).log_prob(x, samples=7, context=x)[0] == 0
