"""Naive Bayes as a density: the mixture, over labelled classes, of independent tables."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import counts, level_count, log_marginals
from bench.models._mixtures import TableMixture

SHRINKS = [2.0**k for k in range(-1, 10)]  #: pseudo-points of a class tried


@model(
    "naive-bayes-mixture",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="mixture",
    labelled=True,
)
def build(data: DataSpec) -> NaiveBayes:
    """p(x) = sum_y p(y) prod_i p(x_i | y), from counts of the labelled points.

    The tables of a class are drawn towards the marginals by the number of pseudo-points that is
    best for the validation points; then these are counted, too.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2), and labels.
    """
    if data.train_labels is None or data.valid_labels is None:
        raise UsageError("naive-bayes-mixture needs labelled data; use categorical-mixture")
    levels, classes = level_count(data), data.classes

    def fitted(x: Tensor, y: Tensor, shrink: float) -> NaiveBayes:
        """Counts of x [N, D] and its labels y [N]."""
        prior = log_marginals(x, levels).exp()
        total = torch.stack([counts(x[y == c], levels) for c in range(classes)])
        mass = total + shrink * prior
        size = torch.bincount(y, minlength=classes).double()
        return NaiveBayes(((size + 1) / (len(y) + classes)).log(), mass.log().log_softmax(-1))

    def score(shrink: float) -> float:
        model = fitted(data.train, labels, shrink)
        return float(model.log_prob(data.valid).mean())

    labels = data.train_labels
    every = torch.cat([labels, data.valid_labels])
    return fitted(data.train_valid, every, max(SHRINKS, key=score))


class NaiveBayes(TableMixture):
    """A mixture whose components are the classes."""

    def classify(self, x: Tensor) -> Tensor:
        """log p(y | x), [B, classes]."""
        return self.joint(x).log_softmax(1)
