"""Glow of nflows' parts (arXiv 1807.03039), put together as in the NSF paper (1906.04032)."""

from __future__ import annotations

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.nn.nets import ConvResidualNet
from nflows.transforms import (
    ActNorm,
    AffineCouplingTransform,
    CompositeTransform,
    MultiscaleCompositeTransform,
    OneByOneConvolution,
    SqueezeTransform,
    Transform,
)
from nflows.utils import create_mid_split_binary_mask
from torch import Tensor

from bench import model
from bench.contract import DataSpec
from bench.flows.images import image_shape


class ReshapeTransform(Transform):
    """Points [B, *input_shape] as [B, *output_shape], which nflows lacks."""

    def __init__(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.input_shape, self.output_shape = input_shape, output_shape

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """[B, *output_shape] and zeros [B]."""
        return inputs.reshape(-1, *self.output_shape), inputs.new_zeros(len(inputs))

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """[B, *input_shape] and zeros [B]."""
        return inputs.reshape(-1, *self.input_shape), inputs.new_zeros(len(inputs))


@model(
    "glow-nflows",
    implementation="nflows",
    twin="glow",
    requires=["nflows"],
    family="flow",
    paper="1807.03039",
    min_dim=2,
)
def build(
    data: DataSpec,
    channels: int = 32,
    levels: int = 3,
    steps: int = 4,
    blocks: int = 1,
    dropout: float = 0.0,
) -> Flow:
    """The reference of `glow`, for images with even sides and for vectors.

    Raises ValueError for images with one odd side, and for one channel with two.
    """

    def net(inputs: int, outputs: int) -> ConvResidualNet:
        return ConvResidualNet(
            inputs,
            outputs,
            hidden_channels=channels,
            num_blocks=blocks,
            dropout_probability=dropout,
        )

    def step(c: int) -> list[Transform]:
        mask = create_mid_split_binary_mask(c)
        return [ActNorm(c), OneByOneConvolution(c), AffineCouplingTransform(mask, net)]

    def level(squeeze: list[Transform], c: int) -> CompositeTransform:
        parts = [part for _ in range(steps) for part in step(c)]
        return CompositeTransform([*squeeze, *parts, OneByOneConvolution(c)])

    shape = image_shape(data.shape)
    sizes = _squeezed(shape, levels)
    if not sizes:
        transform: Transform = level([], shape[0])
        flat = ReshapeTransform(shape, (data.dim,))
        parts = [ReshapeTransform((data.dim,), shape), transform, flat]
        return Flow(CompositeTransform(parts), StandardNormal([data.dim]))
    transform = MultiscaleCompositeTransform(len(sizes))
    for c, h, w in sizes:
        transform.add_transform(level([SqueezeTransform()], c), (c, h, w))
    parts = [ReshapeTransform((data.dim,), shape), transform]
    return Flow(CompositeTransform(parts), StandardNormal([data.dim]))


def _squeezed(shape: tuple[int, int, int], levels: int) -> list[tuple[int, int, int]]:
    """(C, H, W) of each level, after its squeeze."""
    sizes = []
    c, h, w = shape
    for _ in range(levels):
        if h % 2 or w % 2:
            break
        c, h, w = 4 * c, h // 2, w // 2
        sizes.append((c, h, w))
        c //= 2
    if not sizes and (c == 1 or h * w % 2 == 0):
        raise ValueError(f"nflows squeezes both sides or none, not {h} x {w}: pad the images")
    return sizes
