"""What convolutional autoregressive models read: nothing later, and what of the past."""

from __future__ import annotations

import pytest
import torch
from convolutional_cases import CASES, ONE_ORDER, images, pattern, shaken, states
from torch.nn import functional as F

from bench.models import (
    lmconv,
    lmconv_orders,
    pixelcnn,
    pixelcnn_gated,
    pixelcnn_logistics,
)
from bench.models._masked_convolutions import MaskedConv, neighbours, padded
from bench.models._snakes import raster, rows, snakes


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 3, 2), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("case", ONE_ORDER)
def test_no_coordinate_reads_itself_or_a_later_one(case, shape):
    assert pattern(ONE_ORDER[case], images(shape, 3))[0] == 0


@pytest.mark.parametrize("order", range(8))
def test_no_coordinate_reads_a_later_one_in_any_order(order):
    assert pattern(CASES["orders"], images((1, 5, 4), 3), order)[0] == 0


#: (build, pairs of an 8 x 8 image in which the past is never read, of 2016)
REACH = {
    "gated, 5 layers": (lambda d: pixelcnn_gated.build(d, hidden=8), 0),
    "gated, 2 layers": (lambda d: pixelcnn_gated.build(d, hidden=8, layers=2), 696),
    "pixelcnn, its blind spot": (lambda d: pixelcnn.build(d, hidden=8), 210),
    "plus": (lambda d: pixelcnn_logistics.build(d, hidden=4, blocks=2), 0),
    "snake, 6 layers": (lambda d: lmconv.build(d, hidden=8), 0),
    "snake, 3 layers": (lambda d: lmconv.build(d, hidden=8, layers=3), 366),
}


@pytest.mark.parametrize("case", REACH)
def test_so_much_of_the_past_is_out_of_reach(case):
    build, expected = REACH[case]
    assert pattern(build, images((1, 8, 8), 5)) == (0, expected)


def test_every_snake_reaches_all_of_its_past():
    for order in range(8):
        spec = images((1, 8, 8), 5)
        found = pattern(lambda d: lmconv_orders.build(d, hidden=8), spec, order, inits=2)
        assert found == (0, 0)


class TestPlanted:
    """Each wrong variant is seen by the pattern, and by the sum where it breaks the mass."""

    spec = images((1, 8, 8), 5)
    small = images((1, 3, 3), 2)

    def mass(self, build) -> float:
        log_mass = shaken(build(self.small)).log_prob(states((1, 3, 3), 2))
        return float(log_mass.exp().sum())

    def test_mask_b_first(self, monkeypatch):
        """The first layer reads its own pixel: no shift."""

        def build(data):
            model = lmconv.build(data, hidden=8)
            first, order = model.net.stacks.first, model.net.orders.reshape(1, *data.shape[1:])
            table = neighbours(order[0], (-2, 2), (-2, 2), ties=True)
            model.net.stacks.first = MaskedConv(2, len(first.bias), table[None])
            return model

        assert pattern(build, self.spec)[0] == 64
        assert abs(self.mass(build) - 1) > 1e-3

    def test_vertical_stack_reads_its_own_row(self):
        def build(data):
            model = pixelcnn_gated.build(data, hidden=8)
            height, width = data.shape[1:]
            table = neighbours(rows(height, width), (-3, 0), (-3, 3), ties=True)
            model.net.stacks.down[0] = MaskedConv(2, 16, table[None])
            return model

        assert pattern(build, self.spec)[0] > 64
        assert abs(self.mass(build) - 1) > 1e-3

    def test_vertical_stack_moved_up_in_every_layer(self):
        """Causal and normalised, but blind: only the second direction of the pattern tells."""

        def build(data):
            model = pixelcnn_gated.build(data, hidden=8)
            height, width = data.shape[1:]
            table = neighbours(rows(height, width), (-2, 0), (-1, 1), ties=False)
            for layer in range(1, 5):
                model.net.stacks.down[layer] = MaskedConv(8, 16, table[None])
            return model

        forbidden, unread = pattern(build, self.spec)
        assert forbidden == 0
        assert unread > 100
        assert abs(self.mass(build) - 1) < 1e-12

    def test_mean_of_logs_loses_mass(self):
        model = shaken(CASES["orders"](self.small))
        wrong = model.log_probs(states((1, 3, 3), 2)).mean(0).exp().sum()
        assert wrong < 0.99

    def test_channels_that_read_their_own_value(self):
        def build(data):
            model = ONE_ORDER["lmconv"](data)
            model.net.stacks.first.mask = None
            return model

        assert pattern(build, images((3, 2, 2), 3))[0] > 0


def test_raster_mask_is_a_masked_convolution():
    torch.manual_seed(0)
    order = raster(6, 5)
    for ties in (False, True):
        conv = MaskedConv(3, 4, neighbours(order, (-2, 2), (-2, 2), ties)[None]).double()
        x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
        kernel = torch.zeros(4, 3, 25, dtype=torch.float64)
        kernel[:, :, : 12 + ties] = conv.weight.detach().transpose(1, 2)
        expected = F.conv2d(x, kernel.unflatten(2, (5, 5)), conv.bias, padding=2)
        found = conv(padded(x.flatten(2).transpose(1, 2)))
        assert (found.transpose(1, 2).unflatten(2, (6, 5)) - expected).abs().max() < 1e-14


@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 4), (1, 1, 5), (1, 5, 1), (3, 3, 4)], ids=str)
def test_snakes_walk_from_neighbour_to_neighbour(shape):
    height, width = shape[-2:]
    paths = snakes(height, width)
    for path in paths:
        place = path.flatten().argsort()
        assert torch.equal(place.sort().values, torch.arange(height * width))
        step = (place // width).diff().abs() + (place % width).diff().abs()
        assert (step == 1).all()
    if min(height, width) > 1:
        assert len({tuple(p.flatten().tolist()) for p in paths}) == 8
