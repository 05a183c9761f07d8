"""Multi-scale PixelCNN: a small image first, then the large one given it (arXiv 1601.06759)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.levels import invert, level_count, scaled
from bench.models._dropout import Dropout
from bench.models._masked_convolutions import MaskedConv, neighbours, padded
from bench.models._pixels import Pixels, Separate, image_shape, separate
from bench.models._raster_cache import Cache, View, Whole, fill
from bench.models._snakes import raster
from bench.models._two_stacks import TwoStacks


@model(
    "multi-scale",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1601.06759",
    images=True,
)
def build(
    data: DataSpec,
    hidden: int = 32,
    small_layers: int = 3,
    layers: int = 5,
    kernel: int = 7,
    window: int = 7,
    dropout: float = 0.3,
    components: int = 5,
) -> MultiScale:
    """p(x) = p(every second pixel of every second row) p(the other pixels given those).

    Both are gated networks of two stacks; the paper's are PixelRNNs.

    Args:
        data: integer images with K levels (binary: K = 2).
        hidden: features of a stack, rounded up to a multiple of the channels.
        small_layers, layers: gated layers of the small image's network and of the large one's.
        kernel: width of their first layers.
        window: width of the square of small pixels around it that a pixel of the large image sees;
            of the others it sees those above and to the left.
        dropout: after each gate and in the window, in training.
        components: logistics per conditional; 0: a table of K logits (always so for two levels).
    """
    shape = image_shape(data)
    hidden += -hidden % shape[0]
    head = separate(level_count(data), components, shape[0])
    stacks = [
        TwoStacks(s, head.size, hidden, n, kernel, dropout)
        for s, n in ((halved(shape), small_layers), (shape, layers))
    ]
    small = Pixels(halved(shape), stacks[0], head, raster(*halved(shape)[1:])[None])
    large = Large(shape, stacks[1], head, Window(shape, hidden, stacks[1], window, dropout))
    net = MultiScale(small, large)
    net.start_at(data.train)
    return net


def halved(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(C, H, W) of the image of every second pixel of every second row."""
    return shape[0], (shape[1] + 1) // 2, (shape[2] + 1) // 2


