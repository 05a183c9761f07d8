"""The three flows and their twins as plugins: built, adapted, trained, sampled, converted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.adapters import Adapted, adapt
from bench.registry import load_function, read

pytest.importorskip("nflows")
pytestmark = pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")

ROOT = Path(__file__).parents[2]
FILES = {
    "realnvp": "bench/models/realnvp.py",
    "maf": "bench/models/maf.py",
    "nsf-coupling": "bench/models/nsf_coupling.py",
    "realnvp-nflows": "baselines/realnvp_nflows.py",
    "maf-nflows": "baselines/maf_nflows.py",
    "nsf-coupling-nflows": "baselines/nsf_coupling_nflows.py",
}


def build(name: str, dim: int = 3, **settings: object) -> Adapted:
    (entry,) = read(ROOT / FILES[name])
    assert entry.name == name
    assert entry.family == "flow"
    torch.manual_seed(0)
    return adapt(load_function(entry)(SimpleNamespace(dim=dim), **settings))


@pytest.fixture(params=FILES)
def model(request: pytest.FixtureRequest) -> Adapted:
    return build(request.param)


def test_log_prob_is_base_plus_logabsdet(model):
    x = torch.randn(20, 3)
    z, logabsdet = model.transform(x)
    base = torch.distributions.Normal(0, 1).log_prob(z).sum(1)
    torch.testing.assert_close(model.log_prob(x), base + logabsdet)
    with torch.no_grad():
        torch.testing.assert_close(model.inverse(z), x, atol=1e-4, rtol=1e-4)


def test_a_float64_copy_samples(model):
    twin = adapt(model.obj.double())
    assert twin.sample(5).shape == (5, 3)
    assert twin.sample(5).dtype == torch.float64


def test_samples_follow_the_global_seed(model):
    draws: list[torch.Tensor] = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(model.sample(4))
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(draws[2])


def test_parameters_can_be_trained(model):
    assert model.trainable
    x = torch.randn(64, 3) * torch.tensor([0.5, 1.0, 1.5])
    optimizer = torch.optim.Adam(model.module.parameters(), 5e-3)
    losses = []
    for _ in range(25):
        loss = -model.log_prob(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("name", ["realnvp", "maf", "nsf-coupling"])
def test_a_reference_converts_to_its_twin(name):
    reference, own = build(f"{name}-nflows"), build(name)
    converted = adapt(reference.convert())
    x = torch.randn(20, 3)
    torch.testing.assert_close(converted.log_prob(x), own.log_prob(x))
    assert own.convert is None
    assert converted.map_only(x).equal(converted.transform(x)[0])


def test_what_has_no_counterpart_offers_no_conversion():
    from nflows.flows import SimpleRealNVP

    flow = SimpleRealNVP(3, 8, 2, 1, batch_norm_within_layers=True)
    assert adapt(flow).convert is not None  # a conditioner is copied as it is
    flow._distribution = torch.nn.Identity()
    assert adapt(flow).convert is None


def test_a_bare_distribution_has_no_transform():
    from nflows.distributions import StandardNormal

    base = adapt(StandardNormal([3]))
    assert base.log_prob(torch.zeros(2, 3)).shape == (2,)
    assert base.sample(4).shape == (4, 3)
    assert base.transform is None
    assert base.convert is None


@pytest.mark.parametrize("name", ["maf", "maf-nflows"])
def test_hidden_units_suffice_for_every_dependency(name):
    model = build(name, dim=20, hidden=4, layers=1)
    widths = {n: len(p) for n, p in model.module.named_parameters()}
    assert {w for n, w in widths.items() if n.endswith("initial_layer.weight")} == {20}
