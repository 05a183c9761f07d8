"""Bijections and flows of images: invertible, with the right log-determinant, at any shape."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from flow_cases import randomise
from image_cases import IMAGES, NET, deep, flattened, make
from test_bijections import assert_round_trip, jacobian_logdet, points

from bench.flows import Affine, RationalQuadratic
from bench.flows.images import (
    ChannelCoupling,
    CheckerboardCoupling,
    Conv1x1,
    ConvResidualNet,
    ImageActNorm,
    ImageFlow,
    Multiscale,
    Reshape,
    Squeeze,
    checkerboard,
    first_half,
    glow,
    image_shape,
    learned_prior,
    realnvp_image,
    start_at_identity,
)
from bench.registry import load_function, read

torch.set_num_threads(1)
named = pytest.mark.parametrize("name", IMAGES)


@named
def test_round_trip(name):
    bijection, dim = make(name)
    x = points(dim, 10)
    if deep(name):  # far out the values of many couplings in turn have no digits left
        x = x[(x.abs() <= 5).all(1)]
    assert_round_trip(bijection, x, 1e-10)


@named
def test_round_trip_float32(name):
    bijection, dim = make(name, scale=0.1)
    assert_round_trip(bijection.float(), torch.randn(40, dim), 1e-4)


@named
def test_logabsdet_is_that_of_the_jacobian_both_ways(name):
    bijection, dim = make(name)
    x = torch.randn(3, dim, dtype=torch.float64)
    for run in (bijection, bijection.inverse):
        expected = jacobian_logdet(lambda r, run=run: run(r)[0], x)
        torch.testing.assert_close(run(x)[1], expected, atol=1e-10, rtol=0)


@named
def test_shapes_dtypes_and_the_input(name):
    bijection, dim = make(name)
    for dtype in (torch.float64, torch.float32):
        x = torch.randn(5, dim, dtype=dtype)
        kept = x.clone()
        bijection.to(dtype)
        with torch.no_grad():
            for run in (bijection, bijection.inverse):
                whole = run(x)[0]
                for n in (0, 1):
                    value, logabsdet = run(x[:n])
                    assert value.shape == (n, dim)
                    assert logabsdet.shape == (n,)
                    assert value.dtype == logabsdet.dtype == dtype
                    torch.testing.assert_close(value, whole[:n])
            assert bijection.map_only(x).equal(bijection(x)[0])
        assert x.equal(kept)


@named
def test_every_parameter_receives_a_gradient_in_both_directions(name):
    bijection, dim = make(name)
    parameters = dict(bijection.named_parameters())
    for run in (bijection, bijection.inverse):
        z, logabsdet = run(torch.randn(30, dim, dtype=torch.float64))
        if not parameters:
            return
        bijection.zero_grad()
        (z.square().sum() + logabsdet.sum()).backward()
        assert not [n for n, p in parameters.items() if p.grad is None]
        assert all(p.grad.isfinite().all() for p in parameters.values())


@named
def test_a_copy_and_a_loaded_state_are_the_same_function(name):
    bijection, dim = make(name)
    x = torch.randn(6, dim, dtype=torch.float64)
    shape, maker = IMAGES[name]
    torch.manual_seed(99)  # another draw of the permutations
    other = flattened(maker(), shape).double()
    other.load_state_dict(bijection.state_dict())
    with torch.no_grad():
        for same in (copy.deepcopy(bijection), other):
            assert same(x)[0].equal(bijection(x)[0])
            assert same.inverse(x)[0].equal(bijection.inverse(x)[0])


def test_squeezing_keeps_blocks_together():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    z = Squeeze(2)(x)[0]
    assert z[0, :, 0, 0].tolist() == [0, 1, 4, 5]
    assert z[0, :, 1, 1].tolist() == [10, 11, 14, 15]


def test_actnorm_makes_the_first_training_batch_standard_once():
    x = torch.randn(20, 3, 4, 5) * torch.tensor([1.0, 5.0, 0.0]).view(3, 1, 1) + 2
    norm = ImageActNorm(3)
    z, logabsdet = norm(x)
    pixels = z.transpose(0, 1).flatten(1)
    torch.testing.assert_close(pixels.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(pixels.std(1), torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(logabsdet, 20 * norm.log_scale.sum().expand(20))
    scale = norm.log_scale.clone()
    norm(10 * x)
    assert norm.log_scale.equal(scale)
    fresh = ImageActNorm(3).eval()
    assert fresh(x)[0].equal(x)
    fresh.load_state_dict(norm.state_dict())
    fresh.train()(10 * x)
    assert fresh.log_scale.equal(scale)


@pytest.mark.parametrize("family", [Affine(), RationalQuadratic(5, 3.0)])
def test_a_coupling_may_start_at_the_identity(family):
    x = torch.randn(4, 3, 4, 2, dtype=torch.float64)
    for layer in (
        ChannelCoupling(first_half(3), NET, family),
        CheckerboardCoupling(checkerboard((3, 4, 2)), NET, family),
        learned_prior(3),
    ):
        start_at_identity(layer)
        z, logabsdet = layer.double()(x)
        torch.testing.assert_close(z, x, atol=1e-6, rtol=0)
        assert logabsdet.abs().max() < 1e-5


def test_a_checkerboard_moves_what_its_mask_says_and_reads_the_rest():
    layer = CheckerboardCoupling(checkerboard((1, 3, 4)), NET, Affine())
    randomise(layer)
    x = torch.randn(1, 1, 3, 4)
    jacobian = torch.autograd.functional.jacobian(lambda r: layer(r)[0], x).view(12, 12)
    moved = layer.mask.flatten()
    assert moved[0]
    assert jacobian[~moved].equal(torch.eye(12)[~moved])
    among_moved = jacobian[moved][:, moved]
    assert among_moved.equal(among_moved.diag().diag())
    assert (jacobian[moved][:, ~moved] != 0).any()


def test_a_learned_prior_is_a_gaussian_given_what_stays():
    prior = learned_prior(4)
    randomise(prior, 0.3)
    x = torch.randn(5, 4, 3, 3)
    z, logabsdet = prior(x)
    scale, shift = prior.family._parts(prior._raw(x[:, 2:], None))
    normal = torch.distributions.Normal(-shift / scale, 1 / scale)
    wanted = normal.log_prob(x[:, :2]).sum((1, 2, 3))
    noise = torch.distributions.Normal(0, 1).log_prob(z[:, :2]).sum((1, 2, 3))
    torch.testing.assert_close(noise + logabsdet, wanted)


SHAPES = {
    "digits": (1, 8, 8),
    "colour": (3, 4, 6),
    "plane": (5, 6),
    "odd": (3, 5, 3),
    "point": (2,),
}


@pytest.mark.parametrize("build", [glow, realnvp_image])
@pytest.mark.parametrize("name", SHAPES)
def test_flows_take_points_flat_and_shaped(name, build):
    shape = SHAPES[name]
    torch.manual_seed(0)
    flow = build(shape, channels=8)
    x = torch.randn(16, math.prod(shape))
    flow.log_prob(x)  # ActNorm starts
    flow.eval()
    with torch.no_grad():
        assert flow.log_prob(x).equal(flow.log_prob(x.view(-1, *shape)))
        z, logabsdet = flow.transform(x)
        assert z.shape == x.shape
        torch.testing.assert_close(flow.base.log_prob(z) + logabsdet, flow.log_prob(x))
        torch.testing.assert_close(flow.inverse(z)[0], x, atol=1e-4, rtol=1e-4)
    assert flow.sample(3).shape == (3, math.prod(shape))
    flow.layout = "shaped"
    assert flow.sample(3).shape == (3, *shape)
    assert flow.double().sample(2).dtype == torch.float64


@pytest.mark.parametrize("shape", [(2,), (1, 1, 2), (2, 1)])
@pytest.mark.parametrize(
    ("build", "depth"), [(glow, {"steps": 2}), (realnvp_image, {"couplings": 2})]
)
def test_the_mass_on_the_plane_is_one(shape, build, depth):
    torch.manual_seed(3)
    flow = build(shape, channels=4, **depth).double()
    randomise(flow, 0.2)
    flow.eval()
    side = torch.linspace(-30, 30, 301, dtype=torch.float64)
    with torch.no_grad():
        mass = flow.log_prob(torch.cartesian_prod(side, side)).exp().sum()
    assert float(mass) * 0.2**2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("prior", [False, True])
def test_a_context_conditions_every_coupling(prior):
    flow = glow((1, 4, 4), channels=6, steps=1, context_dim=3, family=Affine(), prior=prior)
    randomise(flow, 0.3)
    flow.eval()
    x, context = torch.randn(4, 16), torch.randn(4, 3)
    z, _ = flow.transform(x, context)
    torch.testing.assert_close(flow.inverse(z, context)[0], x, atol=1e-4, rtol=1e-4)
    assert (flow.log_prob(x, context + 1) != flow.log_prob(x, context)).all()
    with pytest.raises(ValueError, match=r"takes a context of shape \[4, 3\]"):
        flow.log_prob(x)


@pytest.mark.parametrize("family", [None, Affine(), RationalQuadratic(4, 3.0)])
def test_training_lowers_the_loss(family):
    torch.manual_seed(0)
    x = torch.randn(100, 1, 8, 8).cumsum(3)
    flow = glow((1, 8, 8), channels=8, steps=1, family=family, prior=family is not None)
    optimizer = torch.optim.Adam(flow.parameters(), 5e-3)
    losses = []
    for _ in range(20):
        loss = -flow.log_prob(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 10


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)])
@pytest.mark.parametrize("file", ["glow", "glow_plus", "realnvp_image"])
def test_models_are_built_for_images_and_for_vectors(file, shape):
    (entry,) = read(Path(__file__).parents[2] / f"bench/models/{file}.py")
    dim = math.prod(shape)
    flow = load_function(entry)(SimpleNamespace(dim=dim, shape=shape), channels=4)
    assert flow.log_prob(torch.randn(8, dim)).isfinite().all()
    assert flow.eval().sample(3).shape == (3, dim)


IMAGE = torch.zeros(2, 3, 4, 5)
BAD = {
    "squeezing odd sides": (lambda: Squeeze(2)(IMAGE), "images of 4 x 5 pixels cannot be squeezed"),
    "a factor of none": (lambda: Squeeze(0), "factor of 1 or more, got 0"),
    "unsqueezing": (lambda: Squeeze(2).inverse(IMAGE), "3 channels are no multiple of the 4"),
    "squeezing vectors": (lambda: Squeeze(2)(IMAGE[0, 0]), r"\[B, C, H, W\], got \[4, 5\]"),
    "channels": (lambda: Conv1x1(4)(IMAGE), r"images of shape \[B, 4, H, W\], got \[2, 3, 4, 5\]"),
    "vectors": (lambda: ImageActNorm(4)(IMAGE[0, 0]), r"images of shape \[B, 4, H, W\]"),
    "one pixel": (
        lambda: CheckerboardCoupling(checkerboard((4, 1, 1)), NET, Affine()),
        "boolean mask",
    ),
    "another size": (
        lambda: CheckerboardCoupling(checkerboard((3, 4, 4)), NET, Affine())(IMAGE),
        r"images of shape \[B, 3, 4, 4\], got \[2, 3, 4, 5\]",
    ),
    "one channel": (lambda: ChannelCoupling([True], NET, Affine()), "both kinds of coordinates"),
    "levels": (lambda: Multiscale([Squeeze()], []), "1 levels and 0 shapes"),
    "noise": (
        lambda: Multiscale([Squeeze()], [(4, 2, 2)]).inverse(IMAGE),
        r"noise of shape \[B, 16\], got \[2, 3, 4, 5\]",
    ),
    "axes": (lambda: image_shape((1, 2, 3, 4)), r"\[C, H, W\], got \[1, 2, 3, 4\]"),
    "sizes": (lambda: Reshape((3,), (2, 2)), "differ in size"),
    "points": (lambda: Reshape((4,), (2, 2))(IMAGE), r"points of shape \[B, 4\], got"),
    "images": (
        lambda: glow((3, 5, 4), channels=4).log_prob(IMAGE),
        r"images of shape \[B, 3, 5, 4\] or points \[B, 60\], got \[2, 3, 4, 5\]",
    ),
    "layout": (lambda: ImageFlow(Squeeze(), (1, 2, 2), layout="wide"), "no layout 'wide'"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_use_is_explained(name):
    run, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        run()


def test_the_network_is_small_at_the_start():
    net = ConvResidualNet(2, 3, 8)
    x = torch.randn(4, 2, 5, 5)
    torch.testing.assert_close(net(x), net.final_layer(net.initial_layer(x)), atol=0.05, rtol=0)
