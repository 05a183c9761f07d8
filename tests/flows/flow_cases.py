"""Named bijections, every one of which meets every property."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from bench.flows import (
    MADE,
    ActNorm,
    AdditiveCoupling,
    Affine,
    AffineCoupling,
    BatchNorm,
    Bijection,
    Composite,
    CubicSpline,
    DeepSigmoid,
    Elementwise,
    ElementwiseSpline,
    Flow,
    Householder,
    Inverse,
    InverseAutoregressive,
    LeakyReLU,
    LinearSpline,
    LogisticMixture,
    LULinear,
    Marginals,
    MaskedAffine,
    MaskedUnivariate,
    Permutation,
    Planar,
    PointwiseAffine,
    QRLinear,
    QuadraticSpline,
    Radial,
    RationalQuadratic,
    ResidualNet,
    SplineCoupling,
    SVDLinear,
    Sylvester,
    Triangular,
    Univariate,
    UnivariateCoupling,
    alternating,
    autoregressive_flow,
    coupling_flow,
    maf,
    nsf_coupling,
    realnvp,
    reverse,
)

NET = partial(ResidualNet, hidden=12)


def random_degrees(dim: int, hidden: int, layers: int) -> list[torch.Tensor]:
    """Rising lower ends, as nflows draws them for random masks."""
    degrees, low = [], 1
    for _ in range(layers):
        degrees.append(torch.randint(min(low, dim - 1), dim, (hidden,)))
        low = int(degrees[-1].min())
    return degrees


def masked(dim: int, family: Univariate) -> MaskedUnivariate:
    """An autoregressive layer of the family."""
    return MaskedUnivariate(MADE(dim, 9, outputs=family.parameters), family)


def skewed(n: int, dim: int) -> torch.Tensor:
    """Points with a long tail to the right."""
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(4)).mul(0.7).exp()


def seen(norm: BatchNorm) -> Bijection:
    """In evaluation mode, after some batches that were not standard."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(30):
        norm(2 * torch.randn(50, norm.dim, generator=generator) + 1)
    return norm.eval()


