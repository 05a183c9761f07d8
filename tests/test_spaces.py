"""Spaces: round trips, the ledger against Jacobians, conventions and their worked pairs."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Generator, Tensor

from bench.contract import Splits
from bench.datasets import load_splits
from bench.errors import UsageError
from bench.registry import discover
from bench.settings import Sizes
from bench.spaces import LOGIT_ALPHA, SPACES, Logit, Marginals, Space, dequantized, native, standard

SHAPE = (1, 8, 8)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def digits() -> Splits:
    read = load_splits(discover().dataset("digits"), Sizes())[0]
    return Splits(read.train.long(), read.valid.long(), read.test.long())


def table(n: int = 200) -> Tensor:
    """Correlated coordinates on scales from 1e-6 to 1e4, far from zero, two of them constant."""
    x = torch.randn(n, 5, generator=seeded(1), dtype=torch.float64)
    x = x.cumsum(1) * torch.tensor([1e-6, 0.1, 1.0, 1e4, 1.0]) + torch.tensor([0, 5.0, -40, 1e5, 0])
    return torch.cat([x, torch.full((n, 1), 0.1).double(), torch.zeros(n, 1).double()], 1)


SPLITS = digits()
FIT = torch.cat([SPLITS.train, SPLITS.valid])
CONTINUOUS = {
    name: lambda layout="flat", name=name: dequantized(name, FIT, 17, SHAPE, layout)
    for name in SPACES
}
BUILD = CONTINUOUS | {
    "standard": lambda layout="flat": standard(table(), (7,), layout),
    "levels": lambda layout="flat": native(SHAPE, layout),
}


def raw(name: str) -> Tensor:
    """Points that the space was not fitted to."""
    return table(300)[200:] if name == "standard" else SPLITS.test


def chain(space: Space, x: Tensor) -> tuple[Tensor, Tensor]:
    """The steps alone, in float64, on dequantized points [N, D]; log-determinants [N]."""
    y, ledger = space.chain(x)
    return y, ledger.sum(-1)


def dequantize(x: Tensor, seed: int = 0) -> Tensor:
    flat = x.flatten(1).double()
    return flat + torch.rand(flat.shape, generator=seeded(seed), dtype=torch.float64)


def normal_nats(y: Tensor) -> Tensor:
    """Log-density of y [N, D] under the standard normal, [N]."""
    return -(y.double().square() + math.log(2 * math.pi)).sum(-1) / 2


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("layout", ["flat", "shaped"])
def test_round_trip_dtypes_and_layout(name, layout):
    space, x = BUILD[name](layout), raw(name)
    y, ledger = space.forward(x, seeded())
    assert y.dtype == (torch.int64 if name == "levels" else torch.float32)
    assert y.shape == ((len(x), *space.shape) if layout == "shaped" else (len(x), x[0].numel()))
    assert (ledger.dtype, ledger.shape) == (torch.float64, (len(x),))
    assert bool(ledger.isfinite().all())
    back = space.inverse(y)
    assert back.dtype == x.dtype
    if name == "standard":
        tolerance = 1e-6 * table().std(0).clamp_min(1e-9)
        assert bool(((back - x).abs() <= tolerance).all())
    else:
        assert torch.equal(back, x)


@pytest.mark.parametrize("name", BUILD)
def test_layouts_hold_the_same_numbers(name):
    flat, flat_ledger = BUILD[name]("flat").forward(raw(name), seeded())
    shaped, shaped_ledger = BUILD[name]("shaped").forward(raw(name), seeded())
    assert torch.equal(flat, shaped.flatten(1))
    assert torch.equal(flat_ledger, shaped_ledger)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_steps_round_trip_in_float64(name):
    space, x = BUILD[name](), dequantize(SPLITS.test)
    y, _ = chain(space, x)
    for step in reversed(space.steps):
        y = step.inverse(y)
    assert float((y - x).abs().max()) < 1e-8


@pytest.mark.parametrize("name", [n for n in BUILD if n != "levels"])
def test_ledger_is_the_jacobian(name):
    space = BUILD[name]()
    x = raw(name)[:6] if name == "standard" else dequantize(SPLITS.test)[:6]
    _, ledger = chain(space, x)
    for row, reported in zip(x, ledger, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda p: chain(space, p[None])[0][0], row)
        torch.testing.assert_close(
            torch.linalg.slogdet(jacobian).logabsdet, reported, rtol=1e-9, atol=1e-8
        )


@pytest.mark.parametrize("name", CONTINUOUS)
def test_ledger_agrees_with_finite_differences(name):
    """Coordinates do not mix, so the log-determinant is the sum of log dy_i/dx_i."""
    space, h = BUILD[name](), 1e-6
    x = SPLITS.test.flatten(1).double() + 0.5
    slope = (chain(space, x + h)[0] - chain(space, x - h)[0]) / (2 * h)
    torch.testing.assert_close(slope.log().sum(-1), chain(space, x)[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in BUILD if n != "levels"])
def test_space_reports_what_its_steps_report(name):
    space, x = BUILD[name](), raw(name)
    y, ledger = space.forward(x, seeded())
    points = x if name == "standard" else dequantize(x)
    expected, expected_ledger = chain(space, points)
    assert torch.equal(y, expected.float())
    assert torch.equal(ledger, expected_ledger)
    assert torch.equal(space.forward(points, None)[0], y)


@pytest.mark.parametrize("name", BUILD)
def test_noise_comes_from_the_generator_alone(name):
    space, x = BUILD[name](), raw(name)
    first, again, other = (space.forward(x, seeded(s))[0] for s in (4, 4, 5))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (not space.noise)


def test_standard_normal_on_fitted_marginals_is_the_categorical():
    counts = torch.stack([(FIT.flatten(1) == k).sum(0) for k in range(17)], 1).double()
    log_p = ((counts + 1) / (len(FIT) + 17)).log()
    categorical = log_p[torch.arange(64), SPLITS.test.flatten(1)].sum(-1)
    y, ledger = chain(BUILD["marginals"](), dequantize(SPLITS.test))
    torch.testing.assert_close(normal_nats(y) + ledger, categorical, rtol=1e-11, atol=1e-11)
    y32, ledger = BUILD["marginals"]().forward(SPLITS.test, seeded(9))
    bits = -(normal_nats(y32) + ledger).mean() / (64 * math.log(2))
    assert float(bits) == pytest.approx(2.391317, abs=1e-6)


def test_fitted_marginals_are_normal_on_the_points_they_were_fitted_to():
    y, _ = BUILD["marginals"]().forward(FIT, seeded())
    assert stats.kstest(y[:, 20].numpy(), "norm").pvalue > 1e-3


def test_logit_formula():
    """b = -L_z/(D ln 2) - log2(1 - 2a) + log2 levels + mean(log2 s + log2(1 - s))."""
    space, x = BUILD["logit"](), dequantize(SPLITS.test)
    rescaling = space.steps.pop()  # the standardisation: what is left is the logit of the formula
    z, ledger = chain(space, x)
    s = LOGIT_ALPHA + (1 - 2 * LOGIT_ALPHA) * x / 17
    torch.testing.assert_close(z, torch.logit(s), rtol=1e-9, atol=1e-9)
    nats = normal_nats(z)
    by_formula = (
        -nats / (64 * math.log(2))
        - math.log2(1 - 2 * LOGIT_ALPHA)
        + math.log2(17)
        + (s.log2() + (1 - s).log2()).mean(-1)
    )
    torch.testing.assert_close(-(nats + ledger) / (64 * math.log(2)), by_formula)
    standardised, logdet = rescaling.forward(z)
    torch.testing.assert_close(logdet, -rescaling.scale.log().expand_as(z))
    torch.testing.assert_close(rescaling.inverse(standardised), z)


WORKED = {  # logit-space nats, dim, alpha, mean(log2 s + log2(1 - s)) of the data, bits/dim
    "MNIST, MAF": (-1300.5, 784, 1e-6, -8.503, 1.89),
    "MNIST, MAF MoG": (-1038.5, 784, 1e-6, -8.503, 1.41),
    "CIFAR-10, MAF": (3049.0, 3072, 0.05, -2.41, 4.31),
    "CIFAR-10, RealNVP": (2576.0, 3072, 0.05, -2.41, 4.53),
}


@pytest.mark.parametrize("name", WORKED)
def test_published_pairs_of_nats_and_bits(name):
    nats, dim, alpha, data, bits = WORKED[name]
    converted = -nats / (dim * math.log(2)) - math.log2(1 - 2 * alpha) + 8 + data
    assert converted == pytest.approx(bits, abs=0.006)


def test_standard_space_keeps_a_gaussian_exact_in_the_datas_units():
    fit, x = table(), raw("standard")
    y, ledger = chain(standard(fit, (7,)), x)
    sd = fit.std(0, correction=0)
    sd = torch.where(sd < 1e-12, 1.0, sd)
    reference = torch.distributions.Normal(fit.mean(0), sd).log_prob(x).sum(-1)
    torch.testing.assert_close(normal_nats(y) + ledger, reference, rtol=1e-12, atol=1e-9)


def test_constant_coordinates_keep_their_scale():
    fit = torch.full((999, 3), 0.1, dtype=torch.float64)
    fit[:, 2] = 1e6 + torch.linspace(0, 1e-6, 999).double()  # tiny, yet no constant
    step = standard(fit, (3,)).steps[0]
    assert step.scale[:2].tolist() == [1.0, 1.0]
    assert float(step.scale[2]) == pytest.approx(1e-6 / 12**0.5, rel=0.01)
    y, ledger = standard(fit, (3,)).forward(fit[:1] + torch.tensor([0.0, 0.5, 0.0]), None)
    assert y[0, 1] == pytest.approx(0.5)
    assert float(ledger[0]) == pytest.approx(-float(step.scale[2].log()))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_far_model_points_come_back_as_levels(name):
    space = BUILD[name]()
    far = torch.cat([torch.full((1, 64), v) for v in (-60.0, -9.0, 0.0, 9.0, 60.0)])
    levels = space.inverse(far)
    assert levels.dtype == torch.int64
    assert 0 <= int(levels.min()) <= int(levels.max()) <= 16
    assert torch.equal(levels[0], torch.zeros(SHAPE).long())
    assert torch.equal(levels[-1], torch.full(SHAPE, 16))


def test_marginals_of_a_level_never_seen_have_mass():
    space = dequantized("marginals", torch.zeros(10, 2).long(), 3, (2,))
    assert isinstance(space.steps[0], Marginals)
    torch.testing.assert_close(space.steps[0].mass, torch.tensor([[11.0, 1, 1]] * 2).double() / 13)
    y, ledger = space.forward(torch.tensor([[2, 1]]), seeded())
    nats = float(normal_nats(y) + ledger)
    assert nats == pytest.approx(2 * math.log(1 / 13), abs=1e-5)


@pytest.mark.parametrize("name", ["logit:1", "logit:0", "logit:x", "uniform:0.1"])
def test_a_wrong_number_behind_a_space_is_refused(name):
    with pytest.raises(UsageError, match="only logit takes a number after the colon"):
        dequantized(name, FIT, 17, SHAPE)


def test_the_papers_alpha_is_taken_from_the_name():
    paper = dequantized("logit:1e-6", FIT, 17, SHAPE).steps[1]
    assert isinstance(paper, Logit)
    assert paper.alpha == 1e-6


def test_an_unknown_space_names_the_known_ones():
    with pytest.raises(UsageError, match="no space 'logits'. Known: marginals, logit, uniform"):
        dequantized("logits", FIT, 17, SHAPE)
