"""Normal scores: the normal quantile of a mixture of logistics' distribution function."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.flows.monotone.mixture import LEAST_SCALE, LogisticMixture

FAR = -50.0  #: logit below which the normal quantile starts from its asymptotic series
NEWTON = 3  #: steps from either start to float64's resolution
OVERLAP = 0.7  #: scale of a component at the start, in distances of neighbouring centres
NARROWEST = 0.01  #: least scale of a component at the start, in standard deviations


@dataclass(frozen=True)
class NormalScores:
    """y = Phi^-1(sum_k pi_k sigmoid((x - mu_k) / s_k)): a logistic mixture's law to N(0, 1).

    The layer of Gaussianization flows (arXiv 2003.01941, section 3.2), in the logit domain and
    hence finite in every tail. Raw: that of `LogisticMixture`.
    """

    components: int = 16

    @property
    def parameters(self) -> int:
        """3 K."""
        return self._mixture.parameters

    @property
    def _mixture(self) -> LogisticMixture:
        return LogisticMixture(self.components)

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, [*] each."""
        logit, first = self._mixture.forward(x, raw)
        y, second = normal_of_logit(logit)
        return y, first + second

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dy, [*] each."""
        logit, first = logit_of_normal(y)
        x, second = self._mixture.inverse(logit, raw)
        return x, first + second

    def identity(self) -> Tensor | None:
        """None: the normal law is no mixture of logistics."""
        return None

    def fitted(self, x: Tensor) -> Tensor:
        """Raw parameters [D, 3 K] that nearly send the points x [N, D] to normal ones.

        Equal components at K quantiles, as wide as those are apart.

        Raises ValueError for fewer than two points.
        """
        if len(x) < 2:
            raise ValueError(f"fitting normal scores needs two points or more, got {len(x)}")
        ranks = (torch.arange(self.components, dtype=torch.float64) + 0.5) / self.components
        centres = torch.quantile(x.double(), ranks.to(x.device), dim=0).T
        sd = x.double().std(0, correction=0)[:, None]
        sd = torch.where(sd > 0, sd, 1.0)
        if self.components == 1:
            scale = sd * math.sqrt(3) / math.pi
        else:
            gaps = centres.diff(dim=1)
            gaps = torch.cat((gaps[:, :1], (gaps[:, 1:] + gaps[:, :-1]) / 2, gaps[:, -1:]), 1)
            scale = torch.maximum(OVERLAP * gaps, NARROWEST * sd)
        scale = scale.clamp(min=2 * LEAST_SCALE) - LEAST_SCALE
        widths = scale + (-(-scale).expm1()).log()  # softplus^-1, finite for large scales
        return torch.cat((torch.zeros_like(centres), centres, widths), 1).to(x.dtype)


def logit_of_normal(z: Tensor) -> tuple[Tensor, Tensor]:
    """logit(Phi(z)) and the log of its slope phi / (Phi (1 - Phi)), [*] each.

    The slope by Mills' ratio, as z^2 / 2 cancels in the tails.
    """
    size = z.abs()
    large, small = torch.special.log_ndtr(size), torch.special.log_ndtr(-size)
    mills = torch.special.erfcx(size * math.sqrt(0.5)) * math.sqrt(0.5 * math.pi)
    return z.sign() * (large - small), -mills.log() - large


def normal_of_logit(y: Tensor) -> tuple[Tensor, Tensor]:
    """Phi^-1(sigmoid(y)) and the log of its slope, [*] each; the inverse of `logit_of_normal`.

    By Newton's method in the lower tail, where nothing cancels; gradients are those of the root.
    """
    with torch.no_grad():
        z = -y.sign() * _lower(-y.abs())
    if torch.is_grad_enabled():
        slope = logit_of_normal(z.detach())[1].exp()
        z = z + (y - y.detach()) / slope
    return z, -logit_of_normal(z)[1]


def _lower(y: Tensor) -> Tensor:
    """Phi^-1(sigmoid(y)) for y <= 0."""
    near = torch.special.ndtri(F.sigmoid(y.clamp(min=FAR)))
    far = -(-2 * y.clamp(max=FAR) - (-4 * math.pi * y.clamp(max=FAR)).log()).sqrt()
    z = torch.where(y > FAR, near, far)
    for _ in range(NEWTON):
        value, log_slope = logit_of_normal(z)
        z = z - (value - y) * (-log_slope).exp()
    return z
