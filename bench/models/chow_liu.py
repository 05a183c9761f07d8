"""The Chow-Liu tree: the best model in which each coordinate has at most one parent."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._trees import Tree, refuse_large
from bench.trees import fit_tree


@model(
    "chow-liu",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="tree",
    paper="Chow and Liu 1968, doi 10.1109/TIT.1968.1054142",
)
def build(data: DataSpec, alpha: float = 1.0) -> Tree:
    """p(x) = p(x_root) prod_i p(x_i | x_parent(i)) on the train and validation points.

    Every cell of every pair's K x K table of counts gets `alpha` (an equivalent sample size of
    alpha K^2), so that p(x_i, x_j) = (c_ij + alpha) / (N + alpha K^2) and
    p(x_i) = (c_i + alpha K) / (N + alpha K^2). These agree with each other, so the root does not
    matter. The tree is the maximum spanning tree of the mutual information of these tables.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        alpha: pseudo-count per cell of a pair's table; more means nearer to uniform.

    Raises:
        UsageError: D K is too large for the table of all pairs, or alpha is not positive.
    """
    levels = level_count(data)
    refuse_large("chow-liu", data.dim, levels, alpha)
    fitted = fit_tree(data.train_valid, levels, alpha)
    return Tree(fitted.log_table, fitted.parent, fitted.depth)
