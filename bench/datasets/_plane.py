"""Known densities on the plane that are no mixtures of a few Gaussians, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from bench.contract import Density
from bench.datasets._densities import LOG_2PI

Curve = Callable[[Tensor], Tensor]  #: v [M] in (0, 1) -> points [M, 2]
Offset = Callable[[Tensor], Tensor]  #: x_1 [N] -> [N]


class Copies:
    """Equal mixture of a density moved by each of K shifts [K, D]; `entropy` in nats."""

    def __init__(self, density: Density, shifts: Sequence[Sequence[float]], entropy: float) -> None:
        self.density, self.entropy = density, entropy
        self.shifts = torch.tensor(shifts, dtype=torch.float64)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, D]."""
        k = torch.randint(len(self.shifts), (n,), generator=generator)
        return self.density.sample(n, generator) + self.shifts[k]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, D] in nats, [N]."""
        terms = [self.density.log_prob(x - shift) for shift in self.shifts]
        return torch.logsumexp(torch.stack(terms), 0) - math.log(len(terms))


def ring_entropy(radius: float, sd: float) -> float:
    """Entropy (nats) of a uniform point of a circle plus noise, by quadrature over the radius."""
    node, weight = np.polynomial.legendre.leggauss(200)
    low, high = max(0.0, radius - 12 * sd), radius + 12 * sd
    r = torch.from_numpy((high - low) / 2 * node + (high + low) / 2)
    log_p = torch.special.i0e(r * radius / sd**2).log() - ((r - radius) / sd).square() / 2
    log_p = log_p - LOG_2PI - 2 * math.log(sd)
    mass = torch.from_numpy(weight) * (high - low) / 2 * 2 * math.pi * r * log_p.exp()
    return float(-(mass * log_p).sum())


class TwoArms:
    """centre +- (c(v) + box w + sd z): a curve and its point reflection, blurred.

    v on (0, 1) has density power v^(power - 1), w is uniform on the unit square, z standard normal.
    The integral over v is a Gauss-Legendre sum with so many `nodes` that doubling them changes no
    log-density of the data by more than 1e-10.
    """

    def __init__(
        self,
        curve: Curve,
        sd: float,
        nodes: int,
        entropy: float,
        *,
        power: int = 1,
        box: float = 0.0,
        centre: Sequence[float] = (0.0, 0.0),
    ) -> None:
        self.curve, self.sd, self.power, self.box, self.entropy = curve, sd, power, box, entropy
        self.centre = torch.tensor(centre, dtype=torch.float64)
        node, weight = np.polynomial.legendre.leggauss(nodes)
        v = torch.from_numpy((node + 1) / 2)
        self.points = curve(v)
        self.log_weights = (torch.from_numpy(weight / 2) * power * v ** (power - 1)).log()

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2]."""
        sign = 2 * torch.randint(2, (n, 1), generator=generator) - 1
        v = torch.rand(n, generator=generator, dtype=torch.float64) ** (1 / self.power)
        arm = self.curve(v)
        if self.box:
            arm = arm + self.box * torch.rand(n, 2, generator=generator, dtype=torch.float64)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        return self.centre + sign * (arm + self.sd * noise)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]."""
        rows = [torch.logaddexp(self._arm(y), self._arm(-y)) for y in (x - self.centre).split(2048)]
        return torch.cat(rows) - math.log(2)

    def _arm(self, y: Tensor) -> Tensor:
        z = (y[:, None] - self.points) / self.sd
        if self.box:
            log_p = _log_normal_mass(z - self.box / self.sd, z) - math.log(self.box)
        else:
            log_p = -z.square() / 2 - LOG_2PI / 2 - math.log(self.sd)
        return torch.logsumexp(log_p.sum(-1) + self.log_weights, -1)


def _log_normal_mass(low: Tensor, high: Tensor) -> Tensor:
    """Log of the standard normal mass between low < high; far tails keep their digits.

    By symmetry the interval may lie around m > 0, where the mass is a difference of two scaled
    complementary error functions, the second the smaller one.
    """
    half, middle = (high - low) / 2, ((high + low) / 2).abs()
    near, far = middle - half, middle + half
    scaled = torch.special.erfcx(near / math.sqrt(2))
    scaled = scaled - (-2 * middle * half).exp() * torch.special.erfcx(far / math.sqrt(2))
    return scaled.log() - near.square() / 2 - math.log(2)


class Pinwheel:
    """scale f turned by -(2 pi k / arms + rate e^|f|), f ~ N((1, 0), diag(radial, tangential)^2).

    The angle depends on |f| alone, so the twist keeps areas and the density is that of a mixture
    of `arms` Gaussians at the untwisted point. Its usual sampler turns by rate e^(f_1) instead,
    which folds the plane: h = 2.318226 nats there, 2.320588 here.
    """

    entropy = 2.320588485100
    arms, rate, scale = 5, 0.25, 2.0
    mean, sds = (1.0, 0.0), (0.3, 0.1)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2]."""
        arm = torch.randint(self.arms, (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        f = torch.tensor(self.mean) + noise * torch.tensor(self.sds, dtype=torch.float64)
        angle = 2 * math.pi * arm / self.arms + self.rate * f.norm(dim=-1).exp()
        return self.scale * _turned(f, -angle)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]."""
        y = x / self.scale
        twist = self.rate * y.norm(dim=-1).exp()
        arm = 2 * math.pi * torch.arange(self.arms, dtype=torch.float64) / self.arms
        f = _turned(y[:, None], twist[:, None] + arm)
        sds = torch.tensor(self.sds, dtype=torch.float64)
        square = ((f - torch.tensor(self.mean)) / sds).square().sum(-1)
        log_volume = float(sds.log().sum()) + 2 * math.log(self.scale) + math.log(self.arms)
        return torch.logsumexp(-square / 2, -1) - LOG_2PI - log_volume


def _turned(x: Tensor, angle: Tensor) -> Tensor:
    """Points x [..., 2] turned counter-clockwise."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([x[..., 0] * cos - x[..., 1] * sin, x[..., 0] * sin + x[..., 1] * cos], -1)


class TwoHumps:
    """exp(-((|x| - 2) / .4)^2 / 2) (e^(-((x_1 - 2) / .6)^2 / 2) + e^(-((x_1 + 2) / .6)^2 / 2)) / Z.

    U_1 of Rezende & Mohamed (arXiv 1505.05770, table 1).
    """

    entropy = 2.660012535936
    log_z = 1.877501626110

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2], by rejection from polar coordinates."""
        drawn = [torch.empty(0, 2, dtype=torch.float64)]
        while sum(map(len, drawn)) < n:
            # r exp(-((r - 2) / .4)^2 / 2) lies below a Gaussian of mean 2 + .4^2 / 2, because
            # r <= 2 e^((r - 2) / 2)
            radius = 2.08 + 0.4 * torch.randn(4 * n, generator=generator, dtype=torch.float64)
            angle, level = torch.rand(2, 4 * n, generator=generator, dtype=torch.float64)
            x = radius[:, None] * torch.stack(
                [(2 * math.pi * angle).cos(), (2 * math.pi * angle).sin()], 1
            )
            share = radius / 2 * (1 - radius / 2).exp() * self._humps(x).exp() / 1.000000001
            drawn.append(x[level < share])
        return torch.cat(drawn)[:n]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]."""
        return self._humps(x) - ((x.norm(dim=-1) - 2) / 0.4).square() / 2 - self.log_z

    def _humps(self, x: Tensor) -> Tensor:
        """Logarithm of the second factor, at most log(1 + e^(-(4 / .6)^2 / 2)) < 1e-9."""
        humps = torch.stack([x[:, 0] - 2, x[:, 0] + 2]) / 0.6
        return torch.logsumexp(-humps.square() / 2, 0)


