"""scikit-learn's density estimators: any object with `score_samples` that returns log-densities.

GaussianMixture, BayesianGaussianMixture, KernelDensity, FactorAnalysis, PCA, and pipelines that end
in one of them (a scaling step inside a pipeline changes units without a Jacobian: leave scaling to
the harness). numpy works inside, so no gradients reach x.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from bench.adapters import Adapted
from bench.errors import PluginError

#: score_samples is something else than log p(x)
NO_DENSITY = ("BernoulliRBM", "IsolationForest", "LocalOutlierFactor", "OneClassSVM")


def adapt(obj: Any) -> Adapted:
    """The estimator behind the contract; one already fitted is taken as it is.

    Raises PluginError for an estimator without a log-density.
    """
    name = type(obj).__name__
    if not callable(getattr(obj, "score_samples", None)):
        raise PluginError(f"build returned {name}, which has no score_samples, so no density")
    if name in NO_DENSITY:
        raise PluginError(
            f"build returned {name}, whose score_samples is no log-density. Use GaussianMixture, "
            "KernelDensity or another estimator of a density"
        )
    return Adapted(
        obj=obj,
        log_prob=_log_prob(obj),
        sample=_sample(obj) if callable(getattr(obj, "sample", None)) else None,
        fit=None if _fitted(obj) else _fit(obj),
        differentiable=False,
    )


def _fitted(obj: Any) -> bool:
    try:
        check_is_fitted(obj)
    except NotFittedError:
        return False
    return True


def _seed() -> int:
    """A seed for scikit-learn from torch's global generator."""
    return int(torch.randint(2**31 - 1, ()))


def _fit(obj: Any) -> Any:
    def fit(spec: Any, budget: Any) -> None:
        if obj.get_params().get("random_state", 0) is None:
            obj.set_params(random_state=_seed())
        obj.fit(spec.train_valid.double().numpy())

    return fit


def _log_prob(obj: Any) -> Any:
    def log_prob(x: Tensor, samples: int | None = None, context: Tensor | None = None) -> Tensor:
        """Log-density in nats, float64 [B], on the device of x."""
        values = obj.score_samples(x.detach().cpu().double().numpy())
        return torch.as_tensor(values, dtype=torch.float64).to(x.device)

    return log_prob


def _sample(obj: Any) -> Any:
    """Draws from torch's global generator, in random order (mixtures return them by component)."""
    takes_seed = "random_state" in inspect.signature(obj.sample).parameters

    def sample(n: int) -> Tensor:
        if takes_seed:
            drawn = obj.sample(n, random_state=_seed())
        else:
            kept = obj.get_params().get("random_state")
            obj.set_params(random_state=_seed())
            drawn = obj.sample(n)
            obj.set_params(random_state=kept)
        points = torch.as_tensor(drawn[0] if isinstance(drawn, tuple) else drawn)
        return points[torch.randperm(n)].float()

    return sample
