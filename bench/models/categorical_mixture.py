"""A mixture of independent tables by expectation maximisation; of Bernoullis, on binary data."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import level_count
from bench.models._mixtures import TableMixture, fit


@model(
    "categorical-mixture",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="mixture",
)
def build(data: DataSpec, components: int = 0, restarts: int = 2, steps: int = 100) -> TableMixture:
    """p(x) = sum_c w_c prod_i p_c(x_i).

    The tables of a component are drawn towards the marginals by pseudo-points. Their number is
    chosen for the validation points, as that of the components; then all points count.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        components: their number; 0: the best one for the validation points.
        restarts: of each fit, from training points drawn at random.
        steps: of expectation maximisation, at most.

    Raises UsageError for numbers out of range.
    """
    if not 0 <= components <= len(data.train):
        raise UsageError(
            f"categorical-mixture: components must be 1 to {len(data.train)}, the training points, "
            f"or 0 for the best number, not {components}"
        )
    if min(restarts, steps) < 1:
        raise UsageError("categorical-mixture: restarts and steps must be at least 1")
    return fit(data.train, data.valid, level_count(data), components, restarts, steps)
