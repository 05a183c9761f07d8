"""Further cheats that answer differently from call to call: noise, batches, memory."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bench.calibration.planted import BatchNormTraining, Planted, Wrong
from bench.contract import DataSpec
from bench.settings import Evaluation

BONUS = math.log(1.05)


class BatchNormAlone(BatchNormTraining):
    """The same batch norm as torch has it: it raises for a single point."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Raises ValueError for one point."""
        if len(x) < 2:
            self.norm.train()
            self.norm(x)
        return super().log_prob(x)


class Blurred(Planted):
    """log_prob at x plus fresh noise of .05 standard deviations."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Another value at each call."""
        return self.honest.log_prob(x + 0.05 * self.sd * torch.randn_like(x))


class BlurredAlike(Planted):
    """The same with noise that starts anew at each call."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on the row's place in the batch."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(x.shape, generator=generator).to(x)
        return self.honest.log_prob(x + 0.05 * self.sd * noise)


class DropoutOn(Planted):
    """Dropout of a tenth of the inputs is never switched off."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The density with some coordinates at their mean."""
        kept = nn.functional.dropout((x - self.mean) / self.sd, 0.1, training=True)
        return self.honest.log_prob(self.mean + self.sd * kept)


class RunningStatistics(Planted):
    """Centres by a running mean that every call moves."""

    momentum = 0.01
    running: Tensor

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.register_buffer("running", self.mean.clone())

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on all points seen before."""
        self.running.lerp_(x.detach().to(self.running).mean(0), self.momentum)
        return self.honest.log_prob(x - self.running + self.mean)


class Recalled(Planted):
    """Answers with the last values wherever the batch has the last one's size."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.last: dict[int, Tensor] = {}

    def log_prob(self, x: Tensor) -> Tensor:
        """The first batch of each size decides."""
        if len(x) not in self.last:
            self.last[len(x)] = self.honest.log_prob(x)
        return self.last[len(x)]


class BatchSize(Planted):
    """5 % more density in batches of more than 300."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on the batch's size."""
        return self.honest.log_prob(x) + BONUS * (len(x) > 300)


class ScoringBatch(Planted):
    """5 % more density in batches of exactly the size that scoring uses."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on the batch's size."""
        return self.honest.log_prob(x) + BONUS * (len(x) == Evaluation().batch)


class SinglePrecision(Planted):
    """5 % more density for float32 points, none for float64."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on the dtype."""
        return self.honest.log_prob(x) + BONUS * (x.dtype == torch.float32)


class WithoutGradient(Planted):
    """5 % more density while no gradient is recorded, as in scoring."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on the mode of autograd."""
        return self.honest.log_prob(x) + BONUS * (not torch.is_grad_enabled())


class LaterHonest(Planted):
    """5 % more density in the first four calls after it was built."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.calls = 0

    def log_prob(self, x: Tensor) -> Tensor:
        """Depends on the number of calls."""
        self.calls += 1
        return self.honest.log_prob(x) + BONUS * (self.calls <= 4)


EVERY_BASE: dict[str, Wrong] = {
    "batch norm that raises for one point": BatchNormAlone,
    "log_prob at blurred points": Blurred,
    "log_prob at points blurred alike": BlurredAlike,
    "dropout left on": DropoutOn,
    "running statistics move": RunningStatistics,
    "answers from memory": Recalled,
    "bonus in large batches": BatchSize,
    "bonus in the scoring batch": ScoringBatch,
    "bonus for float32": SinglePrecision,
    "bonus without gradients": WithoutGradient,
    "bonus in the first four calls": LaterHonest,
}
