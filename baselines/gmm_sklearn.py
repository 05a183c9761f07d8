"""scikit-learn's mixture of normals, its size chosen on the validation points."""

from __future__ import annotations

import warnings

import numpy
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from bench import model
from bench.contract import DataSpec

LADDER = (1, 2, 4, 8, 16, 32)
SELECTION = 4000  #: train points that choose the size


@model("gmm-sklearn", implementation="scikit-learn", family="mixture", requires=["scikit-learn"])
def build(
    data: DataSpec,
    components: int | None = None,
    covariance: str | None = None,
    reg_covar: float = 1e-4,
) -> GaussianMixture:
    """EM from k-means on some train points, then on all train and validation points; float64.

    Args:
        data: points [N, D] in the model's space.
        components: number of normals; None: the best on the validation points, up the ladder until
            two sizes in a row gain nothing.
        covariance: "full", "diag", "tied" or "spherical"; None: the better of full and diagonal.
        reg_covar: added to the diagonal of each covariance, in units of standardised data.
    """
    kinds = [covariance] if covariance else ["full", "diag"]
    chosen = max((_best(data, components, kind, reg_covar) for kind in kinds), key=lambda c: c[0])
    return _refit(chosen[1], data.train_valid.double().numpy())


def _best(
    data: DataSpec, components: int | None, kind: str, reg_covar: float
) -> tuple[float, GaussianMixture]:
    """The best validation score of one kind of covariance, and its mixture."""
    train, valid = data.train[:SELECTION].double().numpy(), data.valid.double().numpy()
    tried: list[tuple[float, GaussianMixture]] = []
    for size in [components] if components else LADDER:
        if size > len(train):
            break
        mixture = GaussianMixture(size, covariance_type=kind, reg_covar=reg_covar)
        mixture.set_params(random_state=int(torch.randint(2**31 - 1, ())))
        tried.append((_quietly(mixture, train).score(valid), mixture))
        if len(tried) > 2 and max(s for s, _ in tried[-2:]) <= max(s for s, _ in tried[:-2]):
            break
    return max(tried, key=lambda t: t[0])


def _refit(chosen: GaussianMixture, points: numpy.ndarray) -> GaussianMixture:
    """EM on all points, started at the mixture chosen."""
    start = {
        "weights_init": chosen.weights_,
        "means_init": chosen.means_,
        "precisions_init": chosen.precisions_,
    }
    return _quietly(GaussianMixture(**{**chosen.get_params(), **start}), points)


def _quietly(mixture: GaussianMixture, points: numpy.ndarray) -> GaussianMixture:
    """Fit; EM stopped at its limit of rounds is still a density, so that is no warning here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(points)
