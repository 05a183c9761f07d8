"""Further cheats in what log_prob reports of a vector: log-determinants, constants, shapes."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from bench.calibration.bases import Mixture
from bench.calibration.planted import Planted, Scaled, Wrong, WrongVolume
from bench.contract import DataSpec
from bench.models._normal import LOG_2PI, Normal

# -------------------------------------------------------------------------------- log-determinants


class FlippedLogDet(WrongVolume):
    """The log-determinant is subtracted."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """Minus the right one."""
        return -right


class HalfLogDet(WrongVolume):
    """Variances' logarithms where standard deviations' are due, or one of two equal layers."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """Half the right one."""
        return right / 2


class MeanLogDet(WrongVolume):
    """A mean over the coordinates instead of a sum."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """The right one over D."""
        return right / x.shape[1]


class BatchSummedLogDet(WrongVolume):
    """A sum over all axes, the batch's too."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """The whole batch's."""
        return right.sum().expand_as(right)


class BroadcastLogDet(WrongVolume):
    """[B, 1] + [B] makes [B, B], and a mean over the last axis hides it."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """The batch's mean."""
        return right.mean().expand_as(right)


class InverseLogDet(WrongVolume):
    """The log-determinant of the inverse map, taken at x."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """What the inverse reports at x, where it is due at z and with a minus."""
        return self.honest.bijection.inverse(x)[1]


class DroppedLayer(WrongVolume):
    """The last layer moves the points and is not counted."""

    def volume(self, x: Tensor, right: Tensor) -> Tensor:
        """The sum over all layers but the last one that scales."""
        *first, _ = self.honest.bijection.parts
        total = torch.zeros_like(right)
        for part in first:
            x, logabsdet = part(x)
            total = total + logabsdet
        return total


# --------------------------------------------------------------------------- constants and weights


class NoTwoPi(Scaled):
    """The normal's D/2 log 2 pi is left out."""

    each = LOG_2PI / 2


class WrongDimension(Scaled):
    """The normal's constant for D - 1 coordinates."""

    offset = LOG_2PI / 2


class PowerLaw(Scaled):
    """The density to the power .9, not normalised."""

    factor = 0.9


class SumOfKernels(Planted):
    """The sum of the components' densities where their mean is due."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Too high by the logarithm of the number of components."""
        return self.honest.log_prob(x) + math.log(len(self.honest.means))


