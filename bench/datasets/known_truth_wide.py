"""Known densities in many dimensions; the functions of D give them in any other."""

from __future__ import annotations

from bench import dataset
from bench.datasets._densities import GaussianChain, GaussianMixture
from bench.datasets._laws import Beta, Exponential, Law, Logistic, StudentT
from bench.datasets._wide import Funnel, GaussianCopula, QuadtreeImage, hadamard_mixture
from bench.datasets.known_truth_nd import linear_chain


def cycling_copula(dim: int, rho: float) -> GaussianCopula:
    """Marginals Exp(1), logistic, t_5 and Beta(2, 5) in turn, normal scores of correlation rho."""
    laws: list[Law] = [Exponential(), Logistic(), StudentT(5), Beta(2, 5)]
    return GaussianCopula((laws * dim)[:dim], rho)


@dataset(
    "linear-ar-64",
    kind="continuous",
    shape=[64],
    truth=True,
    source="linear_chain in known_truth_nd.py",
    licence="generated",
)
def linear_ar_64() -> GaussianChain:
    """Stationary Gaussian AR(1) of unit variance and correlation .9."""
    return linear_chain(64, 0.9)


@dataset(
    "funnel-10",
    kind="continuous",
    shape=[10],
    truth=True,
    source="Neal (2003), Slice sampling, section 8",
    licence="generated",
    citation="Neal 2003, Annals of Statistics 31 (3)",
)
def funnel_10() -> Funnel:
    """Nine coordinates whose common scale spans decades, and its logarithm."""
    return Funnel(10)


@dataset(
    "hadamard-mixture-64",
    kind="continuous",
    shape=[64],
    truth=True,
    source="hadamard_mixture in _wide.py",
    licence="generated",
)
def hadamard_mixture_64() -> GaussianMixture:
    """Sixteen Gaussians of unit variance, 5.7 apart."""
    return hadamard_mixture(64, 16, 0.5)


@dataset(
    "gaussian-copula-16",
    kind="continuous",
    shape=[16],
    truth=True,
    source="cycling_copula in known_truth_wide.py",
    licence="generated",
)
def gaussian_copula_16() -> GaussianCopula:
    """Exponential, logistic, Student and beta marginals, each depending on its neighbours."""
    return cycling_copula(16, 0.6)


@dataset(
    "quadtree-32",
    kind="continuous",
    shape=[1, 32, 32],
    truth=True,
    source="QuadtreeImage in _wide.py",
    licence="generated",
)
def quadtree_32() -> QuadtreeImage:
    """A Gaussian image with structure at every scale; 5.4582149425 bits/dim."""
    return QuadtreeImage([64, 64, 128, 256, 512, 1024])
