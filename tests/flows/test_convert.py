"""from_nflows on single parts, and its refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench.flows import Flow, from_nflows

nflows_flows = pytest.importorskip("nflows.flows")
nets = pytest.importorskip("nflows.nn.nets")
nt = pytest.importorskip("nflows.transforms")
nd = pytest.importorskip("nflows.distributions")

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated"),
    pytest.mark.filterwarnings("ignore:Inputs to the softmax are not scaled down"),
]

DIM = 4
MASK = torch.tensor([1, -1, 1, -1])


def net(**options: object) -> Callable[[int, int], nn.Module]:
    return lambda i, o: nets.ResidualNet(i, o, hidden_features=10, **options)


class Plain(nn.Module):
    """A user's own conditioner."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return self.linear(x)


def spline(**options: object) -> nn.Module:
    settings = {"num_bins": 5, "tails": "linear", "tail_bound": 2.5, **options}
    make = settings.pop("net", net())
    return nt.PiecewiseRationalQuadraticCouplingTransform(MASK, make, **settings)


def made(**options: object) -> nn.Module:
    return nt.MaskedAffineAutoregressiveTransform(DIM, 14, **options)


def coupling(kind: str, unconditional: bool) -> nn.Module:
    """A coupling of another spline than the rational-quadratic one."""
    make = getattr(nt, f"Piecewise{kind}CouplingTransform")
    return make(
        MASK,
        net(),
        num_bins=5,
        tails="linear",
        tail_bound=2.5,
        apply_unconditional_transform=unconditional,
    )


def warm(norm: nn.Module) -> nn.Module:
    """With running statistics that mean something."""
    for _ in range(60):
        norm(torch.randn(50, DIM) * 2 + 1)
    return norm


def inside(squash: nn.Module, kind: str = "Linear") -> nn.Module:
    """A spline of squashed points."""
    cdf = getattr(nt, f"Piecewise{kind}CDF")([DIM], 5)
    if kind == "Linear":  # tanh has the interval [-1, 1]
        cdf = nt.CompositeTransform(
            [nt.PointwiseAffineTransform(0.5, 0.5), cdf, nt.PointwiseAffineTransform(-1.0, 2.0)]
        )
    return nt.CompositeCDFTransform(squash, cdf)


def squeezed(part: nn.Module) -> nn.Module:
    """The part between a sigmoid and its inverse."""
    return nt.CompositeTransform([nt.Sigmoid(), part, nt.Logit()])


PARTS: dict[str, Callable[[], nn.Module]] = {
    "random permutation": lambda: nt.RandomPermutation(DIM),
    "lu": lambda: nt.LULinear(DIM, identity_init=False),
    "affine coupling": lambda: nt.AffineCouplingTransform(MASK, net()),
    "tanh, one block": lambda: nt.AffineCouplingTransform(
        MASK, net(activation=torch.tanh, num_blocks=1)
    ),
    "own conditioner": lambda: nt.AffineCouplingTransform(MASK, Plain),
    "conditioner with batch norm": lambda: nt.AffineCouplingTransform(
        MASK, net(use_batch_norm=True)
    ),
    "spline": spline,
    "spline, unconditional": lambda: spline(apply_unconditional_transform=True),
    "spline, own conditioner": lambda: spline(net=Plain),
    "spline, other minima": lambda: spline(
        min_bin_width=0.01, min_bin_height=0.01, min_derivative=0.02
    ),
    "masked affine": made,
    "masked affine, elu": lambda: made(activation=F.elu, num_blocks=1),
    "masked affine, feed-forward": lambda: made(use_residual_blocks=False),
    "masked affine, random masks": lambda: made(use_residual_blocks=False, random_mask=True),
    "householder": lambda: nt.HouseholderSequence(DIM, 3),
    "qr": lambda: nt.QRLinear(DIM, 4),
    "svd": lambda: nt.SVDLinear(DIM, 4),
    "actnorm": lambda: nt.ActNorm(DIM),
    "batch norm": lambda: warm(nt.BatchNorm(DIM)),
    "additive coupling": lambda: nt.AdditiveCouplingTransform(MASK, net()),
    **{
        f"{kind} coupling{', ' * unconditional}{'unconditional' * unconditional}": (
            lambda kind=kind, unconditional=unconditional: coupling(kind, unconditional)
        )
        for kind in ("Quadratic", "Linear", "Cubic")
        for unconditional in (False, True)
    },
    "linear spline": lambda: nt.PiecewiseLinearCDF([DIM], 5, tails="linear", tail_bound=2.0),
    "quadratic spline": lambda: nt.PiecewiseQuadraticCDF([DIM], 5, tails="linear", tail_bound=2.0),
    "cubic spline": lambda: nt.PiecewiseCubicCDF([DIM], 5, tails="linear", tail_bound=2.0),
    "rational-quadratic spline": lambda: nt.PiecewiseRationalQuadraticCDF(
        [DIM], 5, tails="linear", tail_bound=2.0
    ),
    "masked rational-quadratic": lambda: nt.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        DIM, 14, num_bins=5, tails="linear", tail_bound=2.0
    ),
    "masked quadratic": lambda: nt.MaskedPiecewiseQuadraticAutoregressiveTransform(
        DIM, 14, num_bins=5, tails="linear", tail_bound=2.0
    ),
    "identity": lambda: nt.CompositeTransform([nt.IdentityTransform(), nt.LULinear(DIM)]),
    "pointwise affine": lambda: nt.PointwiseAffineTransform(
        torch.linspace(-1, 1, DIM), torch.linspace(0.5, 2, DIM)
    ),
    "pointwise affine, scalars": lambda: nt.PointwiseAffineTransform(0.3, 0.5),
    "leaky relu": lambda: nt.LeakyReLU(0.2),
    "matrix": lambda: nt.NaiveLinear(DIM, orthogonal_initialization=False),
    "tanh": lambda: inside(nt.Tanh()),
    "spline of a sigmoid": lambda: inside(nt.Sigmoid(), "RationalQuadratic"),
    "quadratic spline of a warm sigmoid": lambda: inside(
        nt.Sigmoid(1.5, learn_temperature=True), "Quadratic"
    ),
    "masked spline on the unit interval": lambda: squeezed(
        nt.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(DIM, 14, num_bins=5)
    ),
    "coupling on the unit interval": lambda: squeezed(spline(tails=None)),
    "inverse": lambda: nt.InverseTransform(made()),
    "nested": lambda: nt.CompositeTransform([nt.CompositeTransform([made()]), nt.LULinear(DIM)]),
}

