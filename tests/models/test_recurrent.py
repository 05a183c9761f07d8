"""Recurrent, attentive and multi-scale models of images: what they read, mass, cached samplers."""

from __future__ import annotations

import math

import pytest
import torch
from causal_cases import pattern, shaken, spec_of, states
from torch.nn import functional as F

from bench.models import diagonal_bilstm, lstm, multi_scale, row_lstm, transformer, wavenet
from bench.models._generation import sample_naively
from bench.models._masked_convolutions import MaskedConv, neighbours
from bench.models._recurrent import PixelRNN
from bench.models._snakes import rows
from bench.models.diagonal_bilstm import DiagonalBiLSTM, skewed, straight
from bench.models.lstm import LSTM
from bench.models.multi_scale import MultiScale
from bench.models.row_lstm import RowLSTM
from bench.models.transformer import Transformer

SMALL = {"hidden": 6, "dropout": 0.3}
CASES = {
    "lstm": lambda d: lstm.build(d, **SMALL, layers=2),
    "lstm, logistics": lambda d: lstm.build(d, **SMALL, components=2),
    "transformer": lambda d: transformer.build(d, hidden=8, heads=2, layers=2),
    "transformer, tokens alone": lambda d: transformer.build(d, hidden=8, layers=2, above=False),
    "row": lambda d: row_lstm.build(d, **SMALL),
    "row, logistics": lambda d: row_lstm.build(d, **SMALL, components=2),
    "diagonal": lambda d: diagonal_bilstm.build(d, **SMALL),
    "diagonal, 2 layers": lambda d: diagonal_bilstm.build(d, **SMALL, layers=2),
    "multi-scale": lambda d: multi_scale.build(d, **SMALL, layers=2),
    "wavenet": lambda d: wavenet.build(d, **SMALL, layers=2, repeats=2, kernel=3),
}
SHAPES = {  # levels
    (1, 3, 3): 2,
    (2, 3): 3,
    (1, 1, 5): 3,
    (5, 1): 3,
    (3, 1, 2): 3,
    (2, 2, 1): 3,
}
SQUARE = (1, 8, 8)
PAIRS = 2016  #: of a coordinate and an earlier one, on 8 x 8 pixels


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
class TestEveryImageModel:
    def test_masses_sum_to_one_and_are_products_of_conditionals(self, case, shape):
        levels, dim = SHAPES[shape], math.prod(shape)
        model = shaken(CASES[case](spec_of(shape, levels)))
        x = states(dim, levels)
        log_mass, tables = model.log_prob(x), model.conditionals(x)
        assert log_mass.shape == (levels**dim,)
        assert abs(log_mass.exp().sum() - 1) < 1e-12
        assert tables.exp().sum(2).sub(1).abs().max() < 1e-12
        product = tables.gather(2, x[..., None]).sum((1, 2))
        assert (product - log_mass).abs().max() < 1e-11

    def test_cached_sampler_gives_the_levels_of_the_naive_one(self, case, shape):
        model = shaken(CASES[case](spec_of(shape, SHAPES[shape])))
        u = torch.rand(40, model.dim, dtype=torch.float64)
        x = model.sample_from(u)
        assert x.dtype == torch.int64
        assert torch.equal(x, sample_naively(model, u, model.order))

    def test_no_coordinate_reads_itself_or_a_later_one(self, case, shape):
        assert pattern(CASES[case], spec_of(shape, SHAPES[shape]))[0] == 0


@pytest.mark.parametrize("case", CASES)
def test_draws_follow_the_seed_and_unseen_levels_are_finite(case):
    data = spec_of((2, 3), 1)
    data.levels = 17
    model = CASES[case](data).eval()
    corners = torch.tensor([[0] * 6, [16] * 6, [0, 16, 8, 16, 0, 1]])
    assert model.log_prob(corners).isfinite().all()
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        draws.append(model.sample(20))
    assert torch.equal(*draws)
    assert draws[0].shape == (20, 6)
    assert 0 <= int(draws[0].min()) <= int(draws[0].max()) <= 16


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_learns(case):
    torch.manual_seed(0)
    model = CASES[case](spec_of((1, 4, 4), 5))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    x = torch.randint(5, (8, 16))
    model.log_prob(x).mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def test_multi_scale_sums_to_one_on_four_by_four():
    model = shaken(multi_scale.build(spec_of((1, 4, 4), 2), hidden=2, layers=1))
    mass = torch.cat([model.log_prob(x).exp() for x in states(16, 2).split(8192)])
    assert abs(mass.sum() - 1) < 1e-12


@pytest.mark.parametrize("case", ["row", "diagonal, 2 layers", "lstm", "transformer"])
def test_colours_are_drawn_and_read_within_a_pixel(case):
    """A channel reads those before of its own pixel, all of them, and pixels before in raster."""
    shape, dim = (3, 2, 3), 18
    build = CASES[case]
    assert pattern(build, spec_of(shape, 3)) == (0, 0)
    model = shaken(build(spec_of(shape, 3)))
    channel, pixel = torch.arange(dim) // 6, torch.arange(dim) % 6
    assert torch.equal(model.order, 3 * pixel + channel)


