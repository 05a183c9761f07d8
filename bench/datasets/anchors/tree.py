"""The Chow-Liu tree with ties broken one way: some data have several, and they score apart."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch import Tensor

from bench import trees
from bench.datasets.anchors.score import Score

TIE = 12  #: decimals of a mutual information, nats; pairs that agree to all of them are tied


def chow_liu(
    fit: NDArray[np.integer], test: NDArray[np.integer], levels: int, alpha: float
) -> Score:
    """The tree of `bench.trees` with scipy's choice among tied edges; levels [N, D]."""
    joint = trees.pair_masses(_tensor(fit), levels, alpha)
    parent, depth = spanning_tree(trees.mutual_information(joint))
    tree = trees.ChowLiu(trees.conditionals(joint, parent), parent, depth)
    nats = float(tree.log_prob(_tensor(test)).mean())
    return Score(nats, fit.shape[1])


def spanning_tree(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum spanning tree of a symmetric [D, D] from node 0: parents and depths, [D].

    Weights are rounded first, so that the last bits, which differ between machines, break no tie.
    """
    rounded = -np.round(weight.numpy(), TIE) - 1  # no edge is zero, which would mean none
    np.fill_diagonal(rounded, 0)
    found = minimum_spanning_tree(rounded)
    order, parent = breadth_first_order(found, 0, directed=False)
    parent[0] = 0
    depth = np.zeros(len(parent), np.int64)
    for node in order[1:]:
        depth[node] = depth[parent[node]] + 1
    return torch.from_numpy(parent.astype(np.int64)), torch.from_numpy(depth)


def _tensor(x: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).long()
