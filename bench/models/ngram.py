"""An n-gram model: each symbol given the last few, wherever in the sequence it stands."""

from __future__ import annotations

import torch

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import level_count
from bench.models._backoff import BackOff, choose, fit


@model(
    "ngram",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="table",
)
def build(data: DataSpec, longest: int = 5) -> BackOff:
    """p(x) = prod_t p(x_t | x_{t-n} .. x_{t-1}), one table for all t.

    Tables back off from n symbols to n - 1 and so on (`_backoff.py`); the edge before the first
    symbol is a symbol of its own. n and the weights are those that are best for the validation
    points; then these are counted, too.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2), in the order of time.
        longest: largest n.

    Raises UsageError for a negative one.
    """
    if longest < 0:
        raise UsageError(f"ngram: longest must be at least 0, not {longest}")
    levels, dim = level_count(data), data.dim
    lag = torch.arange(dim)[:, None] - torch.arange(1, longest + 1)
    base, parents = torch.zeros(dim, dtype=torch.int64), torch.where(lag < 0, dim, lag)
    weights, _ = choose(data.train, data.valid, levels, base, parents)
    return fit(data.train_valid, levels, base, parents, weights)
