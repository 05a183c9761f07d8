"""Affine map of each coordinate of each point: what a masked autoregressive layer applies."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows.autoregressive.affine import MIN_SCALE
from bench.kernels import triton
from bench.kernels.affine import scale_and_shift
from bench.kernels.operators.affine import affine
from bench.profile import Case, Maps, Size


@kernel(
    "elementwise-affine",
    logdet="sum_i log s_i, s = softplus(a) + 1e-3",
    baseline="nflows",
    paper="1705.07057",
)
def case(size: Size) -> Case:
    """s x + b with a and b of each coordinate adjacent, as a masked network gives them."""
    elements = size.batch * size.dim
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"raw": size.normal(size.batch, 2 * size.dim)},
        reference=textbook,
        numbers=4 * elements + size.batch,
        flops=6 * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The definition."""

    def parts() -> tuple[Tensor, Tensor]:
        a, b = raw[:, ::2], raw[:, 1::2]
        return F.softplus(a) + 1e-3, b

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s, b = parts()
        return s * x + b, s.log().sum(1)

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        s, b = parts()
        return (z - b) / s, -s.log().sum(1)

    return Maps(forward, inverse)


@implementation("in-house", kernel="elementwise-affine", modes=["eager", "triton"])
def in_house(raw: Tensor) -> Maps:
    """`bench.kernels`: one kernel with its row sum on a GPU."""

    def parts() -> tuple[Tensor, Tensor]:
        return scale_and_shift(raw.unflatten(1, (-1, 2)), MIN_SCALE)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        if triton.chosen(x.device):
            return affine(x, raw, MIN_SCALE, True, False)
        scale, shift = parts()
        return scale * x + shift, scale.log().sum(1)

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        if triton.chosen(z.device):
            return affine(z, raw, MIN_SCALE, True, True)
        scale, shift = parts()
        return (z - shift) / scale, -scale.log().sum(1)

    def value(x: Tensor) -> Tensor:
        if triton.chosen(x.device):
            return forward(x)[0]
        scale, shift = parts()
        return scale * x + shift

    return Maps(forward, inverse, value)


@implementation("nflows", kernel="elementwise-affine", requires=["nflows"])
def nflows(raw: Tensor) -> Maps:
    """The elementwise part of its masked affine layer, which has no other door.

    zuko's and normflows' affine maps take the logarithm of the scale: another function.
    """
    from nflows.transforms import MaskedAffineAutoregressiveTransform

    layer = MaskedAffineAutoregressiveTransform(raw.shape[1] // 2, hidden_features=1)
    return Maps(
        lambda x: layer._elementwise_forward(x, raw),
        lambda z: layer._elementwise_inverse(z, raw),
    )
