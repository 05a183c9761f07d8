"""Autoregressive models that show what they are, and one fault of each kind.

Random weights: an untrained network must keep its order as well as a trained one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from bench.contract import DataSpec
from bench.flows import MADE, Composite, Flow, MaskedAffine, reverse
from bench.flows.autoregressive.made import MaskedLinear
from bench.models import made

# ------------------------------------------------------------------------- autoregressive, levels


def lively(module: nn.Module, size: float = 0.3) -> nn.Module:
    """Weights at random, so that nothing is near zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return module


def masked(data: DataSpec, components: int = 3, hidden: int = 32) -> made.DiscreteMADE:
    return lively(made.build(data, hidden=hidden, components=components), 0.1)


def tables_of_logits(data: DataSpec) -> made.DiscreteMADE:
    return masked(data, components=0)


def short_sighted(data: DataSpec) -> nn.Module:
    """Too few hidden units, and nothing beside them: dependencies are missing, none is false."""
    net = masked(data)
    net.direct = None
    few = MADE(data.dim, 3, outputs=net.head.size)
    net.net = lively(few)
    return net


class Around(nn.Module):
    """Another discrete autoregressive model, seen through a fault or a change of coordinates."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.inner = tables_of_logits(data)

    def conditionals(self, x: Tensor) -> Tensor:
        return self.inner.conditionals(x)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.conditionals(x).gather(2, x.long()[..., None]).sum((1, 2))

    def sample(self, n: int) -> Tensor:
        return self.inner.sample(n)


class Backwards(Around):
    """From the last coordinate to the first, and says so."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.order = torch.arange(data.dim - 1, -1, -1)

    def conditionals(self, x: Tensor) -> Tensor:
        return self.inner.conditionals(x.flip(1)).flip(1)

    def sample(self, n: int) -> Tensor:
        return self.inner.sample(n).flip(1)


class Terms(nn.Module):
    """Shows its terms only."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.inner = masked(data)

    def terms(self, x: Tensor) -> Tensor:
        return self.inner.conditionals(x).gather(2, x.long()[..., None]).squeeze(2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.terms(x).sum(1)


class Transformer(nn.Module):
    """One causal attention layer over tokens moved to the right by one."""

    shift, statistic = True, ""

    def __init__(self, data: DataSpec, width: int = 16) -> None:
        super().__init__()
        self.levels = data.levels or 2
        self.token = nn.Embedding(self.levels + 1, width)
        self.place = nn.Parameter(torch.randn(data.dim, width))
        self.attention = nn.Linear(width, 3 * width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.levels)
        lively(self)

    def conditionals(self, x: Tensor) -> Tensor:
        x = x.long()
        start = torch.full_like(x[:, :1], self.levels)
        tokens = torch.cat([start, x[:, :-1]], 1) if self.shift else x
        h = self.token(tokens) + self.place
        q, k, v = self.attention(self.norm(h)).chunk(3, -1)
        later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        score = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).masked_fill(later, -math.inf)
        h = h + score.softmax(-1) @ v
        if self.statistic:
            h = h - h.mean({"positions": 1, "batch": (0, 1)}[self.statistic], keepdim=True)
        return self.head(h).log_softmax(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.conditionals(x).gather(2, x.long()[..., None]).sum((1, 2))


class NotShifted(Transformer):
    shift = False


class NormOverPositions(Transformer):
    statistic = "positions"


class NormOverBatch(Transformer):
    statistic = "batch"


def seeing(ahead: int) -> Callable[[DataSpec], nn.Module]:
    """The last mask moved on: coordinate i sees itself (1), or the next one too (2)."""

    def build(data: DataSpec) -> nn.Module:
        net = masked(data, components=0)
        degrees = torch.tensor(net.net.hidden_degrees[-1])
        outputs = torch.arange(1, data.dim + 1).repeat_interleave(net.head.size)
        net.net.final_layer.mask.copy_(outputs[:, None] + ahead > degrees)
        return net

    return build


def wrong_degrees(data: DataSpec) -> nn.Module:
    """A hidden layer masked for units in another order."""
    net = masked(data, components=0)
    for linear in net.net.blocks[0].modules():
        if isinstance(linear, MaskedLinear):
            linear.mask.copy_(linear.mask.roll(1, 0))
    return net


class WrongAxis(Around):
    def conditionals(self, x: Tensor) -> Tensor:
        return self.inner.conditionals(x).log_softmax(1)


class FivePercentEach(Around):
    def conditionals(self, x: Tensor) -> Tensor:
        return self.inner.conditionals(x) + math.log(1.05)


class OneForgotten(Around):
    """log_prob leaves the last coordinate out."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) - self.terms_of_last(x)

    def terms_of_last(self, x: Tensor) -> Tensor:
        return self.conditionals(x)[:, -1].gather(1, x.long()[:, -1:]).squeeze(1)


class WrongOrder(Backwards):
    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.order = torch.arange(data.dim)


class SelfishTerms(Terms):
    """Each term looks at its own coordinate, which no pattern of terms can show."""

    def terms(self, x: Tensor) -> Tensor:
        return super().terms(x) + 0.1 * (x == x.max())


# --------------------------------------------------------------------- autoregressive, continuous


class GaussianMADE(nn.Module):
    """p(x_i | x_<i) = N(m_i, s_i^2), all from one masked network; a fault may be planted."""

    def __init__(self, data: DataSpec, fault: str = "") -> None:
        super().__init__()
        self.net, self.fault = lively(MADE(data.dim, max(32, data.dim)), 0.1), fault
        if fault == "sees the next":
            for linear in (self.net.initial_layer, self.net.final_layer):
                linear.mask.fill_(1)

    def terms(self, x: Tensor) -> Tensor:
        mean, raw = self.net(x).unflatten(1, (-1, 2)).unbind(2)
        scale = softplus(raw) + 0.1
        if self.fault == "mean by itself":
            mean = mean + 0.1 * x
        if self.fault == "detached future":
            mean = mean + 0.1 * x.detach().round().roll(-1, 1)
        found = torch.distributions.Normal(mean, scale).log_prob(x)
        return found + math.log(1.05) if self.fault == "5 %" else found

    def log_prob(self, x: Tensor) -> Tensor:
        found = self.terms(x)
        return (found[:, 1:] if self.fault == "one forgotten" else found).sum(1)


class Forgetful(MaskedAffine):
    """A layer whose log-determinant leaves one scale out."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        scale, shift = self._scale_and_shift(x, context)
        return scale * x + shift, scale[:, 1:].log().sum(1)


class Misdeclared(MaskedAffine):
    """A layer that says it runs from the last coordinate to the first."""

    @property
    def order(self) -> Tensor:
        return super().order.flip(0)


def stack(layer: type[MaskedAffine]) -> Callable[[DataSpec], Flow]:
    """A sound layer, a reversal, and one of the class given."""

    def build(data: DataSpec) -> Flow:
        nets = [lively(MADE(data.dim, max(32, data.dim)), 0.1) for _ in range(2)]
        parts = [MaskedAffine(nets[0]), reverse(data.dim), layer(nets[1])]
        return Flow(Composite(parts), data.dim)

    return build


def leaking_layer(data: DataSpec) -> Flow:
    flow = stack(MaskedAffine)(data)
    flow.autoregressive_layers()[1].autoregressive_net.final_layer.mask.fill_(1)
    return flow
