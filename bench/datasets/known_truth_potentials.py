"""The four potentials on which normalizing flows were first shown, as exact densities."""

from __future__ import annotations

import math

from torch import Tensor

from bench import dataset
from bench.datasets._densities import LOG_2PI
from bench.datasets._plane import Bands, TwoHumps


def wave(x: Tensor) -> Tensor:
    """w_1, a sine of period 4."""
    return (math.pi / 2 * x).sin()


def bump(x: Tensor) -> Tensor:
    """w_2, a Gaussian bump of height 3 at 1."""
    return 3 * (-((x - 1) / 0.6).square() / 2).exp()


def step(x: Tensor) -> Tensor:
    """w_3, a sigmoid step of height 3 at 1."""
    return 3 * ((x - 1) / 0.3).sigmoid()


@dataset(
    "rezende-u1",
    kind="continuous",
    shape=[2],
    truth=True,
    source="potential U_1 of Rezende & Mohamed, arXiv 1505.05770, table 1",
    licence="generated",
    citation="arXiv 1505.05770",
)
def rezende_u1() -> TwoHumps:
    """A ring that is heavy on its left and right."""
    return TwoHumps()


@dataset(
    "rezende-u2",
    kind="continuous",
    shape=[2],
    truth=True,
    source="potential U_2 of Rezende & Mohamed, arXiv 1505.05770, table 1, on abs(x_1) <= 4",
    licence="generated",
    citation="arXiv 1505.05770",
)
def rezende_u2() -> Bands:
    """One sine wave of standard deviation .4; h = ln 8 + ln(2 pi e .16) / 2."""
    return Bands([wave], [0.4], entropy=math.log(8 * 0.4) + (LOG_2PI + 1) / 2)


@dataset(
    "rezende-u3",
    kind="continuous",
    shape=[2],
    truth=True,
    source="potential U_3 of Rezende & Mohamed, arXiv 1505.05770, table 1, on abs(x_1) <= 4",
    licence="generated",
    citation="arXiv 1505.05770",
)
def rezende_u3() -> Bands:
    """A wave that splits into two at x_1 = 1 and comes together again."""
    return Bands([wave, lambda x: wave(x) - bump(x)], [0.35, 0.35], entropy=2.626706571167)


@dataset(
    "rezende-u4",
    kind="continuous",
    shape=[2],
    truth=True,
    source="potential U_4 of Rezende & Mohamed, arXiv 1505.05770, table 1, on abs(x_1) <= 4",
    licence="generated",
    citation="arXiv 1505.05770",
)
def rezende_u4() -> Bands:
    """A wave that splits into two, of sd .4 and .35, at x_1 = 1."""
    return Bands([wave, lambda x: wave(x) - step(x)], [0.4, 0.35], entropy=2.810073010529)
