"""Known densities on the plane: the exact laws of the usual two-dimensional toy samplers."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from bench import dataset
from bench.datasets._densities import LOG_2PI, GaussianMixture


class Checkerboard:
    """Uniform on the 8 cells of side 2 in [-4, 4)^2 whose two indices have an even sum."""

    entropy = math.log(32)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2]."""
        column = torch.randint(-2, 2, (n,), generator=generator)
        row = 2 * torch.randint(-1, 1, (n,), generator=generator) + column % 2
        corner = torch.stack([column, row], 1)
        return 2 * (corner + torch.rand(n, 2, generator=generator, dtype=torch.float64))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]; -inf outside the cells."""
        cell = (x / 2).floor()
        inside = ((cell >= -2) & (cell < 2)).all(-1) & (cell.sum(-1) % 2 == 0)
        uniform = torch.full((len(x),), -self.entropy, dtype=torch.float64)
        return uniform.masked_fill(~inside, -math.inf)


class Rings:
    """A point of one of the circles, angle uniform, plus isotropic Gaussian noise.

    p(r) = mean over R of exp(-(r - R)^2 / 2 sd^2) I0e(r R / sd^2) / (2 pi sd^2), with I0e the
    exponentially scaled modified Bessel function of order zero.
    """

    entropy = 2.623182770300
    radii: tuple[float, ...] = (3.0, 2.25, 1.5, 0.75)
    sd = 0.08

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2]; angles are independent too, not evenly spaced."""
        radii = torch.tensor(self.radii, dtype=torch.float64)
        radius = radii[torch.randint(len(radii), (n,), generator=generator)]
        angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        return torch.stack([radius * angle.cos(), radius * angle.sin()], 1) + self.sd * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]."""
        r = x.norm(dim=-1)[:, None]
        radii = torch.tensor(self.radii, dtype=torch.float64)
        bessel = torch.special.i0e(r * radii / self.sd**2).log()
        terms = bessel - (r - radii).square() / (2 * self.sd**2)
        return torch.logsumexp(terms, -1) - math.log(len(radii) * self.sd**2) - LOG_2PI


@dataset(
    "checkerboard",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367",
    licence="generated",
    citation="arXiv 1810.01367",
)
def checkerboard() -> Checkerboard:
    """Eight cells 2 x 2."""
    return Checkerboard()


@dataset(
    "eight-gaussians",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367",
    licence="generated",
    citation="arXiv 1810.01367",
)
def eight_gaussians() -> GaussianMixture:
    """Eight Gaussians on a circle: radius 4 / 1.414, standard deviation .5 / 1.414."""
    angles = [math.pi / 4 * k for k in range(8)]
    return GaussianMixture(
        weights=[1 / 8] * 8,
        means=[[4 / 1.414 * math.cos(a), 4 / 1.414 * math.sin(a)] for a in angles],
        sds=[0.5 / 1.414] * 8,
        entropy=2.831880406138,
    )


@dataset(
    "rings",
    kind="continuous",
    shape=[2],
    truth=True,
    source="the sampler of FFJORD's toy data, arXiv 1810.01367, with independent angles",
    licence="generated",
    citation="arXiv 1810.01367",
)
def rings() -> Rings:
    """Circles of radius 3, 2.25, 1.5 and .75 with noise of standard deviation .08."""
    return Rings()