class MultiScale(nn.Module):
    """The small image's pixels come first in the order, then the others, both as they are read."""

    order: Tensor  #: position of each coordinate, int64 [D]

    def __init__(self, small: Pixels, large: Large) -> None:
        super().__init__()
        self.small, self.large = small, large
        self.shape = large.channels, large.height, large.width
        self.dim = large.channels * large.pixels
        read = large.positions() + self.dim * ~large.known.repeat(large.channels)
        self.register_buffer("order", read.argsort().argsort(), persistent=False)

    def start_at(self, x: Tensor) -> None:
        """Start from the heads' first guesses for x [N, D]."""
        self.small.start_at(self.shrunk(x))
        self.large.start_at(x)

    def shrunk(self, x: Tensor) -> Tensor:
        """The small images [B, D'] of x [B, D]."""
        return x.reshape(-1, *self.shape)[:, :, ::2, ::2].flatten(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, [B]."""
        others = self.large.terms(x)[:, ~self.large.known.repeat(self.large.channels)]
        return self.small.terms(self.shrunk(x)).sum(1) + others.sum(1)

    def conditionals(self, x: Tensor) -> Tensor:
        """Log-masses of every level given the coordinates before in the order, nats [B, D, K]."""
        tables = self.large.tables(x)
        first = self.large.known.repeat(self.large.channels)
        return tables.index_copy(1, first.nonzero()[:, 0], self.small.tables(self.shrunk(x)))

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        return self.sample_from(self.large.uniforms(n))

    @torch.no_grad()
    def sample_from(self, u: Tensor) -> Tensor:
        """Levels for uniforms u [n, D] by inversion, each pixel computed once: int64 [n, D]."""
        small = self.small.levels_of(self.shrunk(u))
        return self.large.levels_around(self.small.by_pixel(small), u)


class Large(Pixels):
    """The pixels of the large image, given the small one's."""

    known: Tensor  #: which pixels the small image holds, bool [P]

    def __init__(
        self, shape: tuple[int, int, int], stacks: TwoStacks, head: Separate, window: Window
    ) -> None:
        super().__init__(shape, stacks, head, raster(*shape[1:])[None])
        self.window = window
        known = torch.zeros(shape[1:], dtype=torch.bool)
        known[::2, ::2] = True
        self.register_buffer("known", known.flatten(), persistent=False)

    def outputs(self, levels: Tensor, order: int = 0, labels: Tensor | None = None) -> Tensor:
        """The head's inputs for levels [B, P, C], [B, P, size]; of use for unknown pixels."""
        view = Whole(self.image(levels))
        stacks = Guided(self.stacks, self.window(self.image(levels[:, self.known])))
        return stacks.beside(view, stacks.above(view)) + self.start

    @torch.no_grad()
    def levels_around(self, small: Tensor, u: Tensor) -> Tensor:
        """Draws by inversion of uniforms u [n, D] around known levels [n, P', C]: [n, D]."""
        n, c = len(u), self.channels
        u = u.reshape(n, c, self.pixels).transpose(1, 2)
        levels = torch.zeros(n, self.pixels, c, dtype=torch.int64, device=u.device)
        levels[:, self.known] = small
        image = padded(self.image(levels))
        cache = Cache(image, torch.zeros(1, dtype=torch.int64, device=u.device))
        known = self.known.tolist()

        def draw(outputs: Tensor, places: Tensor, channel: int) -> Tensor:
            pixel = int(places)
            if not known[pixel]:
                tables = self.head.tables(outputs + self.start[places[0]], levels[:, places[0]])
                levels[:, pixel, channel] = invert(tables[:, 0, channel], u[:, pixel, channel])
            return scaled(levels[:, pixel, channel, None], self.head.levels).to(image.dtype)

        order = torch.arange(self.pixels, device=u.device)[None]
        stacks = Guided(self.stacks, self.window(self.image(small)))
        fill(stacks, cache, order, self.width, c, draw, refresh=True)
        return levels.transpose(1, 2).flatten(1)


class Window(nn.Module):
    """From a small image, what each convolution of the large one's stacks adds to its outputs."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: int,
        stacks: TwoStacks,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        _, height, columns = halved(shape)
        self.small, self.height, self.width = (height, columns), shape[1], shape[2]
        together, half = torch.zeros(height, columns, dtype=torch.int64), width // 2
        table = neighbours(together, (-half, half), (-half, half), ties=True)
        self.enter = MaskedConv(1 + shape[0], hidden, table[None])
        self.spread = nn.Linear(hidden, 4 * hidden)  # to the four pixels of a small one
        self.dropout = Dropout(dropout)
        self.convs = [*stacks.down, *stacks.right]
        self.feeds = nn.Linear(hidden, 2 * hidden * len(self.convs))

    def forward(self, image: Tensor) -> dict[MaskedConv, Tensor]:
        """Convolution -> [B, P, outputs], for a small image [B, P', 1 + C]."""
        h = self.spread(self.dropout(self.enter(padded(image)).relu()))
        h = h.unflatten(2, (2, 2, -1)).unflatten(1, self.small)  # [B, H', W', 2, 2, F]
        h = h.transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, : self.height, : self.width]
        parts = self.feeds(h.flatten(1, 2).relu()).chunk(len(self.convs), -1)
        return dict(zip(self.convs, parts, strict=True))


class Guided:
    """Stacks to whose convolutions something is added at every pixel."""

    by_rows = True

    def __init__(self, stacks: TwoStacks, added: dict[MaskedConv, Tensor]) -> None:
        self.stacks, self.added = stacks, added

    def above(self, view: View) -> list[Tensor]:
        """Features that read rows above, and the small image, [B, m, ...] each."""
        return self.stacks.above(_Added(view, self.added))

    def beside(self, view: View, above: list[Tensor]) -> Tensor:
        """Outputs at the view's pixels, [B, m, outputs]."""
        return self.stacks.beside(_Added(view, self.added), above)


class _Added:
    """A view whose convolutions have something added."""

    labels = None

    def __init__(self, view: View, added: dict[MaskedConv, Tensor]) -> None:
        self.view, self.added = view, added

    def image(self, conv: MaskedConv) -> Tensor:
        return self.view.image(conv) + self._here(conv)

    def __call__(self, conv: MaskedConv, x: Tensor) -> Tensor:
        return self.view(conv, x) + self._here(conv)

    def _here(self, conv: MaskedConv) -> Tensor:
        added = self.added[conv]
        return added[:, self.view.places[0]] if isinstance(self.view, Cache) else added
