"""Known truths on awkward scales, two for each kind of data, on which every model is audited.

The small one of a pair can be summed or integrated exactly, the other has 64 coordinates.
"""

from __future__ import annotations

import torch

from bench import dataset
from bench.datasets._densities import Stretched
from bench.datasets._markov import MarkovChain, Picture, sticky_chain
from bench.datasets.known_truth_2d import eight_gaussians
from bench.datasets.known_truth_nd import DIM, awkward, linear_chain


@dataset(
    "audit-continuous-2",
    kind="continuous",
    shape=[2],
    truth=True,
    source="eight-gaussians, stretched",
    licence="generated",
)
def audit_continuous_2() -> Stretched:
    """Eight Gaussians on an ellipse around (5, -40), thirty times higher than wide."""
    return Stretched(eight_gaussians(), torch.tensor([0.1, 3.0]), torch.tensor([5.0, -40.0]))


@dataset(
    "audit-continuous-64",
    kind="continuous",
    shape=[64],
    truth=True,
    source="linear_chain in known_truth_nd.py; docs/spaces.md",
    licence="generated",
)
def audit_continuous_64() -> Stretched:
    """A linear Gaussian chain of correlation .5, on scales that span two decades."""
    return Stretched(linear_chain(DIM, 0.5), *awkward(DIM))


@dataset(
    "audit-discrete-6",
    kind="discrete",
    shape=[6],
    levels=4,
    truth=True,
    source="sticky_chain in _markov.py",
    licence="generated",
)
def audit_discrete_6() -> MarkovChain:
    """A Markov chain over four levels: 4096 states."""
    return sticky_chain(6, 4)


@dataset(
    "audit-discrete-64",
    kind="discrete",
    shape=[64],
    levels=5,
    truth=True,
    source="sticky_chain in _markov.py",
    licence="generated",
)
def audit_discrete_64() -> MarkovChain:
    """A Markov chain over five levels."""
    return sticky_chain(64, 5)


@dataset(
    "audit-binary-12",
    kind="binary",
    shape=[12],
    levels=2,
    truth=True,
    source="sticky_chain in _markov.py",
    licence="generated",
)
def audit_binary_12() -> MarkovChain:
    """A binary Markov chain: 4096 states."""
    return sticky_chain(12, 2)


@dataset(
    "audit-binary-64",
    kind="binary",
    shape=[64],
    levels=2,
    truth=True,
    source="sticky_chain in _markov.py",
    licence="generated",
)
def audit_binary_64() -> MarkovChain:
    """A binary Markov chain."""
    return sticky_chain(64, 2)


@dataset(
    "audit-image-12",
    kind="binary",
    shape=[1, 3, 4],
    levels=2,
    truth=True,
    classes=2,
    source="Picture in _markov.py",
    licence="generated",
)
def audit_image_12() -> Picture:
    """The binary Markov chain of 12 in three rows: 4096 pictures, for models of images."""
    return Picture(sticky_chain(12, 2), rows=3)


@dataset(
    "audit-image-64",
    kind="discrete",
    shape=[1, 8, 8],
    levels=5,
    truth=True,
    classes=2,
    source="Picture in _markov.py",
    licence="generated",
)
def audit_image_64() -> Picture:
    """The Markov chain over five levels in eight rows, for models of images."""
    return Picture(sticky_chain(64, 5), rows=8)
