"""The other fourteen densities of Marron & Wand (1992): Gaussian mixtures that are hard to smooth.

Claw, their number 10, is in known_truth_1d.py. Entropies by quadrature, error below 1e-13 nats.
"""

from __future__ import annotations

from bench import dataset
from bench.datasets._densities import GaussianMixture1d


@dataset(
    "standard-normal",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 1",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def standard_normal() -> GaussianMixture1d:
    """N(0, 1)."""
    return GaussianMixture1d(
        weights=[1.0],
        means=[0.0],
        sds=[1.0],
        entropy=1.4189385332046727,
    )


@dataset(
    "skewed-unimodal",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 2",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def skewed_unimodal() -> GaussianMixture1d:
    """Three Gaussians that merge into one skewed peak."""
    return GaussianMixture1d(
        weights=[0.2, 0.2, 0.6],
        means=[0.0, 1 / 2, 13 / 12],
        sds=[1.0, 2 / 3, 5 / 9],
        entropy=1.1735005134427243,
    )


@dataset(
    "strongly-skewed",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 3",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def strongly_skewed() -> GaussianMixture1d:
    """Eight Gaussians, each narrower by a third than the last, towards a steep left end."""
    return GaussianMixture1d(
        weights=[1 / 8] * 8,
        means=[3 * ((2 / 3) ** k - 1) for k in range(8)],
        sds=[(2 / 3) ** k for k in range(8)],
        entropy=1.0014416004945268,
    )


@dataset(
    "kurtotic",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 4",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def kurtotic() -> GaussianMixture1d:
    """A peak of sd .1 on a wide base."""
    return GaussianMixture1d(
        weights=[2 / 3, 1 / 3],
        means=[0.0, 0.0],
        sds=[1.0, 0.1],
        entropy=1.0245470136816264,
    )


@dataset(
    "outlier",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 5",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def outlier() -> GaussianMixture1d:
    """A peak of sd .1; one point in ten comes from a base ten times as wide."""
    return GaussianMixture1d(
        weights=[0.1, 0.9],
        means=[0.0, 0.0],
        sds=[1.0, 0.1],
        entropy=-0.4298013771937098,
    )


@dataset(
    "bimodal",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 6",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def bimodal() -> GaussianMixture1d:
    """Two equal peaks."""
    return GaussianMixture1d(
        weights=[1 / 2, 1 / 2],
        means=[-1.0, 1.0],
        sds=[2 / 3, 2 / 3],
        entropy=1.540250731617882,
    )


@dataset(
    "separated-bimodal",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 7",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def separated_bimodal() -> GaussianMixture1d:
    """Two equal peaks, six standard deviations apart."""
    return GaussianMixture1d(
        weights=[1 / 2, 1 / 2],
        means=[-3 / 2, 3 / 2],
        sds=[1 / 2, 1 / 2],
        entropy=1.415089285673805,
    )


@dataset(
    "skewed-bimodal",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 8",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def skewed_bimodal() -> GaussianMixture1d:
    """A wide peak, and a narrow one on its shoulder."""
    return GaussianMixture1d(
        weights=[3 / 4, 1 / 4],
        means=[0.0, 3 / 2],
        sds=[1.0, 1 / 3],
        entropy=1.4516051145476425,
    )


@dataset(
    "trimodal",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 9",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def trimodal() -> GaussianMixture1d:
    """Two wide peaks, and a low narrow one between them."""
    return GaussianMixture1d(
        weights=[0.45, 0.45, 0.1],
        means=[-6 / 5, 6 / 5, 0.0],
        sds=[0.6, 0.6, 0.25],
        entropy=1.5695823453051794,
    )


@dataset(
    "double-claw",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 11",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def double_claw() -> GaussianMixture1d:
    """The bimodal density with seven spikes of sd .01 and mass 1/350 each."""
    return GaussianMixture1d(
        weights=[0.49, 0.49] + [1 / 350] * 7,
        means=[-1.0, 1.0] + [(k - 3) / 2 for k in range(7)],
        sds=[2 / 3, 2 / 3] + [0.01] * 7,
        entropy=1.5345945027086207,
    )


@dataset(
    "asymmetric-claw",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 12",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def asymmetric_claw() -> GaussianMixture1d:
    """N(0, 1)/2 and five peaks, narrower and lower by halves from left to right."""
    return GaussianMixture1d(
        weights=[1 / 2] + [2.0 ** (1 - k) / 31 for k in range(-2, 3)],
        means=[0.0] + [k + 1 / 2 for k in range(-2, 3)],
        sds=[1.0] + [2.0**-k / 10 for k in range(-2, 3)],
        entropy=1.4237593279541394,
    )


@dataset(
    "asymmetric-double-claw",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 13",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def asymmetric_double_claw() -> GaussianMixture1d:
    """The bimodal density, three narrow spikes on its left and three wider ones on its right."""
    return GaussianMixture1d(
        weights=[0.46, 0.46] + [1 / 300] * 3 + [7 / 300] * 3,
        means=[-1.0, 1.0] + [-k / 2 for k in (1, 2, 3)] + [k / 2 for k in (1, 2, 3)],
        sds=[2 / 3, 2 / 3] + [0.01] * 3 + [0.07] * 3,
        entropy=1.5152084501833274,
    )


@dataset(
    "smooth-comb",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 14",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def smooth_comb() -> GaussianMixture1d:
    """Six peaks, each half as wide and half as heavy as the one to its left."""
    return GaussianMixture1d(
        weights=[2.0 ** (5 - k) / 63 for k in range(6)],
        means=[(65 - 96 / 2**k) / 21 for k in range(6)],
        sds=[32 / 63 / 2**k for k in range(6)],
        entropy=1.4127007756589323,
    )


@dataset(
    "discrete-comb",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 15",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def discrete_comb() -> GaussianMixture1d:
    """Three wide and three narrow peaks."""
    return GaussianMixture1d(
        weights=[2 / 7] * 3 + [1 / 21] * 3,
        means=[(12 * k - 15) / 7 for k in range(3)] + [2 * k / 7 for k in (8, 9, 10)],
        sds=[2 / 7] * 3 + [1 / 21] * 3,
        entropy=1.4118985001978799,
    )
