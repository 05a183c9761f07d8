"""scikit-learn estimators: fitted or not, seeded, in random order, refused where no density."""

from __future__ import annotations

import math

import numpy
import pytest
import torch
from sklearn.decomposition import FactorAnalysis
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import StandardScaler

from bench.adapters import adapt
from bench.contract import DataSpec
from bench.errors import PluginError
from bench.settings import Budget

DENSITIES = {
    "mixture": lambda: GaussianMixture(2),
    "kernels": lambda: KernelDensity(bandwidth=0.3),
    "factors": lambda: FactorAnalysis(1),
}


@pytest.fixture
def data() -> DataSpec:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, generator=g)
    x = x + 4 * torch.randint(2, (200, 1), generator=g)
    return DataSpec("test", "continuous", (2,), None, 0, 150, lambda: x[:150], lambda: x[150:])


@pytest.mark.parametrize("case", DENSITIES)
def test_unfitted_is_fitted_on_train_and_validation(case, data):
    adapted = adapt(DENSITIES[case]())
    torch.manual_seed(0)
    adapted.fit(data, Budget())
    expected = adapted.obj.score_samples(data.valid.double().numpy())
    got = adapted.log_prob(data.valid)
    assert got.dtype == torch.float64
    assert torch.equal(got, torch.from_numpy(expected))
    assert not adapted.differentiable
    assert adapt(adapted.obj).fit is None  # fitted: taken as it is


@pytest.mark.parametrize("case", ["mixture", "kernels"])
def test_samples_follow_the_global_seed(case, data):
    adapted = adapt(DENSITIES[case]())
    numpy.random.seed(1)
    torch.manual_seed(0)
    adapted.fit(data, Budget())
    first, second = adapted.sample(50), adapted.sample(50)
    numpy.random.seed(2)
    torch.manual_seed(0)
    adapted = adapt(DENSITIES[case]())
    adapted.fit(data, Budget())
    assert torch.equal(adapted.sample(50), first)
    assert not torch.equal(first, second)
    assert first.dtype == torch.float32


def test_samples_of_a_mixture_are_not_in_the_order_of_its_components(data):
    adapted = adapt(GaussianMixture(2, random_state=0).fit(data.train.double().numpy()))
    torch.manual_seed(0)
    far = (adapted.sample(2000).sum(1) > 4).double()
    assert abs(far[:1000].mean() - far[1000:].mean()) < 6 * math.sqrt(0.5 / 1000)
    assert adapted.obj.random_state == 0


REFUSED = {
    "pseudo-likelihood": (BernoulliRBM, "no log-density"),
    "anomaly score": (IsolationForest, "no log-density"),
    "no score at all": (StandardScaler, "no score_samples"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_density_is_refused(case):
    make, words = REFUSED[case]
    with pytest.raises(PluginError, match=words):
        adapt(make())