class Bands:
    """Blurred curves x_2 = w_j(x_1): sum_j exp(-((x_2 - w_j(x_1)) / s_j)^2 / 2) / Z for |x_1| <= 4.

    Z = 8 sqrt(2 pi) sum_j s_j; `entropy` in nats.
    """

    def __init__(self, offsets: Sequence[Offset], sds: Sequence[float], entropy: float) -> None:
        self.offsets, self.entropy = offsets, entropy
        self.sds = torch.tensor(sds, dtype=torch.float64)
        self.log_z = math.log(8) + LOG_2PI / 2 + math.log(sum(sds))

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2]."""
        x = 8 * torch.rand(n, generator=generator, dtype=torch.float64) - 4
        j = torch.multinomial(self.sds, n, replacement=True, generator=generator)
        noise = torch.randn(n, generator=generator, dtype=torch.float64)
        centre = torch.stack([offset(x) for offset in self.offsets])[j, torch.arange(n)]
        return torch.stack([x, centre + self.sds[j] * noise], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]; -inf beside the strip."""
        centres = torch.stack([offset(x[:, 0]) for offset in self.offsets], 1)
        square = ((x[:, 1:] - centres) / self.sds).square()
        log_p = torch.logsumexp(-square / 2, -1) - self.log_z
        return log_p.masked_fill(x[:, 0].abs() > 4, -math.inf)
