"""Known laws of a point given a context, on which its mean, spread and shape depend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from bench import dataset
from bench.datasets._densities import LOG_2PI, GaussianMixture, GaussianMixture1d, Stretched
from bench.datasets.known_truth_1d import claw

Contexts = Callable[[int, Generator], Tensor]  #: (n, generator) -> [n, C]
Means = Callable[[Tensor], Tensor]  #: contexts [n, C] -> [n, K, D]
Affine = Callable[[Tensor], tuple[Tensor, Tensor]]  #: contexts [n, C] -> shift and scale [n, D]


class ConditionalMixture:
    """y = shift(c) + scale(c) u, with u from K isotropic Gaussians around means(c).

    Args:
        contexts, means, affine: as typed above, in float64.
        weights, sds: K positive numbers each; the weights sum to one.
        shape_entropy: differential entropy of u, nats, the same at every context.
        mean_log_scale: mean of sum log scale(c) over contexts; the entropy of y given c is the sum
            of both.
    """

    def __init__(
        self,
        contexts: Contexts,
        means: Means,
        affine: Affine,
        weights: Sequence[float],
        sds: Sequence[float],
        shape_entropy: float,
        mean_log_scale: float,
    ) -> None:
        self.contexts, self.means, self.affine = contexts, means, affine
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.sds = torch.tensor(sds, dtype=torch.float64)
        self.shape_entropy = shape_entropy
        self.entropy = shape_entropy + mean_log_scale

    def draw_context(self, n: int, generator: Generator) -> Tensor:
        """n independent contexts, [n, C]."""
        return self.contexts(n, generator)

    def sample(self, context: Tensor, generator: Generator) -> Tensor:
        """One draw for each context [n, C]: [n, D]."""
        shift, scale = self.affine(context)
        n, dim = shift.shape
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, dim, generator=generator, dtype=torch.float64)
        u = self.means(context)[torch.arange(n), k] + self.sds[k, None] * noise
        return shift + scale * u

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log-density of x [N, D] given context [N, C] in nats, [N]."""
        shift, scale = self.affine(context)
        centred = ((x - shift) / scale)[:, None, :] - self.means(context)
        square = (centred / self.sds[:, None]).square().sum(-1)
        log_norm = self.weights.log() - x.shape[1] * (self.sds.log() + LOG_2PI / 2)
        return torch.logsumexp(log_norm - square / 2, -1) - scale.log().sum(-1)

    def given(self, context: Tensor) -> GaussianMixture | Stretched:
        """The mixture at one context [C]."""
        (means,) = self.means(context[None])
        (shift,), (scale,) = self.affine(context[None])
        weights, sds = self.weights.tolist(), self.sds.tolist()
        if len(shift) == 1:
            return GaussianMixture1d(
                weights=weights,
                means=(shift + scale * means)[:, 0].tolist(),
                sds=(scale * self.sds).tolist(),
                entropy=self.shape_entropy + float(scale.log()),
            )
        shape = GaussianMixture(weights, means.tolist(), sds, self.shape_entropy)
        return Stretched(shape, scale, shift)


@dataset(
    "conditional-claw",
    kind="continuous",
    shape=[1],
    context_dim=1,
    truth=True,
    source="claw in known_truth_1d.py, moved and stretched by the context",
    licence="generated",
)
def conditional_claw() -> ConditionalMixture:
    """y = sin 2c + c/2 + .2 e^(c/2) u, u from the claw, c uniform on (-2, 2)."""
    shape = claw()

    def affine(c: Tensor) -> tuple[Tensor, Tensor]:
        return (2 * c).sin() + c / 2, 0.2 * (c / 2).exp()

    return ConditionalMixture(
        contexts=lambda n, g: 4 * torch.rand(n, 1, generator=g, dtype=torch.float64) - 2,
        means=lambda c: shape.means.expand(len(c), -1, -1),
        affine=affine,
        weights=shape.weights.tolist(),
        sds=shape.sds.tolist(),
        shape_entropy=shape.entropy,
        mean_log_scale=math.log(0.2),
    )


@dataset(
    "audit-conditional-2",
    kind="continuous",
    shape=[2],
    context_dim=2,
    truth=True,
    source="two Gaussians, turned, moved and stretched by the context, in conditional.py",
    licence="generated",
)
def audit_conditional_2() -> ConditionalMixture:
    """Two lumps whose axis turns with the context, on scales of about .1 and 30.

    With s = (c_1 - 12)/2 uniform on (-1, 1) and t = (c_2 + 300)/50 standard normal: u from
    .35 N(-a, .5^2 I) + .65 N(a, .3^2 I), a = (cos, sin)(s + t/2); y_1 = 5 + .3 t + .1 e^(.4 s) u_1,
    y_2 = -40 + 20 sin 2s + 30 e^(-t/2) u_2.
    """

    def contexts(n: int, generator: Generator) -> Tensor:
        s = 2 * torch.rand(n, generator=generator, dtype=torch.float64) - 1
        t = torch.randn(n, generator=generator, dtype=torch.float64)
        return torch.stack([12 + 2 * s, -300 + 50 * t], 1)

    def parts(c: Tensor) -> tuple[Tensor, Tensor]:
        return (c[:, 0] - 12) / 2, (c[:, 1] + 300) / 50

    def means(c: Tensor) -> Tensor:
        s, t = parts(c)
        a = torch.stack([(s + t / 2).cos(), (s + t / 2).sin()], 1)
        return torch.stack([-a, a], 1)

    def affine(c: Tensor) -> tuple[Tensor, Tensor]:
        s, t = parts(c)
        shift = torch.stack([5 + 0.3 * t, -40 + 20 * (2 * s).sin()], 1)
        return shift, torch.stack([0.1 * (0.4 * s).exp(), 30 * (-t / 2).exp()], 1)

    return ConditionalMixture(
        contexts=contexts,
        means=means,
        affine=affine,
        weights=[0.35, 0.65],
        sds=[0.5, 0.3],
        shape_entropy=1.420308580517749,
        mean_log_scale=math.log(0.1) + math.log(30),
    )
