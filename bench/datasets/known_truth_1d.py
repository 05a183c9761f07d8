"""Known densities on the line."""

from __future__ import annotations

from bench import dataset
from bench.datasets._densities import GaussianMixture1d


@dataset(
    "claw",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Marron & Wand (1992), Exact mean integrated squared error, density 10",
    licence="generated",
    citation="Marron, Wand 1992, Annals of Statistics 20 (2)",
)
def claw() -> GaussianMixture1d:
    """N(0, 1)/2 and five narrow peaks N(l/2 - 1, .1^2)/10, l = 0..4."""
    return GaussianMixture1d(
        weights=[0.5] + [0.1] * 5,
        means=[0.0, -1.0, -0.5, 0.0, 0.5, 1.0],
        sds=[1.0] + [0.1] * 5,
        entropy=1.1927642157308746,
    )
