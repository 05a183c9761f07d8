"""A gated PixelCNN given the class, summed over classes (arXiv 1606.05328, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.levels import invert, level_count
from bench.models._pixels import Pixels, image_shape, separate
from bench.models._snakes import raster
from bench.models._two_stacks import TwoStacks


@model(
    "pixelcnn-gated-classes",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1606.05328",
    labelled=True,
    images=True,
    layout="shaped",
)
def build(
    data: DataSpec,
    hidden: int = 32,
    layers: int = 5,
    kernel: int = 7,
    dropout: float = 0.3,
    components: int = 5,
) -> ClassSum:
    """p(x) = sum_y p(y) p(x | y): trained with labels, scored without.

    Args:
        data: integer images [N, C, H, W] or [N, H, W] with K levels (binary: K = 2), and labels.
        hidden, layers, kernel, dropout, components: as in pixelcnn-gated. A class adds a bias to
            both stacks of every layer.
    """
    if data.train_labels is None or data.classes < 1:
        raise UsageError("pixelcnn-gated-classes needs labelled data; use pixelcnn-gated")
    shape = image_shape(data)
    head = separate(level_count(data), components, shape[0])
    stacks = TwoStacks(shape, head.size, hidden, layers, kernel, dropout, data.classes)
    net = Pixels(shape, stacks, head, raster(*shape[1:])[None])
    net.start_at(data.train)
    return ClassSum(net, data.shape, data.train_labels.bincount(minlength=data.classes))


class ClassSum(nn.Module):
    """A mixture over classes of one network's densities, its weights the classes' frequencies."""

    def __init__(self, net: Pixels, shape: tuple[int, ...], counts: Tensor) -> None:
        """`counts` [classes]: points of each class, one more of each assumed."""
        super().__init__()
        self.net, self.shape, self.dim = net, shape, net.pixels * net.channels
        self.register_buffer("log_counts", (counts + 1.0).log())

    @property
    def log_prior(self) -> Tensor:
        """log p(y), nats [classes]."""
        return torch.log_softmax(self.log_counts, 0)

    @property
    def order(self) -> Tensor:
        """Position of each coordinate, int64 [D]."""
        return self.net.positions()

    def conditional_log_prob(self, x: Tensor, labels: Tensor) -> Tensor:
        """log p(x | y), nats [B], for labels int64 [B]."""
        return self.net.terms(x, labels=labels).sum(1)

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        """-log p(x, y), nats [B], for labels int64 [B]."""
        return -self.conditional_log_prob(x, labels) - self.log_prior[labels]

    def joint(self, x: Tensor) -> Tensor:
        """log p(x, y) of every class y, nats [B, classes]."""
        found = [self.conditional_log_prob(x, labels) for labels in self._every_class(x)]
        return torch.stack(found, 1) + self.log_prior

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, *shape] in nats, [B]."""
        return torch.logsumexp(self.joint(x), 1)

    def classify(self, x: Tensor) -> Tensor:
        """log p(y | x), [B, classes]."""
        return torch.log_softmax(self.joint(x), 1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K].

        A mixture of the classes' own, weighted by p(y | the coordinates before).
        """
        x, order = x.long(), self.order
        tables, seen = [], []
        for labels in self._every_class(x):
            table = self.net.tables(x, labels=labels)
            term = table.gather(2, x.flatten(1)[:, :, None])[:, :, 0]
            in_turn = term[:, order.argsort()]
            before = F.pad(in_turn.cumsum(1)[:, :-1], (1, 0))[:, order]
            tables.append(table)
            seen.append(before + self.log_prior[labels][:, None])
        weight = torch.log_softmax(torch.stack(seen), 0)
        return torch.logsumexp(torch.stack(tables) + weight[..., None], 0)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws, a class first for each, int64 [n, *shape]."""
        u = self.net.uniforms(n)
        labels = invert(self.log_prior.expand(n, -1), torch.rand(n, dtype=u.dtype, device=u.device))
        return self.net.levels_of(u, labels=labels).reshape(n, *self.shape)

    def _every_class(self, x: Tensor) -> list[Tensor]:
        """Labels [B] of each class in turn."""
        n = len(self.log_prior)
        return [torch.full((len(x),), y, device=x.device) for y in range(n)]
