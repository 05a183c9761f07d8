"""The two smallest models of sounds in mu-law levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.datasets.anchors.counts import Array
from bench.datasets.anchors.score import Score

Sounds = Sequence[NDArray[np.integer]]

LEVELS = 256


def independent_samples(fit: Sounds, test: Sounds) -> Score:
    """One histogram of all samples, every count plus one. Nats per sample."""
    log_p = _log_marginal(fit)
    return Score(float(log_p[np.concatenate(test)].mean()), 1)


def bigram(fit: Sounds, test: Sounds) -> Score:
    """Each sample given the one before, every count plus one; the first by the histogram."""
    counts = np.ones((LEVELS, LEVELS))
    for sound in fit:
        np.add.at(counts, (sound[:-1], sound[1:]), 1)
    log_p = np.log(counts) - np.log(counts.sum(1, keepdims=True))
    first = _log_marginal(fit)
    nats = sum(first[s[0]] + log_p[s[:-1], s[1:]].sum() for s in test)
    return Score(float(nats / sum(map(len, test))), 1)


def _log_marginal(fit: Sounds) -> Array:
    counts = np.bincount(np.concatenate(fit), minlength=LEVELS) + 1.0
    return np.log(counts) - np.log(counts.sum())
