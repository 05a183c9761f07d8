"""Variational dequantization: the noise's density, the bound, and its place in a cell."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bench import cell
from bench.contract import DataSpec
from bench.dequantization import Noise, Variational, variational
from bench.errors import PluginError
from bench.models.gaussian_diagonal import build as gaussian
from bench.models.realnvp import build as realnvp
from bench.pipeline.cells import plan
from bench.registry import discover
from bench.settings import Params

LEVELS, DIM = 3, 2


def spec(n: int = 400, layout: str = "flat") -> DataSpec:
    """Points on two of the nine states' corners and some of the others."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(LEVELS, (n, DIM), generator=generator)
    x[:, 1] = torch.where(torch.rand(n, generator=generator) < 0.8, x[:, 0], x[:, 1])
    return DataSpec(
        name="toy",
        kind="discrete",
        shape=(DIM,),
        levels=LEVELS,
        n_train=n,
        make_train=lambda: x,
        make_valid=lambda: x[:50],
    )


def states() -> Tensor:
    return torch.cartesian_prod(torch.arange(LEVELS), torch.arange(LEVELS))


def moved(noise: Noise) -> Noise:
    """The same network with other weights, so that q depends on x."""
    torch.manual_seed(3)
    torch.nn.init.normal_(noise.last.weight, std=0.1)
    torch.nn.init.normal_(noise.last.bias, std=0.2)
    return noise.double()


def built() -> Variational:
    torch.manual_seed(0)
    model = variational(realnvp, "flat")(spec(), hidden=8, layers=2)
    moved(model.noise)
    return model.double().eval()


def test_noise_is_uniform_at_the_start():
    with torch.no_grad():
        u, log_q = Noise(DIM, LEVELS)(states(), 500)
    assert float(log_q.abs().max()) < 1e-4
    assert float(u.mean()) == pytest.approx(0.5, abs=0.02)
    assert bool(((u > 0) & (u < 1)).all())


def test_noise_is_distributed_as_its_density_says():
    """E_q[1 / q] over an interval is its length."""
    noise = moved(Noise(1, LEVELS))
    with torch.no_grad():
        u, log_q = noise(torch.tensor([[1]]), 200_000)
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)
    for low, high in zip(edges[1:-2], edges[2:-1], strict=True):
        inside = ((u[:, 0, 0] > low) & (u[:, 0, 0] < high)).double()
        weight = inside * (-log_q[:, 0]).exp()
        error = float(weight.std()) / math.sqrt(len(weight))
        assert abs(float(weight.mean()) - 0.1) < 5 * error


@pytest.mark.parametrize("samples", [1, 16, 256])
def test_the_bound_holds_in_expectation(samples):
    """Against log P(x) by quadrature of the flow's density over the cell of each level."""
    model, x = built(), states()
    grid = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    u = torch.cartesian_prod(grid, grid)
    exact = []
    for row in x:
        y, ledger = model.space.chain(row + u)
        with torch.no_grad():
            log_p = model.adapted.log_prob(y) + ledger.sum(1)
        exact.append(torch.logsumexp(log_p, 0) - math.log(len(u)))
    torch.manual_seed(1)
    with torch.no_grad():
        found = torch.stack([model.log_prob(x, samples=samples) for _ in range(60)])
    slack = 5 * found.std(0) / math.sqrt(len(found)) + 1e-3
    gap = found.mean(0) - torch.stack(exact)
    assert bool((gap < slack).all())
    if samples == 256:
        assert bool((gap > -0.05 - slack).all())


def test_a_copy_is_of_its_own_weights():
    model = built()
    other = copy.deepcopy(model)
    for p in other.density.parameters():
        torch.nn.init.normal_(p, std=0.5)
    torch.manual_seed(0)
    one = model.log_prob(states(), samples=4)
    torch.manual_seed(0)
    assert not torch.equal(one, other.log_prob(states(), samples=4))


def test_samples_are_levels_and_every_parameter_learns():
    model = built()
    x = model.sample(100)
    assert x.dtype == torch.int64
    assert 0 <= int(x.min()) <= int(x.max()) < LEVELS
    model.loss(states()).mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_a_model_without_parameters_is_refused():
    with pytest.raises(PluginError, match="has no parameters to train"):
        variational(gaussian, "flat")(spec())


def test_a_cell_in_this_space_is_a_checked_bound(tmp_path):
    params = Params.model_validate(
        {
            "suite": "s",
            "suites": {
                "s": {
                    "datasets": {"audit-discrete-6": {"space": "variational"}},
                    "models": ["realnvp"],
                    "sizes": {"train": 1000, "valid": 200, "test": 200},
                    "train": {"steps": 30, "validations": 2},
                    "evaluate": {"bound_samples": 8, "check_points": 200, "time_seconds": 0.01},
                }
            },
        }
    )
    (planned,) = plan(params, discover())
    assert (planned.model.likelihood, planned.kind) == ("lower-bound", "discrete")
    record = cell.execute(replace(planned, settings={**planned.settings, "layers": 2}), None).record
    assert record.status == "ok", record.reason
    assert record.cell.likelihood == "lower-bound"
    assert record.score.dequantization == "variational"
    assert record.score.bound_samples == 8
