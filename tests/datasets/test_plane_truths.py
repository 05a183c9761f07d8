"""Known densities on the plane: mass and entropy by quadrature, sampler by counts in cells."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from truth_cases import (
    FAULTS,
    Axis,
    Integral,
    assert_cells_fit,
    assert_mass_and_entropy,
    draws,
    integrate,
)

from bench.contract import Density
from bench.datasets._densities import GaussianMixture
from bench.datasets._plane import TwoArms
from bench.datasets.known_truth_bent import bent_by
from bench.datasets.known_truth_curves import two_arms_of_spirals
from bench.registry import discover, load_function


class Case(NamedTuple):
    """Entropy in nats, the axes that hold the mass, and the density where it is not registered."""

    entropy: float
    x: Axis
    y: Axis
    density: Density | None = None


def square(side: float, panels: int, nodes: int = 16) -> tuple[Axis, Axis]:
    return (Axis.even(-side, side, panels, nodes),) * 2


def eight_gaussians(radius: float, sd: float) -> GaussianMixture:
    turns = [math.pi / 4 * k for k in range(8)]
    means = [[radius * math.cos(a), radius * math.sin(a)] for a in turns]
    return GaussianMixture([1 / 8] * 8, means, [sd] * 8, entropy=2.831578360526)


even = Axis.even
CASES = {
    "checkerboard": Case(math.log(32), *square(4, 16)),
    "eight-gaussians": Case(2.831880406138, *square(6, 24)),
    "rings": Case(2.623182770300, *square(4, 48)),
    "circles": Case(3.268135711706, *square(5, 20)),
    "four-circles": Case(2.870819017582, *square(4, 32)),
    "moons": Case(1.007584834846 + math.log(4), even(-4.6, 4.6, 16, 12), even(-3.4, 4, 13, 12)),
    "two-spirals": Case(2.645450283604, *square(4.5, 20, 8)),
    "spirals without a box": Case(
        2.540617894298, *square(4.5, 30, 8), two_arms_of_spirals(0.0, 2.540617894298)
    ),
    "pinwheel": Case(2.320588485100, *square(6.2, 48)),
    "crescent": Case(1.837877066409, even(-6.5, 6.5, 26), even(-4, 22, 40)),
    "crescent-cubed": Case(2.837877066409, even(-6.5, 6.5, 52), even(-62, 62, 62)),
    "sine-wave": Case(1.837877066409, even(-6.5, 6.5, 52), even(-4, 4, 24)),
    "absolute-value": Case(1.337877066409, even(-6.5, 6.5, 26), even(-3, 7.5, 40)),
    "sign": Case(1.337877066409, even(-6.5, 6.5, 52), even(-9, 9, 48)),
    "banana": Case(5.140462159403, even(-65, 65, 60), even(-132, 10, 48)),
    "banana bent thrice as much": Case(
        5.140462159403, even(-65, 65, 120), even(-380, 16, 110), bent_by(0.09)
    ),
    "rezende-u1": Case(2.660012535936, *square(5.4, 24)),
    "rezende-u2": Case(2.582089343010, even(-4, 4, 24), even(-4.5, 4.5, 24)),
    "rezende-u3": Case(2.626706571167, even(-4, 4, 24), even(-7, 4.5, 24)),
    "rezende-u4": Case(2.810073010529, even(-4, 4, 24), even(-7, 4.5, 24)),
    "eight Gaussians on exact diagonals": Case(
        2.831578360526, *square(6, 24), eight_gaussians(4 / math.sqrt(2), 0.5 / math.sqrt(2))
    ),
}
ELSEWHERE = {"audit-continuous-2", "folded-pinwheel"}  #: tested in files of their own


@cache
def density_of(name: str) -> Density:
    found: Density = CASES[name].density or load_function(discover().dataset(name))()
    return found


@cache
def integral(name: str) -> Integral:
    return integrate(density_of(name), CASES[name].x, CASES[name].y)


def test_every_density_on_the_plane_is_here() -> None:
    entries = discover().datasets.values()
    plane = {e.name for e in entries if e.truth and e.shape == (2,) and not e.context_dim}
    assert plane - ELSEWHERE == {name for name, case in CASES.items() if case.density is None}


@pytest.mark.parametrize("name", CASES)
def test_mass_and_entropy_by_quadrature(name: str) -> None:
    assert density_of(name).entropy == pytest.approx(CASES[name].entropy, abs=1e-11)
    assert_mass_and_entropy(density_of(name), integral(name))


@pytest.mark.parametrize("name", CASES)
def test_draws_fall_into_cells_by_their_mass(name: str) -> None:
    assert_cells_fit(density_of(name), integral(name), CASES[name].x, CASES[name].y, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_million_draws_fall_into_cells_by_their_mass(name: str) -> None:
    assert_cells_fit(density_of(name), integral(name), CASES[name].x, CASES[name].y, 1_000_000)


def assert_sound(density: Density, found: Integral, x: Axis, y: Axis) -> None:
    assert_mass_and_entropy(density, found)
    assert_cells_fit(density, found, x, y, 20_000)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["moons", "pinwheel", "rezende-u1", "sign"])
def test_a_planted_fault_is_found(name: str, fault: str) -> None:
    faulty, (_, x, y, _) = FAULTS[fault](density_of(name)), CASES[name]
    found = integral(name) if fault == "sample" else integrate(faulty, x, y)
    with pytest.raises(AssertionError):
        assert_sound(faulty, found, x, y)


@pytest.mark.parametrize("name", ["moons", "two-spirals", "spirals without a box"])
def test_twice_the_nodes_along_a_curve_change_nothing(name: str) -> None:
    arms = density_of(name)
    assert isinstance(arms, TwoArms)
    finer = TwoArms(
        arms.curve,
        arms.sd,
        2 * len(arms.points),
        arms.entropy,
        power=arms.power,
        box=arms.box,
        centre=arms.centre.tolist(),
    )
    x = draws(arms, 2000)
    torch.testing.assert_close(finer.log_prob(x), arms.log_prob(x), rtol=0, atol=1e-10)
    far = 100 * x
    assert arms.log_prob(far).isfinite().all()
    torch.testing.assert_close(finer.log_prob(far), arms.log_prob(far), rtol=1e-5, atol=0)


def w1(z: Tensor) -> Tensor:
    return torch.sin(2 * math.pi * z[:, 0] / 4)


def gauss(z: Tensor, sd: float) -> Tensor:
    return torch.exp(-0.5 * (z / sd) ** 2)


def u1(z: Tensor) -> Tensor:
    humps = gauss(z[:, 0] - 2, 0.6) + gauss(z[:, 0] + 2, 0.6)
    return 0.5 * ((z.norm(dim=1) - 2) / 0.4) ** 2 - humps.log()


def u2(z: Tensor) -> Tensor:
    return 0.5 * ((z[:, 1] - w1(z)) / 0.4) ** 2


def u3(z: Tensor) -> Tensor:
    w2 = 3 * gauss(z[:, 0] - 1, 0.6)
    return -(gauss(z[:, 1] - w1(z), 0.35) + gauss(z[:, 1] - w1(z) + w2, 0.35)).log()


def u4(z: Tensor) -> Tensor:
    w3 = 3 / (1 + torch.exp(-(z[:, 0] - 1) / 0.3))
    return -(gauss(z[:, 1] - w1(z), 0.4) + gauss(z[:, 1] - w1(z) + w3, 0.35)).log()


POTENTIALS = {
    "rezende-u1": (u1, 1.877501626110),
    "rezende-u2": (u2, 2.082089343010),
    "rezende-u3": (u3, 2.641705130946),
    "rezende-u4": (u4, 2.710698002433),
}


@pytest.mark.parametrize("name", POTENTIALS)
def test_a_potential_is_that_of_the_paper(name: str) -> None:
    potential, log_z = POTENTIALS[name]
    x = draws(density_of(name), 1000)
    expected = -potential(x) - log_z
    torch.testing.assert_close(density_of(name).log_prob(x), expected, rtol=0, atol=1e-11)


def test_there_is_nothing_beside_the_strip() -> None:
    x = torch.tensor([[4.1, 0.0], [-4.1, 0.0], [3.9, 0.0]], dtype=torch.float64)
    assert density_of("rezende-u3").log_prob(x).isfinite().tolist() == [False, False, True]
