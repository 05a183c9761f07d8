"""Further cheats in the sampler, which no longer draws from what log_prob reports."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from bench.calibration.bases import BUDGET, flow_model
from bench.calibration.planted import Planted, Tempered, Wrong
from bench.contract import DataSpec
from bench.fitting import rebuilder

POOL = 100


class Hot(Tempered):
    """Temperature 1.1."""

    temperature = 1.1


class Lukewarm(Tempered):
    """Temperature .97."""

    temperature = 0.97


class Filtered(Planted):
    """Keeps only draws that `keeps` accepts."""

    def keeps(self, x: Tensor) -> Tensor:
        """Which of the draws [B, D] are handed out, [B]."""
        raise NotImplementedError

    def sample(self, n: int) -> Tensor:
        """n draws that were accepted."""
        kept: list[Tensor] = []
        while sum(map(len, kept)) < n:
            x = self.honest.sample(n)
            kept.append(x[self.keeps(x)])
        return torch.cat(kept)[:n]


class DroppedMode(Filtered):
    """Never draws the eighth of the space where the first coordinate is largest."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.end = float(data.train[:, 0].double().quantile(7 / 8))

    def keeps(self, x: Tensor) -> Tensor:
        """Below the quantile."""
        return x[:, 0] < self.end


class Truncated(Filtered):
    """Rejects the tenth of the draws whose density is lowest."""

    share = 0.1

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        with torch.no_grad():
            self.floor = float(honest.log_prob(honest.sample(2000)).double().quantile(self.share))

    def keeps(self, x: Tensor) -> Tensor:
        """Not the least likely ones."""
        return self.honest.log_prob(x) >= self.floor


class SlightlyTruncated(Truncated):
    """Rejects one draw in a hundred."""

    share = 0.01


class Rows(Planted):
    """Hands out training rows, with a little noise (in standard deviations) or none."""

    noise = 0.0

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.rows = data.train

    def sample(self, n: int) -> Tensor:
        """n rows."""
        x = self.rows[torch.randint(len(self.rows), (n,))]
        return x + self.noise * self.sd * torch.randn_like(x) if self.noise else x


class NearRows(Rows):
    """Training rows and a thousandth of a standard deviation."""

    noise = 1e-3


class BlurredRows(Rows):
    """Training rows and a twentieth of a standard deviation."""

    noise = 0.05


class Pool(Planted):
    """Draws a hundred points once and hands them out again and again."""

    pool: Tensor

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        with torch.no_grad():
            self.register_buffer("pool", honest.sample(POOL))

    def sample(self, n: int) -> Tensor:
        """n draws from the pool."""
        return self.pool[torch.randint(POOL, (n,))]


class Repeated(Planted):
    """Every draw comes ten times."""

    def sample(self, n: int) -> Tensor:
        """n draws, a tenth of them different."""
        return self.honest.sample(-(-n // 10)).repeat_interleave(10, 0)[:n]


class Shuffled(Planted):
    """Coordinates are drawn independently of each other."""

    def sample(self, n: int) -> Tensor:
        """n draws with the right marginals."""
        x = self.honest.sample(n)
        return x.gather(0, torch.rand(x.shape).argsort(0))


class Shifted(Planted):
    """Draws are a tenth of a standard deviation off."""

    def sample(self, n: int) -> Tensor:
        """n draws, moved."""
        return self.honest.sample(n) + 0.1 * self.sd


class ClippedDraws(Planted):
    """Draws are clamped to two standard deviations."""

    def sample(self, n: int) -> Tensor:
        """n draws inside a box."""
        x = self.honest.sample(n)
        return x.clamp(self.mean - 2 * self.sd, self.mean + 2 * self.sd)


class Rounded(Planted):
    """Draws are rounded to two decimals of the model's space."""

    def sample(self, n: int) -> Tensor:
        """n draws on a lattice."""
        return (self.honest.sample(n) * 100).round() / 100


class OtherWeights(Planted):
    """log_prob reads averaged weights, the sampler the last ones: they differ by 2 %."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.last = copy.deepcopy(honest)
        with torch.no_grad():
            for parameter in self.last.parameters():
                parameter.mul_(1 + 0.02 * torch.randn_like(parameter))

    def inverse(self, z: Tensor) -> Tensor:
        """The inverse of the other weights."""
        return self.last.inverse(z)[0]

    def sample(self, n: int) -> Tensor:
        """n draws of the other weights."""
        return self.last.sample(n)


class OtherWeightsHidden(OtherWeights):
    """The same, but the transform's own inverse is right."""

    def inverse(self, z: Tensor) -> Tensor:
        """The right one."""
        return self.honest.inverse(z)[0]


class OtherTraining(Planted):
    """The sampler is a flow of another seed, trained on the same data for fewer steps."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.other = rebuilder(flow_model, {}, BUDGET, "exact")(data).obj

    def sample(self, n: int) -> Tensor:
        """n draws of the other flow."""
        return self.other.sample(n)


EVERY_BASE: dict[str, Wrong] = {
    "sampler at temperature 1.1": Hot,
    "sampler at temperature .97": Lukewarm,
    "sampler drops an eighth": DroppedMode,
    "sampler rejects its least likely 10 %": Truncated,
    "sampler rejects its least likely 1 %": SlightlyTruncated,
    "sampler returns training rows": Rows,
    "training rows, noise .001 sd": NearRows,
    "training rows, noise .05 sd": BlurredRows,
    "sampler has a pool of 100": Pool,
    "every draw ten times": Repeated,
    "sampler ignores dependence": Shuffled,
    "sampler off by .1 sd": Shifted,
    "draws clamped at 2 sd": ClippedDraws,
    "draws rounded to .01": Rounded,
}
FLOWS: dict[str, Wrong] = {
    "sampler of other weights": OtherWeights,
    "sampler of other weights, right inverse": OtherWeightsHidden,
    "sampler of another training": OtherTraining,
}
