"""Maps of the line made of logistic functions: mixture CDFs and deep sigmoids.

A mixture CDF followed by the normal quantile sends a mixture of logistics to noise (Flow++,
arXiv 1902.00275; Gaussianization flows, 2003.01941). A deep sigmoid is the neural autoregressive
flow's transformer (NAF, 1804.00779). Both are evaluated in the logit domain, so that their tails
are linear and nothing saturates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.monotone.roots import increasing_root

LEAST_SCALE = 1e-3


@dataclass(frozen=True)
class LogisticMixture:
    """y = logit(sum_k pi_k sigmoid((x - mu_k) / s_k)), an increasing map onto the line.

    Raw: K logits of the weights, K centres, K raw scales (softplus + 1e-3).
    """

    components: int = 8

    @property
    def parameters(self) -> int:
        """3 K."""
        return 3 * self.components

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        weight, centre, rate = self._parts(raw)
        value, slope = _logit_of_mean((x[..., None] - centre) * rate, weight, rate)
        return value, slope.log()

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each; the root lies between those of the single components."""
        weight, centre, rate = self._parts(raw)
        alone = centre + y[..., None] / rate

        def mixture(x: Tensor) -> tuple[Tensor, Tensor]:
            return _logit_of_mean((x[..., None] - centre) * rate, weight, rate)

        x = increasing_root(mixture, y, alone.amin(-1), alone.amax(-1))
        return x, -self.forward(x, raw)[1]

    def identity(self) -> Tensor | None:
        """Equal components of scale 1 at 0."""
        scale = torch.full((self.components,), math.log(math.expm1(1 - LEAST_SCALE)))
        zeros = torch.zeros(self.components)
        return torch.cat((zeros, zeros, scale))

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, centres and 1 / scales."""
        weight, centre, scale = raw.chunk(3, -1)
        return weight.softmax(-1), centre, 1 / (F.softplus(scale) + LEAST_SCALE)


@dataclass(frozen=True)
class DeepSigmoid:
    """y = logit(sum_k w_k sigmoid(a_k x + b_k)), w a softmax, a > 0: one layer of NAF's DSF.

    Raw: K logits of w, K raw slopes (softplus + 1e-3), K offsets. The same family as the logistic
    mixture, in the paper's parametrisation: slopes instead of scales, offsets instead of centres.
    """

    units: int = 8

    @property
    def parameters(self) -> int:
        """3 K."""
        return 3 * self.units

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        weight, rate, offset = self._parts(raw)
        value, slope = _logit_of_mean(rate * x[..., None] + offset, weight, rate)
        return value, slope.log()

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        weight, rate, offset = self._parts(raw)
        alone = (y[..., None] - offset) / rate

        def sigmoids(x: Tensor) -> tuple[Tensor, Tensor]:
            return _logit_of_mean(rate * x[..., None] + offset, weight, rate)

        x = increasing_root(sigmoids, y, alone.amin(-1), alone.amax(-1))
        return x, -self.forward(x, raw)[1]

    def identity(self) -> Tensor | None:
        """Equal units of slope 1 and offset 0."""
        slope = torch.full((self.units,), math.log(math.expm1(1 - LEAST_SCALE)))
        zeros = torch.zeros(self.units)
        return torch.cat((zeros, slope, zeros))

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, slopes and offsets."""
        weight, slope, offset = raw.chunk(3, -1)
        return weight.softmax(-1), F.softplus(slope) + LEAST_SCALE, offset


def _logit_of_mean(a: Tensor, weight: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """logit(sum_k w_k sigmoid(a_k)) and its slope, where da_k/dx = rate_k.

    With c = sum w sigmoid(a) the slope is sum(w sigmoid(a) sigmoid(-a) rate) / (c (1 - c)). All
    sums are scaled by the largest of the exp(min(a, 0)) and of the exp(min(-a, 0)), which cancel:
    one of the factors is 1 in either tail, and nothing underflows.
    """
    low = a.clamp(max=0.0)
    high = low - a  # min(-a, 0)
    left, right = (t.detach().amax(-1, keepdim=True) for t in (low, high))
    part = 1 / (1 + (low + high).exp())
    weight = weight.clamp(min=torch.finfo(a.dtype).tiny) * part
    up, down = (low - left).exp(), (high - right).exp()
    below = weight * up
    c, rest = below.sum(-1), (weight * down).sum(-1)
    density = (below * down * part * rate).sum(-1)
    return (c / rest).log() + (left - right).squeeze(-1), density / (c * rest)
