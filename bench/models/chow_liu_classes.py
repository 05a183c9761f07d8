"""A Chow-Liu tree for each class, summed over the classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import counts, draw, level_count, log_marginals
from bench.models._trees import Tree, refuse_large
from bench.trees import conditionals, mutual_information, pair_masses, spanning_tree

SHRINKS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)  #: pseudo-points of a pair's table tried
ROUNDS = 5  #: of proportional fitting


@model(
    "chow-liu-classes",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="tree",
    paper="Chow and Liu 1968, doi 10.1109/TIT.1968.1054142",
    labelled=True,
)
def build(data: DataSpec, alpha: float = 1.0, prior: float = 30.0) -> ClassTrees:
    """p(x) = sum_y p(y) p_y(x), each p_y a tree: trained with labels, scored without.

    The pair tables of a class are drawn towards those of all points, given the marginals of the
    class, by the number of pseudo-points that is best for the validation points; then these are
    counted, too.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2), and labels.
        alpha: pseudo-count per cell of a pair's table of all points.
        prior: pseudo-points, spread as all points, of the marginals of a class.

    Raises UsageError as chow-liu does, and for data without labels.
    """
    labels, more = data.train_labels, data.valid_labels
    if labels is None or more is None:
        raise UsageError("chow-liu-classes needs labelled data; use chow-liu")
    levels, classes = level_count(data), data.classes
    refuse_large("chow-liu-classes", data.dim, levels, min(alpha, prior))

    def counted(x: Tensor, y: Tensor) -> list[tuple[int, Tensor, Tensor]]:
        """Of each class: how many, their pair tables, those of all moved to its marginals."""
        whole, marginals = pair_masses(x, levels, alpha), log_marginals(x, levels).exp()
        found = []
        for part in (x[y == c] for c in range(classes)):
            n = len(part)
            own = pair_masses(part, levels, 0.0) if n else torch.zeros(())
            one = (counts(part, levels) + prior * marginals) / (n + prior)
            found.append((n, own, given_marginals(whole, one)))
        return found

    tables = counted(data.train, labels)
    scores = {s: float(trees_of(tables, s).log_prob(data.valid).mean()) for s in SHRINKS}
    best = max(SHRINKS, key=lambda s: scores[s])
    return trees_of(counted(data.train_valid, torch.cat([labels, more])), best)


def trees_of(tables: list[tuple[int, Tensor, Tensor]], shrink: float) -> ClassTrees:
    """A tree for each class from its size and pair tables, and `shrink` points of other tables."""
    trees = []
    for n, own, near in tables:
        joint = (n * own + shrink * near) / (n + shrink)
        parent, depth = spanning_tree(mutual_information(joint))
        trees.append(Tree(conditionals(joint, parent), parent, depth))
    size = torch.tensor([n + 1.0 for n, _, _ in tables], dtype=torch.float64)
    return ClassTrees((size / size.sum()).log(), trees)


def given_marginals(joint: Tensor, marginals: Tensor) -> Tensor:
    """The pair tables joint [D, D, K, K] moved to other marginals [D, K], odds ratios unchanged.

    A few rounds of iterative proportional fitting (Deming and Stephan 1940).
    """
    for _ in range(ROUNDS):
        joint = joint * (marginals[:, None] / joint.sum(3))[..., None]
        joint = joint * (marginals[None] / joint.sum(2))[..., None, :]
    return joint


class ClassTrees(nn.Module):
    """A mixture of trees with a weight for each, log_weight [classes], nats."""

    log_weight: Tensor

    def __init__(self, log_weight: Tensor, trees: list[Tree]) -> None:
        super().__init__()
        self.register_buffer("log_weight", log_weight)
        self.trees = nn.ModuleList(trees)

    def joint(self, x: Tensor) -> Tensor:
        """log p(y, x) of every class y, nats [B, classes], for integers x [B, D]."""
        return torch.stack([tree.log_prob(x) for tree in self.trees], 1) + self.log_weight

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, float64 [B]."""
        return torch.logsumexp(self.joint(x), 1)

    def classify(self, x: Tensor) -> Tensor:
        """log p(y | x), [B, classes]."""
        return self.joint(x).log_softmax(1)

    def sample(self, n: int) -> Tensor:
        """n draws, a class first for each, int64 [n, D]."""
        which = draw(self.log_weight.expand(n, -1))
        x = torch.empty(n, len(self.trees[0].parent), dtype=torch.int64, device=which.device)
        for y, tree in enumerate(self.trees):
            x[which == y] = tree.sample(int((which == y).sum()))
        return x

    def impute(self, x: Tensor, known: Tensor) -> Tensor:
        """x [n, D] with exact conditional draws in place of what is not known, int64 [n, D].

        `known`: bool [n, D] or [D]. What x holds elsewhere does not matter.
        """
        x, known = x.long(), known.expand(x.shape)
        seen = torch.stack([tree.log_marginal(x, known) for tree in self.trees], 1)
        which = draw((seen + self.log_weight).log_softmax(1))
        filled = x.clone()
        for y, tree in enumerate(self.trees):
            rows = which == y
            filled[rows] = tree.impute(x[rows], known[rows])
        return filled
