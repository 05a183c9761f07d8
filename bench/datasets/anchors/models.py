"""The models of the anchors by name: each fits rows and scores others."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.datasets.anchors import expected_gaussian, real_values, sound, tree
from bench.datasets.anchors.counts import (
    best_factorised,
    categorical,
    expected_bits,
    per_channel,
)
from bench.datasets.anchors.noisy_gaussian import noisy_gaussian
from bench.datasets.anchors.score import Score

#: (rows that are fitted, rows that are scored, levels or 0) -> score
Model = Callable[[Any, Any, int], Score]

ALPHA = 1e-6  #: of the logits, MAF's for MNIST


def _uniform(fit: Any, test: Any, levels: int) -> Score:
    return Score(-test.shape[1] * math.log(levels), test.shape[1])


def _on_levels(fit: Any, test: Any, levels: int, full: bool, shrunk: float = 0.0) -> Score:
    fitted = expected_gaussian.fit(fit, expected_gaussian.as_they_are(levels), full)
    return (fitted.shrunk(shrunk) if shrunk else fitted).score(test)


def _on_logits(fit: Any, test: Any, levels: int, full: bool) -> Score:
    return expected_gaussian.fit(fit, expected_gaussian.logits(levels, ALPHA), full).score(test)


def _real(function: Callable[..., Score], **settings: Any) -> Model:
    """A model of real values, which have no levels."""
    return lambda fit, test, levels: function(fit, test, **settings)


def _autoregression(order: int) -> Model:
    def model(fit: Any, test: Any, levels: int) -> Score:
        return real_values.autoregression(np.concatenate([fit, test]), order, len(test))

    return model


MODELS: dict[str, Model] = {
    "uniform": _uniform,
    "categorical(1)": categorical,
    "categorical(1) per channel": per_channel,
    "categorical(1) per sample": _real(sound.independent_samples),
    "independent pixels, at best": best_factorised,
    "Bernoulli(1)": categorical,
    "Bernoulli(1) of random bits": expected_bits,
    "bigram(1)": _real(sound.bigram),
    "Chow-Liu(1)": partial(tree.chow_liu, alpha=1.0),
    "Chow-Liu(1/17)": partial(tree.chow_liu, alpha=1 / 17),
    "Chow-Liu(1/289)": partial(tree.chow_liu, alpha=1 / 289),
    "E-Gauss diagonal": partial(_on_levels, full=False),
    "E-Gauss full": partial(_on_levels, full=True),
    "E-Gauss shrunk .05": partial(_on_levels, full=True, shrunk=0.05),
    "E-Gauss shrunk .1": partial(_on_levels, full=True, shrunk=0.1),
    "E-Gauss diagonal, logit 1e-6": partial(_on_logits, full=False),
    "E-Gauss full, logit 1e-6": partial(_on_logits, full=True),
    "Gaussian, logit 1e-6, seed 42": partial(noisy_gaussian, alpha=ALPHA, seed=42),
    "Gaussian diagonal": _real(real_values.gaussian, full=False),
    "Gaussian full": _real(real_values.gaussian),
    **{f"AR({order})": _autoregression(order) for order in (0, 1, 2, 9)},
}