#: name -> (dimension, maker); weights are randomised by `make`
CASES: dict[str, tuple[int, Callable[[], Bijection]]] = {
    "affine coupling": (3, lambda: AffineCoupling(alternating(3, True), NET)),
    "spline coupling": (3, lambda: SplineCoupling(alternating(3, False), NET, bins=5, bound=2.0)),
    "spline coupling, unconditional": (
        4,
        lambda: SplineCoupling(alternating(4, True), NET, bins=4, unconditional=True),
    ),
    "spline coupling, one bin": (2, lambda: SplineCoupling(alternating(2, True), NET, bins=1)),
    "elementwise spline": (3, lambda: ElementwiseSpline(3, 6, 3.0)),
    "masked affine": (5, lambda: MaskedAffine(MADE(5, 13))),
    "masked affine, one dimension": (1, lambda: MaskedAffine(MADE(1, 4))),
    "masked affine, narrow": (7, lambda: MaskedAffine(MADE(7, 3))),
    "masked affine, no block": (4, lambda: MaskedAffine(MADE(4, 9, blocks=0))),
    "masked affine, feed-forward": (4, lambda: MaskedAffine(MADE(4, 9, residual=False))),
    "masked affine, random masks": (
        6,
        lambda: MaskedAffine(MADE(6, 11, residual=False, degrees=random_degrees(6, 11, 3))),
    ),
    "linear spline": (3, lambda: Elementwise(3, LinearSpline(6, 3.0))),
    "quadratic spline": (3, lambda: Elementwise(3, QuadraticSpline(6, 3.0))),
    "cubic spline": (3, lambda: Elementwise(3, CubicSpline(6, 3.0))),
    "logistic mixture": (3, lambda: Elementwise(3, LogisticMixture(4))),
    "deep sigmoid": (2, lambda: Elementwise(2, DeepSigmoid(4))),
    "quadratic coupling": (
        4,
        lambda: UnivariateCoupling(alternating(4, True), NET, QuadraticSpline(5, 2.0)),
    ),
    "mixture coupling, unconditional": (
        3,
        lambda: UnivariateCoupling(
            alternating(3, True), NET, LogisticMixture(3), Elementwise(1, CubicSpline(4, 2.0))
        ),
    ),
    "affine family": (3, lambda: UnivariateCoupling(alternating(3, True), NET, Affine())),
    "fitted marginals": (3, lambda: Marginals.fit(skewed(400, 3))),
    "fitted marginals, ties": (2, lambda: Marginals.fit(skewed(400, 2).round())),
    "fitted marginals, two points": (2, lambda: Marginals.fit(skewed(2, 2))),
    "improved coupling flow": (
        3,
        lambda: coupling_flow(3, RationalQuadratic(5, 3.0), 10, data=skewed(300, 3)).bijection,
    ),
    "improved autoregressive flow": (3, lambda: autoregressive_flow(3, Affine(), 10).bijection),
    "additive coupling": (5, lambda: AdditiveCoupling(alternating(5, True), NET)),
    "masked rational-quadratic": (4, lambda: masked(4, RationalQuadratic(5, 2.0))),
    "masked cubic": (3, lambda: masked(3, CubicSpline(4, 2.0))),
    "masked quadratic, one dimension": (1, lambda: masked(1, QuadraticSpline(4, 2.0))),
    "masked deep sigmoid": (4, lambda: masked(4, DeepSigmoid(3))),
    "lu": (4, lambda: LULinear(4)),
    "householder": (5, lambda: Householder(5, 7)),
    "qr": (4, lambda: QRLinear(4, 4)),
    "svd": (4, lambda: SVDLinear(4, 4)),
    "actnorm": (3, lambda: ActNorm(3).eval()),
    "batch norm": (3, lambda: seen(BatchNorm(3))),
    "planar": (4, lambda: Planar(4)),
    "planar, one dimension": (1, lambda: Planar(1)),
    "radial": (3, lambda: Radial(3)),
    "sylvester": (4, lambda: Sylvester(4)),
    "sylvester, rank 2": (5, lambda: Sylvester(5, 2)),
    "triangular": (4, lambda: Triangular(4)),
    "triangular, upper": (4, lambda: Triangular(4, upper=True)),
    "inverse autoregressive": (3, lambda: InverseAutoregressive(MaskedAffine(MADE(3, 8)))),
    "pointwise affine": (3, lambda: PointwiseAffine(torch.arange(3.0), torch.tensor(0.5))),
    "leaky relu": (3, lambda: LeakyReLU(0.3)),
    "permutation": (4, lambda: Permutation(torch.tensor([2, 0, 3, 1]))),
    "reversal": (3, lambda: reverse(3)),
    "composite": (3, lambda: Composite([reverse(3), LULinear(3), MaskedAffine(MADE(3, 8))])),
    "inverse": (3, lambda: Inverse(MaskedAffine(MADE(3, 8)))),
    "realnvp": (3, lambda: realnvp(3, 10, 3).bijection),
    "maf": (3, lambda: maf(3, 10, 3).bijection),
    "nsf-coupling": (3, lambda: nsf_coupling(3, 10, 3).bijection),
}

FLOWS: dict[str, Callable[..., Flow]] = {
    "realnvp": realnvp,
    "maf": maf,
    "nsf-coupling": nsf_coupling,
}


def randomise(module: nn.Module, scale: float = 0.5) -> None:
    """Replace every parameter by draws of N(0, scale^2): fresh layers are too close to trivial."""
    for p in module.parameters():
        nn.init.normal_(p, std=scale)


def make(name: str, scale: float = 0.25) -> tuple[Bijection, int]:
    """A float64 bijection with random weights, and its dimension."""
    dim, maker = CASES[name]
    torch.manual_seed(7)
    bijection = maker()
    randomise(bijection, scale)
    return bijection.double(), dim
