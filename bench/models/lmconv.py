"""LMConv in one S-shaped order: convolutions masked place by place (arXiv 2006.12486)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._locally_masked import LocallyMasked
from bench.models._pixels import OneOrder, Pixels, image_shape, separate
from bench.models._snakes import snakes


@model(
    "lmconv",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="2006.12486",
    images=True,
    layout="shaped",
)
def build(
    data: DataSpec,
    hidden: int = 32,
    layers: int = 6,
    kernel: int = 5,
    dropout: float = 0.2,
    components: int = 5,
) -> OneOrder:
    """p(x) = prod_i p(x_i | pixels before it on a path that turns round at every edge).

    Args:
        data: integer images [N, C, H, W] or [N, H, W] with K levels (binary: K = 2).
        hidden: features, rounded up to a multiple of the channels.
        layers: gated residual layers of width 3 behind the first.
        kernel: odd width of the first layer.
        dropout: after each gate, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    shape = image_shape(data)
    head = separate(level_count(data), components, shape[0])
    orders = snakes(*shape[1:])[:1]
    stacks = LocallyMasked(orders, shape[0], head.size, hidden, layers, kernel, dropout)
    net = Pixels(shape, stacks, head, orders)
    net.start_at(data.train)
    return OneOrder(net, data.shape)
