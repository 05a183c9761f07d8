"""A long short-term memory over coordinates: pixels with the row above at hand, or symbols."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.models._dropout import Dropout
from bench.models._lags import Lagged, lags_of
from bench.models._steps import Steps


@model(
    "lstm",
    accepts=["discrete", "binary", "sequence"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1308.0850",
)
def build(
    data: DataSpec,
    hidden: int = 128,
    layers: int = 1,
    dropout: float = 0.3,
    components: int = 5,
    near: int = 2,
) -> LSTM:
    """p(x) = prod_t p(x_t | state after x_1 .. x_{t-1}).

    Args:
        data: integer points with K levels (binary: K = 2), or a sequence of symbols.
        hidden: units of a layer's state, and of its input.
        layers: one above the other.
        dropout: of the layers' inputs and outputs, in training.
        components: logistics per conditional; 0, and always for two levels and for the symbols of
            a sequence: a table of K logits.
        near: pixels to the left that a step reads directly, besides three of the row above; of a
            sequence it reads the last symbol.
    """
    net = LSTM(data, hidden, layers, dropout, components, near)
    net.start_at(data.train)
    return net


class LSTM(Steps):
    """Symbols at some lags, the recurrence, and a linear layer to the head's outputs."""

    def __init__(
        self,
        data: DataSpec,
        hidden: int,
        layers: int,
        dropout: float,
        components: int,
        near: int,
    ) -> None:
        super().__init__(data, components)
        lags = (1,) if self.stationary else lags_of(data.shape, near)
        self.lagged = Lagged(self, lags, hidden, alike=self.stationary)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=between)
        self.dropout = Dropout(dropout)
        self.last = nn.Linear(hidden, self.head.size)
        nn.init.zeros_(self.last.weight)

    def network(self, x: Tensor) -> Tensor:
        """Outputs [B, D, size] for symbols x [B, D] by step; those of step t read x[:, :t]."""
        return self.last(self.dropout(self.lstm(self.dropout(self.lagged(x)))[0]))

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """One step of the recurrence each, which keeps its state."""
        state: tuple[Tensor, Tensor] | None = None

        def step(t: int) -> Tensor:
            nonlocal state
            h, state = self.lstm(self.lagged.at(x, t)[:, None], state)
            return self.last(h[:, 0])

        return step
