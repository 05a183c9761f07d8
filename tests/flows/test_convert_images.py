"""from_nflows on transforms of images, and Glow against its nflows twin."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from image_cases import Plain
from torch import Tensor, nn

from bench.flows import Flow, from_nflows
from bench.flows.images import ImageFlow, Squeeze
from bench.registry import load_function, read

flows = pytest.importorskip("nflows.flows")
nets = pytest.importorskip("nflows.nn.nets")
nt = pytest.importorskip("nflows.transforms")
nd = pytest.importorskip("nflows.distributions")

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated"),
    pytest.mark.filterwarnings("ignore:Inputs to the softmax are not scaled down"),
]
torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
SHAPE = (4, 4, 6)
MASK = torch.tensor([1, -1, -1, 1])


def net(**options: object) -> Callable[[int, int], nn.Module]:
    return lambda i, o: nets.ConvResidualNet(i, o, hidden_channels=6, **options)


def affine(make: Callable[[int, int], nn.Module], mask: Tensor = MASK) -> nn.Module:
    return nt.AffineCouplingTransform(mask, make)


def spline(kind: str, unconditional: bool = False) -> nn.Module:
    return getattr(nt, f"Piecewise{kind}CouplingTransform")(
        MASK,
        net(num_blocks=1),
        num_bins=4,
        tails="linear",
        tail_bound=2.5,
        apply_unconditional_transform=unconditional,
        img_shape=list(SHAPE[1:]),
    )


def multiscale(*levels: tuple[nn.Module, tuple[int, ...]]) -> nn.Module:
    whole = nt.MultiscaleCompositeTransform(len(levels))
    for level, shape in levels:
        whole.add_transform(level, shape)
    return whole


def conv(channels: int) -> nn.Module:
    """With a permutation that is not its own inverse."""
    part = nt.OneByOneConvolution(channels, identity_init=False)
    part.permutation._permutation.copy_(torch.arange(channels).roll(1))
    return part


def steps(channels: int) -> nn.Module:
    mask = torch.arange(4 * channels) % 2
    parts = [nt.SqueezeTransform(), nt.ActNorm(4 * channels), conv(4 * channels)]
    return nt.CompositeTransform([*parts, affine(net(), mask)])


class ReshapeTransform(nt.Transform):
    """As in the experiments of arXiv 1906.04032."""

    def __init__(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.input_shape, self.output_shape = input_shape, output_shape

    def forward(self, inputs: Tensor, context: object = None) -> tuple[Tensor, Tensor]:
        return inputs.reshape(-1, *self.output_shape), inputs.new_zeros(len(inputs))

    def inverse(self, inputs: Tensor, context: object = None) -> tuple[Tensor, Tensor]:
        return inputs.reshape(-1, *self.input_shape), inputs.new_zeros(len(inputs))


#: name -> (maker, shape of the noise)
PARTS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "squeeze": (lambda: nt.SqueezeTransform(), (16, 2, 3)),
    "1x1 convolution": (lambda: conv(4), SHAPE),
    "inverse of a 1x1 convolution": (lambda: nt.InverseTransform(conv(4)), SHAPE),
    "actnorm": (lambda: nt.ActNorm(4), SHAPE),
    "permutation": (lambda: nt.RandomPermutation(4), SHAPE),
    "reversal": (lambda: nt.ReversePermutation(4), SHAPE),
    "affine coupling": (lambda: affine(net()), SHAPE),
    "tanh, one block": (lambda: affine(net(activation=torch.tanh, num_blocks=1)), SHAPE),
    "own conditioner": (lambda: affine(Plain), SHAPE),
    "conditioner with batch norm": (lambda: affine(net(use_batch_norm=True)), SHAPE),
    "additive coupling": (lambda: nt.AdditiveCouplingTransform(MASK, net()), SHAPE),
    "rational-quadratic coupling": (lambda: spline("RationalQuadratic"), SHAPE),
    "rational-quadratic coupling, unconditional": (
        lambda: spline("RationalQuadratic", True),
        SHAPE,
    ),
    "quadratic coupling": (lambda: spline("Quadratic"), SHAPE),
    "linear coupling": (lambda: spline("Linear"), SHAPE),
    "cubic coupling": (lambda: spline("Cubic"), SHAPE),
    "splines": (
        lambda: nt.PiecewiseRationalQuadraticCDF(SHAPE, 5, tails="linear", tail_bound=2.0),
        SHAPE,
    ),
    "multi-scale": (
        lambda: multiscale((steps(4), (16, 2, 3)), (conv(8), (8, 2, 3))),
        (96,),
    ),
    "multi-scale, odd channels": (
        lambda: multiscale(
            (nt.CompositeTransform([ReshapeTransform(SHAPE, (3, 4, 8)), conv(3)]), (3, 4, 8)),
            (steps(1), (4, 2, 4)),
        ),
        (96,),
    ),
    "vectors after images": (
        lambda: nt.CompositeTransform(
            [conv(4), nt.SqueezeTransform(), ReshapeTransform((16, 2, 3), (96,)), nt.LULinear(96)]
        ),
        (96,),
    ),
    "images among vectors": (
        lambda: nt.CompositeTransform(
            [
                ReshapeTransform(SHAPE, (96,)),
                nt.ReversePermutation(96),
                nt.InverseTransform(ReshapeTransform(SHAPE, (96,))),
                nt.ReversePermutation(4),
            ]
        ),
        SHAPE,
    ),
}


def flow(part: nn.Module, noise: tuple[int, ...] = SHAPE) -> nn.Module:
    return flows.Flow(part, nd.StandardNormal(list(noise)))


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_the_same_function(name):
    torch.manual_seed(1)
    make, noise = PARTS[name]
    theirs = flow(make(), noise)
    x = torch.randn(9, *SHAPE)
    with torch.no_grad():
        theirs.train().log_prob(x * 2 + 1)  # ActNorm starts, batch norm sees a batch
        for p in theirs.parameters():
            p.add_(0.2 * torch.randn_like(p))
    theirs.eval()
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        if dtype == torch.float64:
            theirs.double()
        ours, points = from_nflows(theirs), x.to(dtype)
        assert isinstance(ours, ImageFlow)
        assert ours.shape == SHAPE
        with torch.no_grad():
            z, logabsdet = theirs._transform(points)
            back = ours.inverse(z.flatten(1))[0]
            found = (ours.log_prob(points), *ours.transform(points))
            wanted = (theirs.log_prob(points), z.flatten(1), logabsdet)
        torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(back, points, atol=100 * tolerance, rtol=100 * tolerance)
        assert ours.log_prob(points.flatten(1)).equal(ours.log_prob(points))


def test_the_inverse_is_the_same_too():
    torch.manual_seed(2)
    make, noise = PARTS["multi-scale"]
    theirs = flow(make(), noise).double().eval()
    z = torch.randn(7, 96, dtype=torch.float64)
    with torch.no_grad():
        wanted = theirs._transform.inverse(z)[0]
        torch.testing.assert_close(
            from_nflows(theirs).inverse(z)[0], wanted, atol=1e-12, rtol=1e-12
        )


def test_a_squeeze_by_three_has_an_inverse():
    """That of nflows refuses channels that are no multiple of four."""
    x = torch.randn(2, 1, 6, 3)
    z, _ = nt.SqueezeTransform(3)(x)
    assert Squeeze(3)(x)[0].equal(z)
    assert Squeeze(3).inverse(z)[0].equal(x)


def test_converting_draws_nothing_and_samples_alike():
    make, noise = PARTS["multi-scale"]
    theirs = flow(make(), noise)
    state = torch.get_rng_state()
    ours = from_nflows(theirs)
    assert torch.get_rng_state().equal(state)
    assert ours.training
    torch.manual_seed(4)
    wanted = theirs.sample(5)
    torch.manual_seed(4)
    torch.testing.assert_close(ours.sample(5), wanted.detach(), atol=1e-4, rtol=1e-4)


BAD: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "context": (lambda: flow(affine(net(context_channels=2))), "ConvResidualNet: a context"),
    "another split": (
        lambda: flow(nt.MultiscaleCompositeTransform(1, split_dim=2), (96,)),
        "only a split of dimension 1",
    ),
    "of vectors only": (lambda: flow(nt.LULinear(4)), "convert LULinear: supported are .*OneByOne"),
    "of images only": (
        lambda: flow(conv(4), (4,)),
        "convert OneByOneConvolution: supported are .*LULinear",
    ),
    "splines of vectors": (
        lambda: flow(nt.PiecewiseRationalQuadraticCDF([4], 5, tails="linear")),
        "points with 1 axes, not 3",
    ),
    "matrices": (lambda: flow(nt.ReversePermutation(4), (4, 4)), "over vectors or images"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_converted_is_named(name):
    make, words = BAD[name]
    broken = make()
    if name == "another split":
        broken._transform.add_transform(conv(4), SHAPE)
    with pytest.raises(ValueError, match=words):
        from_nflows(broken)


TWIN_SHAPES = [(1, 8, 8), (3, 8, 4), (6,), (3, 5, 7)]


def pair(shape: tuple[int, ...], **settings: object) -> tuple[Flow, nn.Module]:
    """Glow and its twin, each built from the same seed."""
    built = []
    for file in ("bench/models/glow.py", "baselines/glow_nflows.py"):
        torch.manual_seed(0)
        (entry,) = read(ROOT / file)
        data = SimpleNamespace(dim=math.prod(shape), shape=shape)
        built.append(load_function(entry)(data, **{"channels": 8, "steps": 2, **settings}))
        built.append(torch.get_rng_state())
    assert built[1].equal(built[3])
    return built[0], built[2]


@pytest.mark.parametrize("shape", TWIN_SHAPES)
def test_twins_have_the_same_weights_values_and_gradients(shape):
    ours, theirs = pair(shape)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.equal(b)
    x = torch.randn(32, math.prod(shape)) * 2
    values = [model.log_prob(x) for model in (ours, theirs)]
    torch.testing.assert_close(*values, atol=1e-4, rtol=1e-6)
    for value in values:
        value.mean().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_training_follows_the_same_curve_and_converts(dropout):
    models = pair((1, 8, 8), dropout=dropout)
    curves = []
    for model in models:
        generator = torch.Generator().manual_seed(11)
        torch.manual_seed(12)  # for dropout
        optimizer = torch.optim.Adam(model.parameters(), 5e-3)
        losses = []
        for _ in range(15):
            loss = -model.log_prob(torch.randn(20, 64, generator=generator).cumsum(1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(torch.tensor(losses))
    torch.testing.assert_close(*curves, atol=1e-2, rtol=1e-4)
    theirs = models[1].double().eval()
    ours = from_nflows(theirs)
    x = torch.randn(50, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), atol=1e-12, rtol=1e-12)
        z, _ = ours.transform(x)
        torch.testing.assert_close(ours.inverse(z)[0], x, atol=1e-9, rtol=1e-9)


def test_twins_share_their_settings():
    (ours,), (theirs,) = (
        read(ROOT / file) for file in ("bench/models/glow.py", "baselines/glow_nflows.py")
    )
    assert ours.settings == theirs.settings
    assert (theirs.twin, theirs.name) == ("glow", "glow-nflows")


@pytest.mark.parametrize("shape", [(1, 4, 7), (1, 5, 7)])
def test_the_twin_says_which_images_nflows_cannot_take(shape):
    with pytest.raises(ValueError, match="nflows squeezes both sides or none"):
        pair(shape)