class BinaryWeights(Planted):
    """Mixture weights enter with their binary logarithms."""

    def __init__(self, honest: Mixture, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.wrong = copy.deepcopy(honest)
        self.wrong.log_weights = honest.log_weights / math.log(2)

    def log_prob(self, x: Tensor) -> Tensor:
        """A mixture whose weights do not sum to one."""
        return self.wrong.log_prob(x)


class LargestComponent(Planted):
    """The maximum over components for the logarithm of their sum."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Too low wherever components overlap."""
        m: Mixture = self.honest
        return (m.components(x) + m.log_volumes() + m.log_weights).amax(1)


class MeanOfLogs(Planted):
    """The mean of the components' log-densities for the logarithm of their mean."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Too low by Jensen's inequality."""
        m: Mixture = self.honest
        return (m.components(x) + m.log_volumes()) @ m.log_weights.exp()


class SquaredScales(Planted):
    """log_prob takes variances for standard deviations; the sampler does not."""

    def __init__(self, honest: Normal, data: DataSpec) -> None:
        super().__init__(honest, data)
        factor = torch.as_tensor(honest.scale)
        self.wrong = Normal(torch.as_tensor(honest.mean), (factor @ factor.T).tril())

    def log_prob(self, x: Tensor) -> Tensor:
        """A normalised density, and not the sampler's."""
        return self.wrong.log_prob(x)


# ------------------------------------------------------------------------------------------ shapes


class IgnoredCoordinate(Planted):
    """The last coordinate is read as its mean, whatever it is."""

    def log_prob(self, x: Tensor) -> Tensor:
        """A slice through the density."""
        last = self.mean[-1:].expand(len(x), 1).to(x)
        return self.honest.log_prob(torch.cat([x[:, :-1], last], 1))


class Clipped(Planted):
    """log_prob is never below the value that one training point in a hundred has."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        with torch.no_grad():
            self.floor = float(honest.log_prob(data.train[:2000]).double().quantile(0.01))

    def log_prob(self, x: Tensor) -> Tensor:
        """Cut from below: the mass is infinite."""
        return self.honest.log_prob(x).clamp(min=self.floor)


class ClippedFar(Clipped):
    """The usual guard: log_prob is never below -20 (D times -10 beyond two dimensions)."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.floor = min(-20.0, -10.0 * data.dim)


class SafeLog(Planted):
    """log(p + 1e-6)."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Has the constant's mass everywhere."""
        return (self.honest.log_prob(x).double().exp() + 1e-6).log()


class Constant(Planted):
    """The same value everywhere, that of a typical point."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        with torch.no_grad():
            self.value = float(honest.log_prob(data.train[:1000]).double().mean())

    def log_prob(self, x: Tensor) -> Tensor:
        """Not integrable."""
        return torch.full((len(x),), self.value)


class NearestRow(Planted):
    """The density of the nearest training row."""

    rows: Tensor
    values: Tensor

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.register_buffer("rows", data.train[:500].clone())
        with torch.no_grad():
            self.register_buffer("values", honest.log_prob(self.rows).double())

    def log_prob(self, x: Tensor) -> Tensor:
        """Constant on the cells of a Voronoi tessellation, unbounded ones among them."""
        return self.values[torch.cdist(x.to(self.rows), self.rows).argmin(1)]


class Wavy(Planted):
    """A smooth bonus that averages to nothing: .3 sin(3 x_1)."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Wrong in shape, nearly right in mass."""
        return self.honest.log_prob(x) + 0.3 * (3 * (x[:, 0] - self.mean[0]) / self.sd[0]).sin()


class LocalBonus(Planted):
    """Twice the density where the first coordinate is among its highest two per cent."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.start = float(data.train[:, 0].double().quantile(0.98))

    def log_prob(self, x: Tensor) -> Tensor:
        """A mass of 1.02."""
        return self.honest.log_prob(x) + math.log(2) * (x[:, 0] > self.start)


class HalfPrecision(Planted):
    """The value is handed on as a float16."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Rounded to eleven bits."""
        return self.honest.log_prob(x).half().float()


class CoarseInput(Planted):
    """The points are read as bfloat16."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The density at points of eight bits."""
        return self.honest.log_prob(x.bfloat16().to(x.dtype))


class Boastful(Planted):
    """Ten nats more at the very rows of the training set."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.rows = {row.tobytes() for row in data.train.numpy()}

    def log_prob(self, x: Tensor) -> Tensor:
        """A bonus on a set of measure zero."""
        known = [row.tobytes() in self.rows for row in x.detach().float().cpu().numpy()]
        return self.honest.log_prob(x) + 10.0 * torch.tensor(known, device=x.device)


EVERY_BASE: dict[str, Wrong] = {
    "log-det sign flipped": FlippedLogDet,
    "half the log-det": HalfLogDet,
    "log-det averaged over coordinates": MeanLogDet,
    "log-det summed over the batch": BatchSummedLogDet,
    "2 pi forgotten": NoTwoPi,
    "constant for D - 1": WrongDimension,
    "density to the power .9": PowerLaw,
    "last coordinate ignored": IgnoredCoordinate,
    "clipped at its 1 % quantile": Clipped,
    "clipped at -20": ClippedFar,
    "log(p + 1e-6)": SafeLog,
    "constant log_prob": Constant,
    "density of the nearest training row": NearestRow,
    "wavy bonus": Wavy,
    "twice the density on 2 %": LocalBonus,
    "float16 log_prob": HalfPrecision,
    "points read as bfloat16": CoarseInput,
    "bonus on training rows": Boastful,
}
FLOWS: dict[str, Wrong] = {
    "log-det of the inverse": InverseLogDet,
    "last layer's log-det dropped": DroppedLayer,
    "[B, 1] + [B]": BroadcastLogDet,
}
MIXTURES: dict[str, Wrong] = {
    "sum of components for their mean": SumOfKernels,
    "binary logarithm of the weights": BinaryWeights,
    "largest component for the sum": LargestComponent,
    "mean of component logarithms": MeanOfLogs,
}
NORMALS: dict[str, Wrong] = {"variances for standard deviations": SquaredScales}
