"""CDF of a mixture of eight logistics, on the logit scale (Flow++, arXiv 1902.00275)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bench import implementation, kernel
from bench.flows import LogisticMixture
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._bisection import bisect
from bench.profile.catalogue._families import family

COMPONENTS = 8


@kernel(
    "mixture-cdf",
    logdet="sum_i log p(x_i) - log c_i - log(1 - c_i), p and c the mixture's density and CDF",
    paper="1902.00275",
    dims=[4, 8, 16, 32, 64],
    batch=32,
)
def case(size: Size) -> Case:
    """Logits of the weights, centres and raw scales of one mixture are adjacent."""
    elements = size.batch * size.dim
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"raw": size.normal(size.batch, size.dim, 3 * COMPONENTS)},
        reference=textbook,
        numbers=(2 + 3 * COMPONENTS) * elements + size.batch,
        flops=(19 * COMPONENTS + 6) * elements,
    )


def textbook(raw: Tensor) -> Maps:
    """The paper's equations 15 and 16 without their last affine map; 1 - c as a sum of its own."""

    def parts() -> tuple[Tensor, Tensor, Tensor]:
        weight, centre, scale = raw.chunk(3, -1)
        return weight.softmax(-1), centre, F.softplus(scale) + 1e-3

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        weight, centre, scale = parts()
        a = (x[..., None] - centre) / scale
        below, above = a.sigmoid(), (-a).sigmoid()
        c, rest = (weight * below).sum(-1), (weight * above).sum(-1)
        density = (weight * below * above / scale).sum(-1)
        return (c / rest).log(), (density / (c * rest)).log().sum(1)

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        _, centre, scale = parts()
        alone = centre + scale * y[..., None]  # what a component alone would give
        x = bisect(lambda x: forward(x)[0], y, alone.amin(-1), alone.amax(-1))
        return x, -forward(x)[1]

    return Maps(forward, inverse)


# nflows and normflows have none; zuko's GaussianizationTransform mixes normal CDFs
@implementation("in-house", kernel="mixture-cdf")
def in_house(raw: Tensor) -> Maps:
    """The family of `bench.flows`, by logarithms: its tails cannot underflow."""
    return family(LogisticMixture(COMPONENTS), raw)
