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
        log_weight, centre, scale = self._parts(raw)
        return _logit_of_mean((x[..., None] - centre) / scale, log_weight, -scale.log())

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each; the root lies between those of the single components."""
        log_weight, centre, scale = self._parts(raw)
        alone = centre + scale * y[..., None]

        def mixture(x: Tensor) -> tuple[Tensor, Tensor]:
            value, log_slope = _logit_of_mean(
                (x[..., None] - centre) / scale, log_weight, -scale.log()
            )
            return value, log_slope.exp()

        x = increasing_root(mixture, y, alone.amin(-1), alone.amax(-1))
        return x, -self.forward(x, raw)[1]

    def identity(self) -> Tensor | None:
        """Equal components of scale 1 at 0."""
        scale = torch.full((self.components,), math.log(math.expm1(1 - LEAST_SCALE)))
        zeros = torch.zeros(self.components)
        return torch.cat((zeros, zeros, scale))

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, centre, scale = raw.chunk(3, -1)
        return weight.log_softmax(-1), centre, F.softplus(scale) + LEAST_SCALE


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
        log_weight, slope, offset = self._parts(raw)
        return _logit_of_mean(slope * x[..., None] + offset, log_weight, slope.log())

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        log_weight, slope, offset = self._parts(raw)
        alone = (y[..., None] - offset) / slope

        def sigmoids(x: Tensor) -> tuple[Tensor, Tensor]:
            value, log_slope = _logit_of_mean(
                slope * x[..., None] + offset, log_weight, slope.log()
            )
            return value, log_slope.exp()

        x = increasing_root(sigmoids, y, alone.amin(-1), alone.amax(-1))
        return x, -self.forward(x, raw)[1]

    def identity(self) -> Tensor | None:
        """Equal units of slope 1 and offset 0."""
        slope = torch.full((self.units,), math.log(math.expm1(1 - LEAST_SCALE)))
        zeros = torch.zeros(self.units)
        return torch.cat((zeros, slope, zeros))

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, slope, offset = raw.chunk(3, -1)
        return weight.log_softmax(-1), F.softplus(slope) + LEAST_SCALE, offset


def _logit_of_mean(a: Tensor, log_weight: Tensor, log_rate: Tensor) -> tuple[Tensor, Tensor]:
    """logit(sum_k w_k sigmoid(a_k)) and the log of its slope, where log da_k/dx = log_rate_k.

    With c = sum w sigmoid(a): log c, log(1 - c) and log c' = logsumexp(log w + log sigmoid(a) +
    log sigmoid(-a) + log_rate), each a logsumexp, and slope = c' / (c (1 - c)).
    """
    up, down = F.logsigmoid(a), F.logsigmoid(-a)
    log_c = torch.logsumexp(log_weight + up, -1)
    log_rest = torch.logsumexp(log_weight + down, -1)
    log_density = torch.logsumexp(log_weight + up + down + log_rate, -1)
    return log_c - log_rest, log_density - log_c - log_rest