BAD: dict[str, tuple[Callable[[], object], str]] = {
    "a transform of images": (lambda: flow(nt.SqueezeTransform()), "convert SqueezeTransform"),
    "batch norm in a MADE": (lambda: flow(made(use_batch_norm=True)), "convert MADE: batch norm"),
    "another base": (
        lambda: nflows_flows.Flow(made(), nd.DiagonalNormal([DIM])),
        "cannot convert DiagonalNormal",
    ),
    "no flow": (lambda: nn.Linear(2, 2), "Linear is no nflows Flow"),
}


def flow(part: nn.Module) -> nn.Module:
    return nflows_flows.Flow(part, nd.StandardNormal([DIM]))


def shaken(theirs: nn.Module) -> nn.Module:
    """Away from the initial weights, which are nearly trivial; evaluation mode, float64."""
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return theirs.double().eval()


def assert_same(ours: Flow, theirs: nn.Module, context: torch.Tensor | None = None) -> None:
    x = torch.randn(60, DIM, dtype=torch.float64) * 1.5
    with torch.no_grad():
        z, logabsdet = theirs._transform(x, context)
        torch.testing.assert_close(ours.log_prob(x, context), theirs.log_prob(x, context))
        # that of their LeakyReLU is float32 whatever the points are
        torch.testing.assert_close(ours.transform(x, context), (z, logabsdet.to(z)))
        torch.testing.assert_close(ours.inverse(z, context)[0], x, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_the_same_function(name):
    torch.manual_seed(1)
    theirs = shaken(flow(PARTS[name]()))
    assert_same(from_nflows(theirs), theirs)


@pytest.mark.parametrize("part", ["coupling", "masked", "feed-forward"])
def test_conditional_flows(part):
    torch.manual_seed(2)
    makers = {
        "coupling": lambda: nt.AffineCouplingTransform(MASK, net(context_features=3)),
        "masked": lambda: made(context_features=3),
        "feed-forward": lambda: made(context_features=3, use_residual_blocks=False),
    }
    theirs = shaken(flow(makers[part]()))
    ours = from_nflows(theirs)
    assert ours.context_dim == 3
    assert_same(ours, theirs, torch.randn(60, 3, dtype=torch.float64))


@pytest.mark.parametrize("part", ["coupling", "masked"])
def test_embedded_contexts(part):
    torch.manual_seed(3)
    makers = {
        "coupling": lambda: nt.AffineCouplingTransform(MASK, net(context_features=3)),
        "masked": lambda: made(context_features=3),
    }
    embedding = nn.Sequential(nn.Flatten(), nn.Linear(8, 3), nn.Tanh())
    theirs = shaken(nflows_flows.Flow(makers[part](), nd.StandardNormal([DIM]), embedding))
    ours = from_nflows(theirs)
    context = torch.randn(60, 2, 4, dtype=torch.float64)
    x = torch.randn(60, DIM, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours.log_prob(x, context), theirs.log_prob(x, context))
        assert ours.sample(60, context).shape == (60, DIM)
    assert ours.embedding is not embedding


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_converted_is_named(name):
    make, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        from_nflows(make())


def test_the_state_of_training_is_kept():
    assert from_nflows(flow(made()).train()).training
    assert not from_nflows(flow(made()).eval()).training
