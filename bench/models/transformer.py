"""A transformer over coordinates: pixels with the row above at hand, or symbols."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.errors import UsageError
from bench.models._attention import Block
from bench.models._dropout import Dropout
from bench.models._lags import Lagged, lags_of
from bench.models._steps import Steps


@model(
    "transformer",
    accepts=["discrete", "binary", "sequence"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1706.03762",
)
def build(
    data: DataSpec,
    hidden: int = 64,
    layers: int = 4,
    heads: int = 4,
    dropout: float = 0.15,
    components: int = 5,
    above: bool = True,
) -> Transformer:
    """p(x) = prod_t p(x_t | attention to x_1 .. x_{t-1}).

    Args:
        data: integer points with K levels (binary: K = 2), or a sequence of symbols.
        hidden: features of a step, a multiple of the heads.
        layers: blocks of attention and two linear layers.
        heads: of the attention.
        dropout: of the input and behind each part of a block, in training.
        components: logistics per conditional; 0, and always for two levels and for the symbols of
            a sequence: a table of K logits.
        above: a pixel's step reads three pixels of the row above directly, besides the last one.

    Raises UsageError for features that the heads do not divide.
    """
    if hidden % heads:
        raise UsageError(f"transformer: hidden {hidden} must be a multiple of heads {heads}")
    net = Transformer(data, hidden, layers, heads, dropout, components, above)
    net.start_at(data.train)
    return net


class Transformer(Steps):
    """The input of a step is the symbol before: the shift to the right that hides its own."""

    def __init__(
        self,
        data: DataSpec,
        hidden: int,
        layers: int,
        heads: int,
        dropout: float,
        components: int,
        above: bool,
    ) -> None:
        super().__init__(data, components)
        lags = lags_of(data.shape, near=1, above=above)
        self.lagged = Lagged(self, lags, hidden)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(hidden, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.last = nn.Linear(hidden, self.head.size)
        nn.init.zeros_(self.last.weight)

    def network(self, x: Tensor) -> Tensor:
        """Outputs [B, D, size] for symbols x [B, D] by step; those of step t read x[:, :t]."""
        h = self.dropout(self.lagged(x))
        for block in self.blocks:
            h = block(h)
        return self.last(self.norm(h))

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """One step's features each, with the keys and values of those before."""
        kept = [block.kept(len(x), self.dim) for block in self.blocks]

        def step(t: int) -> Tensor:
            h = self.lagged.at(x, t)[:, None]
            for block, room in zip(self.blocks, kept, strict=True):
                h = block.step(h, room, t)
            return self.last(self.norm(h[:, 0]))

        return step
