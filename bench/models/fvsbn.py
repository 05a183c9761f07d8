"""The fully visible sigmoid belief net: a linear regression of each coordinate on those before."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from bench import model
from bench.contract import DataSpec
from bench.flows.autoregressive.made import MaskedLinear
from bench.flows.masks import input_degrees, output_mask
from bench.levels import scaled
from bench.models._steps import Steps


@model(
    "fvsbn",
    accepts=["discrete", "binary"],
    likelihood="exact-discrete",
    family="autoregressive",
    paper="Neal 1992, doi 10.1016/0004-3702(92)90065-6",
)
def build(data: DataSpec, one_hot: bool = False) -> FVSBN:
    """p(x_i = k | x_<i) = softmax(b_i + sum_{j<i} W_ij f(x_j))_k, in the order of reading.

    For two levels that is Neal's net of sigmoids.

    Args:
        data: integer points [N, D] with K levels (binary: K = 2).
        one_hot: f(x) is the indicator of the level, else the level scaled to [-1, 1].
    """
    net = FVSBN(data, one_hot)
    net.start_at(data.train)
    return net


class FVSBN(Steps):
    """One masked linear layer; it starts at the marginals."""

    def __init__(self, data: DataSpec, one_hot: bool) -> None:
        super().__init__(data, components=0)
        self.features = self.head.levels if one_hot else 1
        degrees = input_degrees(self.dim)
        mask = output_mask(self.dim, self.head.size, degrees.repeat_interleave(self.features))
        self.linear = MaskedLinear(mask)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def inputs(self, x: Tensor) -> Tensor:
        """f of levels x [...]: [..., features]."""
        dtype, levels = self.start.dtype, self.head.levels
        if self.features == 1:
            return scaled(x, levels).to(dtype).unsqueeze(-1)
        return F.one_hot(x, levels).to(dtype)

    def network(self, x: Tensor) -> Tensor:
        """Logits [B, D, K] for levels x [B, D] by step; those of step t read x[:, :t]."""
        return self.linear(self.inputs(x).flatten(1)).unflatten(1, (self.dim, -1))

    def stepper(self, x: Tensor) -> Callable[[int], Tensor]:
        """The logits of all steps, to which each step adds its own share once it is known."""
        weight = self.linear.weight.unflatten(1, (self.dim, -1)).unflatten(0, (self.dim, -1))
        logits = self.linear.bias.unflatten(0, (self.dim, -1)).repeat(len(x), 1, 1)

        def step(t: int) -> Tensor:
            if t:
                share = weight[t:, :, t - 1].flatten(0, 1)  # [(D - t) K, features]
                known = self.inputs(x[:, t - 1])
                logits[:, t:] += (known @ share.T).unflatten(1, (self.dim - t, -1))
            return logits[:, t]

        return step
