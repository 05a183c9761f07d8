"""Known densities along curves of the plane: the exact laws of the usual toy samplers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench import dataset
from bench.datasets._folded import FoldedPinwheel
from bench.datasets._plane import Copies, Pinwheel, TwoArms, ring_entropy
from bench.datasets.known_truth_2d import Rings


class Circles(Rings):
    """Two circles, the noise wider than that of the rings."""

    entropy = 3.268135711706
    radii = (3.0, 1.5)
    sd = 0.24


class Circle(Rings):
    """One circle."""

    entropy = ring_entropy(2.0, 0.1)
    radii = (2.0,)
    sd = 0.1


def arc(v: Tensor) -> Tensor:
    """The upper moon about the centre of both: half a circle of radius 2."""
    return torch.stack([2 * (math.pi * v).cos() - 1, 2 * (math.pi * v).sin() - 0.5], -1)


def spiral(v: Tensor) -> Tensor:
    """One and a half turns of an Archimedean spiral, out to radius pi."""
    t = 3 * math.pi * v
    return torch.stack([-t * t.cos() / 3, t * t.sin() / 3], -1)


def two_arms_of_spirals(box: float, entropy: float) -> TwoArms:
    """Two spirals, uniform in t^2, each point moved within a box at its corner."""
    return TwoArms(spiral, 0.1, 400, entropy, power=2, box=box)


@dataset(
    "circles",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367, with independent angles",
    licence="generated",
    citation="arXiv 1810.01367",
)
def circles() -> Circles:
    """Circles of radius 3 and 1.5 with noise of standard deviation .24."""
    return Circles()


@dataset(
    "four-circles",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the toy data of neural spline flows, arXiv 1906.04032",
    licence="generated",
    citation="arXiv 1906.04032",
)
def four_circles() -> Copies:
    """Overlapping circles of radius 2 around (-1, -1), (-1, 1), (1, -1), (1, 1), noise .1."""
    shifts = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    return Copies(Circle(), shifts, entropy=2.870819017582)


@dataset(
    "moons",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367, with independent angles",
    licence="generated",
    citation="arXiv 1810.01367",
)
def moons() -> TwoArms:
    """Two half circles of radius 2, interleaved, with noise of standard deviation .2."""
    return TwoArms(arc, 0.2, 128, entropy=1.007584834846 + math.log(4), centre=(0.0, 0.3))


@dataset(
    "two-spirals",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367",
    licence="generated",
    citation="arXiv 1810.01367",
)
def two_spirals() -> TwoArms:
    """Each point is moved within a square of side 1/6, then by noise of standard deviation .1."""
    return two_arms_of_spirals(1 / 6, entropy=2.645450283604)


@dataset(
    "pinwheel",
    kind="continuous",
    shape=[2],
    truth=True,
    source="FFJORD's toy data, arXiv 1810.01367, the twist made to keep areas",
    licence="generated",
    citation="arXiv 1810.01367",
)
def pinwheel() -> Pinwheel:
    """Five twisted arms; see `Pinwheel` for what differs from the usual sampler."""
    return Pinwheel()


@dataset(
    "folded-pinwheel",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367",
    licence="generated",
    citation="arXiv 1810.01367",
)
def folded_pinwheel() -> FoldedPinwheel:
    """Five twisted arms as the usual sampler has them: where they fold over, p has poles."""
    return FoldedPinwheel()
