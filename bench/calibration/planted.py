"""The seven cheats that the battery promises to see, planted on any fitted model of vectors.

Each is what a plugin's author gets wrong: the honest model is fitted as it should be, and the fault
lies in what is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.calibration.bases import unscaled
from bench.contract import DataSpec
from bench.flows.flow import Flow

Wrong = Callable[[Any, DataSpec], nn.Module]  #: a fitted honest model, its data -> a cheat


class Planted(nn.Module):
    """An honest model passed on; a cheat replaces one of its abilities.

    Only a flow shows its transform, as plugins of other families do not either.
    """

    honest: Any
    mean: Tensor
    sd: Tensor

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__()
        self.honest = honest
        self.register_buffer("mean", data.train.float().mean(0))
        self.register_buffer("sd", data.train.float().std(0))
        if not isinstance(honest, Flow):
            self.transform = self.inverse = None  # type: ignore[method-assign, assignment]

    def log_prob(self, x: Tensor) -> Tensor:
        """What is reported of x [B, D], [B]."""
        return self.honest.log_prob(x)

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] and the log-determinant that is reported, [B]."""
        return self.honest.transform(x)

    def inverse(self, z: Tensor) -> Tensor:
        """x [B, D] of z [B, D]."""
        return self.honest.inverse(z)[0]

    def sample(self, n: int) -> Tensor:
        """n draws [n, D]."""
        return self.honest.sample(n)


class WrongVolume(Planted):
    """log_prob and transform report `volume(x, v)` where the log-determinant is v."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """What stands in the place of the log-determinant [B]."""
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        """The base's log-density plus the wrong volume."""
        base = unscaled(self.honest, x)
        return base + self.volume(x, self.honest.log_prob(x) - base)

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The right z with the wrong volume."""
        z, right = self.honest.transform(x)
        return z, self.volume(x, right)


class MissingLogDet(WrongVolume):
    """No scale is counted."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros_like(right)


class ForgottenStandardisation(WrongVolume):
    """Standardises once more inside and leaves that Jacobian out."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """Without minus the sum of the logarithms of the standard deviations."""
        return right + self.sd.log().sum()


class Scaled(Planted):
    """log_prob becomes factor * log_prob + offset + each * D."""

    factor, offset, each = 1.0, 0.0, 0.0

    def log_prob(self, x: Tensor) -> Tensor:
        """An affine function of the right one."""
        right = self.honest.log_prob(x)
        return right * self.factor + self.offset + self.each * x[0].numel()


class Bits(Scaled):
    """Bits where nats are due."""

    factor = 1 / math.log(2)


class FivePercentMore(Scaled):
    """A density that integrates to 1.05."""

    offset = math.log(1.05)


class FivePercentLess(Scaled):
    """A density that integrates to .95."""

    offset = math.log(0.95)


class BatchNormTraining(Planted):
    """A batch norm before the model that still normalises by the batch, with its log-determinant.

    Single points go through the running statistics, where torch itself would raise.
    """

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.norm = nn.BatchNorm1d(data.dim, affine=False)
        self.norm.running_mean, self.norm.running_var = self.mean.clone(), self.sd.square()

    def log_prob(self, x: Tensor) -> Tensor:
        """The log-density of the points that the layer hands on."""
        alone = len(x) < 2
        self.norm.train(not alone)
        variance = self.sd.square() if alone else x.var(0, correction=0)
        growth = self.sd.log() - 0.5 * (variance + self.norm.eps).log()
        return self.honest.log_prob(self.norm(x) * self.sd + self.mean) + growth.sum()


class BatchStatistics(Planted):
    """Centres by the mean of the batch that it is asked about."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The log-density of the points moved so that their mean is the data's."""
        return self.honest.log_prob(x - x.mean(0) + self.mean)


class Tempered(Planted):
    """Draws at a temperature: noise of a flow, distance from the mean elsewhere."""

    temperature = 0.9

    def sample(self, n: int) -> Tensor:
        """n draws, too close together."""
        if isinstance(self.honest, Flow):
            return self.inverse(self.temperature * torch.randn(n, len(self.mean)))
        return self.mean + self.temperature * (self.honest.sample(n) - self.mean)


NAMED: dict[str, Wrong] = {
    "log-det missing": MissingLogDet,
    "bits for nats": Bits,
    "standardisation Jacobian forgotten": ForgottenStandardisation,
    "density x 1.05": FivePercentMore,
    "density x .95": FivePercentLess,
    "batch norm in training mode": BatchNormTraining,
    "sampler at temperature .9": Tempered,
    "test-batch statistics": BatchStatistics,
}
