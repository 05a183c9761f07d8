"""A mass from log-weights, and noise taken out of it, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from bench.checks import _mass, _noise


def _normals(seed: int, n: int, shift: float, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-ratios q / p of q = N(shift, scale^2) to p = N(0, 1), at n draws of p and of q."""
    generator = torch.Generator().manual_seed(seed)
    x, z = torch.randn(2, n, generator=generator, dtype=torch.float64)
    y = shift + scale * z

    def log_w(v: torch.Tensor) -> torch.Tensor:
        return (v.square() - ((v - shift) / scale).square()) / 2 - math.log(scale)

    return log_w(x), log_w(y)


#: (shift, scale) of q: alike, narrower, wider, apart, as good as disjoint
PAIRS = [(0.1, 1.0), (0.5, 0.6), (0.0, 3.0), (2.0, 1.0), (12.0, 0.3)]
EXACT = _noise.Noise("exact")


@pytest.mark.parametrize("pair", PAIRS)
def test_no_honest_mass_is_certainly_wrong(pair: tuple[float, float]) -> None:
    for seed in range(40):
        of_p, of_q = _normals(seed, 1000, *pair)
        assert _mass.certain(of_p, 14.0) == _mass.certain(-of_q, 14.0) == 0


@pytest.mark.parametrize("pair", PAIRS[:4])
@pytest.mark.parametrize("log_mass", [1.0, 3.0, 8.0])
def test_a_mass_far_off_is_certain_and_never_overstated(
    pair: tuple[float, float], log_mass: float
) -> None:
    of_p, of_q = _normals(1, 4000, *pair)
    assert 0 <= _mass.certain(of_p + log_mass, 14.0) <= log_mass
    assert 0 <= _mass.certain(-of_q + log_mass, 14.0) <= log_mass
    assert max(_mass.certain(of_p + log_mass, 14.0), _mass.certain(-of_q + log_mass, 14.0)) > 0


def test_rare_heavy_weights_convict_only_where_they_are_too_many() -> None:
    """A share s of weights e^8 is honest up to s = e^-8."""
    few, many = (torch.full((100_000,), -math.inf, dtype=torch.float64) for _ in range(2))
    few[:30], many[:300] = 8.0, 8.0
    assert _mass.certain(few, 14.0) == 0
    assert 0 < _mass.certain(many, 14.0) < math.log(0.003) + 8


@pytest.mark.parametrize("pair", PAIRS[:4])
@pytest.mark.parametrize("mass", [1.0, 1.3, 0.5])
def test_bridges_estimate_the_mass_from_draws_of_both(
    pair: tuple[float, float], mass: float
) -> None:
    z = []
    for seed in range(60):
        of_p, of_q = _normals(seed, 1500, *pair)
        found, error, doubt = _mass.bridge(
            EXACT, (of_p + math.log(mass))[None], (of_q[:900] + math.log(mass))[None], 0.01
        )
        assert not doubt
        z.append(math.log(found / mass) / error)
    assert abs(float(torch.tensor(z).mean())) < 0.6
    assert float(torch.tensor(z).abs().max()) < 4.5


def test_bridges_say_where_nothing_overlaps() -> None:
    of_p, of_q = _normals(0, 1000, 12.0, 0.3)
    assert "hardly any" in _mass.bridge(EXACT, of_p[None], of_q[None], 0.01)[2]


@pytest.mark.parametrize("sd", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("kind", ["stochastic", "unbiased", "skewed"])
def test_noise_leaves_no_bias_in_the_mean_of_exponentials(kind: str, sd: float) -> None:
    generator = torch.Generator().manual_seed(2)
    draws = 32 if sd == 1 else 4
    e = torch.randn(draws, 200_000, generator=generator, dtype=torch.float64)
    if kind == "skewed":
        e = -1 - torch.rand(e.shape, generator=generator, dtype=torch.float64).log()
    values = sd * e - (sd**2 / 2 if kind == "unbiased" else 0.0)
    noise = _noise.Noise("unbiased" if kind == "unbiased" else "stochastic", draws)
    assert float(noise.log_density(values).exp().mean()) == pytest.approx(1, abs=0.004)


def test_noise_leaves_no_bias_in_barkers_flow() -> None:
    """v / (1 + e^-v) at 0; without the jackknife its mean is .02."""
    generator = torch.Generator().manual_seed(2)
    values = 0.6 * torch.randn(4, 400_000, generator=generator, dtype=torch.float64)
    found = _noise.Noise("stochastic", 4).settled(lambda v: v * torch.sigmoid(v), values)
    assert abs(float(found.mean())) < 0.002
