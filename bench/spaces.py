"""From the data's own units to the model's space and back, with the ledger of the Jacobians.

log p(x) = log q(y) + sum of the ledger, all in float64; a model only ever sees y. Conventions and
worked pairs: docs/spaces.md (MAF appendix, arXiv 1705.07057; RealNVP section 4.1, 1605.08803).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Generator, Tensor

from bench.errors import UsageError
from bench.levels import counts
from bench.settings import SPACES, space_parts

LOGIT_ALPHA = 1e-3


class Step(Protocol):
    """One bijection of the chain, coordinate by coordinate, float64 [N, D]."""

    name: str

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and log |dy_i/dx_i|, [N, D] both."""
        ...

    def inverse(self, y: Tensor) -> Tensor:
        """The value's preimage."""
        ...


@dataclass
class Affine:
    """y = (x - shift) / scale, per coordinate."""

    shift: Tensor
    scale: Tensor
    name: str = "affine"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and -log scale."""
        return (x - self.shift) / self.scale, -self.scale.log().expand_as(x)

    def inverse(self, y: Tensor) -> Tensor:
        """y * scale + shift."""
        return y * self.scale + self.shift


@dataclass
class Logit:
    """y = logit(alpha + (1 - 2 alpha) x) on [0, 1]."""

    alpha: float = LOGIT_ALPHA
    name: str = "logit"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and log(1 - 2 alpha) - log s - log(1 - s)."""
        s = self.alpha + (1 - 2 * self.alpha) * x
        logdet = math.log1p(-2 * self.alpha) - s.log() - (-s).log1p()
        return s.log() - (-s).log1p(), logdet

    def inverse(self, y: Tensor) -> Tensor:
        """Sigmoid, then the affine part undone."""
        return (torch.sigmoid(y) - self.alpha) / (1 - 2 * self.alpha)