#: (build, pairs of an 8 x 8 image in which the past is never read)
REACH = {
    "lstm": (lambda d: lstm.build(d, hidden=8), 0),
    "transformer": (lambda d: transformer.build(d, hidden=8, layers=1), 0),
    "transformer, tokens alone": (lambda d: transformer.build(d, hidden=8, above=False), 0),
    "diagonal": (lambda d: diagonal_bilstm.build(d, hidden=8), 0),
    "row, its triangle": (lambda d: row_lstm.build(d, hidden=8), 285),
    "row, 1 layer": (lambda d: row_lstm.build(d, hidden=8, layers=1), 355),
    "multi-scale": (lambda d: multi_scale.build(d, hidden=8), 0),
    "multi-scale, 4 layers": (lambda d: multi_scale.build(d, hidden=8, layers=4), 63),
    "multi-scale, window of 5": (lambda d: multi_scale.build(d, hidden=8, window=5), 48),
}


@pytest.mark.parametrize("case", REACH)
def test_the_past_of_an_image_is_read(case):
    build, blind = REACH[case]
    assert pattern(build, spec_of(SQUARE, 3)) == (0, blind)


class ShiftedByRow(Transformer):
    """Each row of the image is moved to the right by itself, so that its last pixel falls out."""

    def network(self, x):
        nothing = torch.full_like(x, self.lagged.nothing)
        h = self.lagged(x).clone()
        h[:, :: self.width] = self.lagged(nothing)[:, :: self.width]
        for block in self.blocks:
            h = block(h)
        return self.last(self.norm(h))


class Unmasked(Transformer):
    """Attention to all steps."""

    def network(self, x):
        h = self.lagged(x)
        for block in self.blocks:
            query, key, value = block._heads(h)
            h = block._finish(h, F.scaled_dot_product_attention(query, key, value))
        return self.last(self.norm(h))


class Bidirectional(LSTM):
    """Also a recurrence from the end."""

    def network(self, x):
        h = self.lagged(x)
        return self.last(self.lstm(h)[0] + self.lstm(h.flip(1))[0].flip(1))


class InPlace(DiagonalBiLSTM):
    """The pass from right to left stays in its row."""

    def forward(self, x, image):
        rows = self.height, self.width
        right = self.right(x).unflatten(1, rows)
        left = self.left(image if self.first else x).unflatten(1, rows)
        right, left = self.passes(torch.stack([right, left.flip(2)]))
        return self.leave((right + left.flip(2)).flatten(1, 2))


class OwnRow(RowLSTM):
    """Gates from the features of a pixel and both of its neighbours."""

    def __init__(self) -> None:
        super().__init__(SQUARE, 8, 0.0)
        table = neighbours(rows(8, 8), (0, 0), (-1, 1), ties=True)
        self.enter = MaskedConv(16, 32, table[None])


class Elsewhere(MultiScale):
    """The small image is that of the odd rows and columns, and is taken for the other one."""

    def shrunk(self, x):
        return x.reshape(-1, *self.shape)[:, :, 1::2, 1::2].flatten(1)


def a_transformer(kind, **settings):
    return lambda d: kind(d, 8, 1, 2, 0.0, 0, **{"above": True} | settings)


def pixel_rnn(layers):
    return lambda d: PixelRNN(d, layers(), 8, 5, 0)


def diagonals(kind, first, layers=1):
    return pixel_rnn(lambda: [kind(SQUARE, 8, 0.0, first) for _ in range(layers)])


def unshifted(data):
    """The symbol of a step enters that very step."""
    model = transformer.build(data, hidden=8, layers=1)
    model.lagged.lags = tuple(lag - 1 for lag in model.lagged.lags)
    return model


def elsewhere(data):
    model = multi_scale.build(data, hidden=8)
    model.__class__ = Elsewhere
    return model


#: wrong model -> (forbidden pairs that react, earlier ones that never do)
WRONG = {
    "transformer without a shift": (unshifted, (64, 0)),
    "transformer shifted by row": (a_transformer(ShiftedByRow, above=False), (0, 224)),
    "transformer without a mask": (a_transformer(Unmasked), (PAIRS, 0)),
    "lstm both ways": (lambda d: Bidirectional(d, 8, 1, 0.0, 0, 2), (PAIRS, 0)),
    "diagonal in its row": (diagonals(InPlace, first=False), (224, 0)),
    "diagonal in its row, from the pixels": (diagonals(InPlace, first=True), (288, 0)),
    "diagonal behind the first mask": (diagonals(DiagonalBiLSTM, first=False), (0, 35)),
    "the same, 2 layers": (diagonals(DiagonalBiLSTM, first=False, layers=2), (0, 35)),
    "row that sees its right": (pixel_rnn(lambda: [OwnRow()]), (56, 270)),
    "multi-scale of another small image": (elsewhere, (120, 120)),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_variants_are_found(case):
    build, found = WRONG[case]
    assert pattern(build, spec_of(SQUARE, 3)) == found


@pytest.mark.parametrize("rows_", [1, 2, 5])
@pytest.mark.parametrize("columns", [1, 4])
def test_skewed_rows_are_moved_and_back(rows_, columns):
    x = torch.randn(2, rows_, columns, 3)
    moved = skewed(x)
    assert moved.shape == (2, rows_, columns + rows_ - 1, 3)
    for r in range(rows_):
        assert torch.equal(moved[:, r, r : r + columns], x[:, r])
    assert torch.equal(straight(moved, columns), x)
