"""WaveNet: gated, dilated causal convolutions over a sequence (arXiv 1609.03499)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.models._causal_convolutions import GatedLayer
from bench.models._lags import Lagged
from bench.models._steps import Steps


@model(
    "wavenet",
    accepts=["discrete", "binary", "sequence"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="1609.03499",
)
def build(
    data: DataSpec,
    hidden: int = 48,
    layers: int = 4,
    repeats: int = 2,
    kernel: int = 2,
    dropout: float = 0.0,
    components: int = 5,
) -> WaveNet:
    """p(x) = prod_t p(x_t | the last R symbols), R = 1 + repeats (kernel - 1) (2^layers - 1).

    Args:
        data: a sequence of symbols, or other integer points with K levels in their order.
        hidden: features of a step.
        layers: convolutions with dilations 1, 2, 4 ..
        repeats: how often these dilations follow each other; twice 4 of width 2 see 31 symbols.
        kernel: width of a convolution.
        dropout: after each gate, in training.
        components: logistics per conditional; 0, and always for two levels and for the symbols of
            a sequence: a table of K logits.
    """
    net = WaveNet(data, hidden, layers, repeats, kernel, dropout, components)
    net.start_at(data.train)
    return net


class WaveNet(Steps):
    """The last symbol's features enter; what skips the layers is summed to the outputs."""

    def __init__(
        self,
        data: DataSpec,
        hidden: int,
        layers: int,
        repeats: int,
        kernel: int,
        dropout: float,
        components: int,
    ) -> None:
        super().__init__(data, components)
        self.lagged = Lagged(self, (1,), hidden, alike=self.stationary)
        self.layers = nn.ModuleList(
            GatedLayer(hidden, kernel, 2**i, dropout) for _ in range(repeats) for i in range(layers)
        )
        self.last = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, self.head.size)
        )
        nn.init.zeros_(self.last[-1].weight)

    def network(self, x: Tensor) -> Tensor:
        """Outputs [B, D, size] for symbols x [B, D] by step; those of step t read x[:, :t]."""
        h = self.lagged(x)
        skipped = torch.zeros_like(h)
        for layer in self.layers:
            h, skip = layer(h)
            skipped = skipped + skip
        return self.last(skipped)

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """One step's features each, with each layer's inputs of the steps before in a queue."""
        queues = [layer.conv.queue(len(x)) for layer in self.layers]

        def step(t: int) -> Tensor:
            h = self.lagged.at(x, t)
            skipped = torch.zeros_like(h)
            for layer, queue in zip(self.layers, queues, strict=True):
                h, skip = layer.step(h, queue)
                skipped = skipped + skip
            return self.last(skipped)

        return step