@dataclass
class Marginals:
    """y = normal quantile of the fitted marginal CDF of dequantized levels, per coordinate.

    `mass` [D, K] are the marginals' bin masses, (count + 1) / (n + K): x in [k, k+1) lies in bin k.
    A standard normal in y is then exactly the per-coordinate categorical model.
    """

    mass: Tensor
    name: str = "marginals"
    cdf: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        zero = torch.zeros_like(self.mass[:, :1])
        self.cdf = torch.cat([zero, self.mass.cumsum(1)], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and log mass_k - log phi(y)."""
        k = x.floor().long().clamp(0, self.mass.shape[1] - 1)
        i = torch.arange(x.shape[1]).expand_as(k)
        mass = self.mass[i, k]
        u = (self.cdf[i, k] + mass * (x - k)).clamp(1e-12, 1 - 1e-12)
        y = torch.special.ndtri(u)
        log_phi = -0.5 * y * y - 0.5 * math.log(2 * math.pi)
        return y, mass.log() - log_phi

    def inverse(self, y: Tensor) -> Tensor:
        """The level whose bin holds Phi(y), plus the position inside the bin."""
        u = torch.special.ndtr(y)
        k = torch.searchsorted(self.cdf[:, 1:-1].contiguous(), u.T.contiguous(), right=True).T
        i = torch.arange(y.shape[1]).expand_as(k)
        return k + ((u - self.cdf[i, k]) / self.mass[i, k]).clamp(0, 1 - 1e-9)


@dataclass
class Space:
    """A chain of steps between raw points [N, *shape] and model points [N, dim] or [N, *shape].

    `noise` adds u ~ U[0, 1) to integer levels first (Theis et al., arXiv 1511.01844); without a
    generator `forward` takes points that are dequantized already.
    """

    name: str
    shape: tuple[int, ...]
    steps: list[Step]
    noise: bool = False
    discrete: bool = False  #: the model meets the integers themselves
    layout: str = "flat"
    levels: int | None = None  #: of discrete data: `inverse` stays in 0..levels-1

    def forward(self, x: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Model points (float32, or int64 for a discrete space) and log |dy/dx|, float64 [N]."""
        flat = x.reshape(len(x), -1)
        if self.discrete:
            return self._shaped(flat.long()), torch.zeros(len(x), dtype=torch.float64)
        y = flat.double()
        if self.noise and generator is not None:
            y = y + torch.rand(y.shape, generator=generator, dtype=torch.float64)
        y, ledger = self.chain(y)
        return self._shaped(y.float()), ledger.sum(-1)

    def chain(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The steps alone: y and log |dy_i/dx_i| of points x, float64 [N, D] all."""
        ledger = torch.zeros_like(x)
        for step in self.steps:
            x, logdet = step.forward(x)
            ledger = ledger + logdet
        return x, ledger

    def inverse(self, y: Tensor) -> Tensor:
        """Raw points [N, *shape]: float64, or int64 levels where the data are discrete.

        A continuous model has mass outside the levels' range; its draws there go to the end levels.
        """
        x = y.reshape(len(y), -1).cpu()
        if self.discrete:
            return x.long().reshape(-1, *self.shape)
        x = x.double()
        for step in reversed(self.steps):
            x = step.inverse(x)
        if self.noise:
            top = None if self.levels is None else self.levels - 1
            x = x.floor().clamp(0, top).long()
        return x.reshape(-1, *self.shape)

    def _shaped(self, y: Tensor) -> Tensor:
        return y.reshape(-1, *self.shape) if self.layout == "shaped" else y


def standard(train: Tensor, shape: tuple[int, ...], layout: str = "flat") -> Space:
    """Continuous data: mean 0, standard deviation 1 per coordinate on the training points."""
    step = _standardise(train.reshape(len(train), -1).double())
    return Space("standard", shape, [step], layout=layout)


def stretched(train: Tensor, shape: tuple[int, ...], layout: str = "flat") -> Space:
    """Off the standard on purpose: standard deviations 1.2 to 1.5 around -.25 and .25 in turn.

    A model that standardises once more and forgets that Jacobian is then off by its logarithm,
    which in standard units is zero; a model that is well made does not mind. Above one, because a
    coupling whose scales are bounded by one could not reach them from below.
    """
    space = standard(train, shape, layout)
    dim = train[0].numel()
    scale = torch.linspace(1.2, 1.5, dim, dtype=torch.float64)
    sign = 1 - 2 * (torch.arange(dim, dtype=torch.float64) % 2)
    return replace(
        space, name="stretched", steps=[*space.steps, Affine(0.25 * sign / scale, 1 / scale)]
    )


def native(shape: tuple[int, ...], layout: str = "flat", name: str = "levels") -> Space:
    """Discrete data as they are."""
    return Space(name, shape, [], discrete=True, layout=layout)


def dequantized(
    name: str, train: Tensor, levels: int, shape: tuple[int, ...], layout: str = "flat"
) -> Space:
    """Discrete data for a continuous model, by uniform noise and one of SPACES.

    uniform: (x + u), standardised. logit: logit(alpha + (1 - 2 alpha)(x + u)/levels), standardised;
    alpha as in "logit:1e-6". marginals: normal quantile of the fitted marginal CDF.
    """
    full, (name, alpha) = name, space_parts(name)
    flat = train.reshape(len(train), -1)
    dim = flat.shape[1]
    if name == "marginals":
        steps: list[Step] = [Marginals((counts(flat, levels) + 1) / (len(flat) + levels))]
    elif name in ("uniform", "logit"):
        zero = torch.zeros(dim, dtype=torch.float64)
        scale = Affine(zero, torch.full_like(zero, levels), "scale")
        steps = [scale] if name == "uniform" else [scale, Logit(alpha or LOGIT_ALPHA)]
        generator = torch.Generator().manual_seed(0)
        y = flat.double() + torch.rand(flat.shape, generator=generator, dtype=torch.float64)
        for step in steps:
            y = step.forward(y)[0]
        steps.append(_standardise(y))
    else:
        raise UsageError(f"no space '{name}'. Known: {', '.join(SPACES)}")
    return Space(full, shape, steps, noise=True, layout=layout, levels=levels)


def chunks(n: int, x: Tensor, context: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Up to n rows of x [N, ...] at a time, each with its contexts (None where there are none)."""
    for start in range(0, len(x), n):
        rows = slice(start, start + n)
        yield x[rows], None if context is None else context[rows]


def _standardise(x: Tensor) -> Affine:
    """Maximum-likelihood mean and standard deviation; a constant coordinate keeps its scale."""
    centred = x - x[0]  # exactly zero where constant, and no cancellation far from the origin
    scale = centred.std(0, correction=0)
    mean = x[0] + centred.mean(0)
    return Affine(mean, torch.where(scale > 0, scale, 1.0), "standardise")
