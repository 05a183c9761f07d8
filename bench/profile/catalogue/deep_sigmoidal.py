"""Deep sigmoidal map of one layer of eight units (NAF, arXiv 1804.00779), parameters given."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows import DeepSigmoid
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._bisection import bisect
from bench.profile.catalogue._families import family

UNITS = 8


@kernel(
    "deep-sigmoidal",
    logdet="sum_i log sum_k w_k a_k s_k' - log c_i - log(1 - c_i), c = sum_k w_k s_k",
    paper="1804.00779",
    dims=[4, 8, 16, 32, 64],
    batch=32,
)
def case(size: Size) -> Case:
    """Logits of the weights, raw slopes and offsets of one map are adjacent."""
    elements = size.batch * size.dim
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"raw": size.normal(size.batch, size.dim, 3 * UNITS)},
        reference=textbook,
        numbers=(2 + 3 * UNITS) * elements + size.batch,
        flops=(18 * UNITS + 6) * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The paper's equation 8; 1 - c as a sum of its own."""

    def parts() -> tuple[Tensor, Tensor, Tensor]:
        weight, slope, offset = raw.chunk(3, -1)
        return weight.softmax(-1), F.softplus(slope) + 1e-3, offset

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        weight, slope, offset = parts()
        a = slope * x[..., None] + offset
        below, above = a.sigmoid(), (-a).sigmoid()
        c, rest = (weight * below).sum(-1), (weight * above).sum(-1)
        rate = (weight * slope * below * above).sum(-1)
        return (c / rest).log(), (rate / (c * rest)).log().sum(1)

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        _, slope, offset = parts()
        alone = (y[..., None] - offset) / slope  # what a unit alone would give
        x = bisect(lambda x: forward(x)[0], y, alone.amin(-1), alone.amax(-1))
        return x, -forward(x)[1]

    return Maps(forward, inverse)


# zuko's NAF computes its maps by a monotone network: another function
@implementation("in-house", kernel="deep-sigmoidal")
def in_house(raw: Tensor) -> Maps:
    """The family of `bench.flows`, by logarithms: its tails cannot underflow."""
    return family(DeepSigmoid(UNITS), raw)
