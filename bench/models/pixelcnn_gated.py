"""Gated PixelCNN: two stacks of masked convolutions without a blind spot (arXiv 1606.05328)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.levels import level_count
from bench.models._pixels import OneOrder, Pixels, image_shape, separate
from bench.models._snakes import raster
from bench.models._two_stacks import TwoStacks


@model(
    "pixelcnn-gated",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1606.05328",
    images=True,
    layout="shaped",
)
def build(
    data: DataSpec,
    hidden: int = 32,
    layers: int = 5,
    kernel: int = 7,
    dropout: float = 0.25,
    components: int = 5,
) -> OneOrder:
    """p(x) = prod_i p(x_i | pixels above and to the left), all conditionals in one pass.

    Args:
        data: integer images [N, C, H, W] or [N, H, W] with K levels (binary: K = 2).
        hidden: features of a stack, rounded up to a multiple of the channels.
        layers: gated layers. With a first kernel of width 7 and 3 later on, `layers` + 2 columns
            to either side are seen: 5 layers see all of an image of 8 columns.
        kernel: odd width of the first layer.
        dropout: after each gate, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    shape = image_shape(data)
    head = separate(level_count(data), components, shape[0])
    stacks = TwoStacks(shape, head.size, hidden, layers, kernel, dropout)
    net = Pixels(shape, stacks, head, raster(*shape[1:])[None])
    net.start_at(data.train)
    return OneOrder(net, data.shape)
