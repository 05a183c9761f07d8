"""Subjects for the battery: data, honest models, and models that cheat in one way each.

Every model is a function of the DataSpec, like a plugin's `build`; nothing here is trained, for an
untrained flow is as honest a density as a trained one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, StudentT

from bench.adapters import Adapted, adapt
from bench.contract import DataSpec, Density, Splits
from bench.datasets._densities import GaussianMixture, Stretched
from bench.datasets.audit_truths import audit_continuous_64
from bench.flows import maf, realnvp
from bench.models import categorical, histogram, kde, vae
from bench.models._levels import draw
from bench.registry import DatasetEntry, ModelEntry
from bench.settings import Evaluation
from bench.spaces import Space, dequantized, native, standard
from bench.subject import Subject

torch.set_num_threads(1)
Build = Callable[[DataSpec], Any]

# ------------------------------------------------------------------------------------------- data


def eight_gaussians() -> Stretched:
    """Standard deviations of .3 and 8.9 around (5, -40)."""
    angles = [math.pi / 4 * k for k in range(8)]
    means = [[2.83 * math.cos(a), 2.83 * math.sin(a)] for a in angles]
    ring = GaussianMixture([1 / 8] * 8, means, [0.354] * 8, entropy=2.831880406138)
    return Stretched(ring, torch.tensor([0.1, 3.0]), torch.tensor([5.0, -40.0]))


def bumps() -> GaussianMixture:
    """Three bumps on the line, one of them narrow."""
    return GaussianMixture([0.5, 0.3, 0.2], [[-4.0], [0.0], [3.0]], [1.0, 0.4, 0.1], entropy=1.7)


def narrow() -> Stretched:
    """A normal of standard deviation .01, whose Jacobian nobody can overlook."""
    normal = GaussianMixture([1.0], [[0.0]], [1.0], entropy=1.418938533205)
    return Stretched(normal, torch.tensor([0.01]), torch.tensor([3.0]))


TRUTHS: dict[str, Callable[[], Density]] = {
    "bumps 1-D": bumps,
    "narrow 1-D": narrow,
    "eight-gaussians 2-D": eight_gaussians,
    "ar1 64-D": audit_continuous_64,
}


def levels(dim: int, count: int, n: int = 800) -> Tensor:
    """Rows of neighbouring levels that follow each other: int64 [n, dim]."""
    generator = torch.Generator().manual_seed(dim)
    steps = (torch.rand(n, dim, generator=generator) < 0.2).long()
    start = torch.randint(count, (n, 1), generator=generator)
    return (start + steps.cumsum(1)) % count


# --------------------------------------------------------------------------------------- subjects


def continuous(
    build: Build, truth: str, *, likelihood: str = "exact", seed: int = 0, n: int = 1500
) -> Subject:
    """A model on draws of a known truth, standardised."""
    density = TRUTHS[truth]()
    parts = [density.sample(n, torch.Generator().manual_seed(k)) for k in range(3)]
    splits = Splits(*parts)
    space = standard(splits.train, tuple(parts[0].shape[1:]))
    return _subject(build, splits, space, "continuous", None, likelihood, density, seed)


def dequantised(build: Build, dim: int = 30, count: int = 17, seed: int = 0) -> Subject:
    """A continuous model on levels with uniform noise, in normal scores."""
    x = levels(dim, count)
    space = dequantized("marginals", x[:500], count, (dim,))
    splits = Splits(x[:500], x[500:600], x[600:])
    return _subject(build, splits, space, "continuous", count, "exact", None, seed)


def discrete(
    build: Build,
    dim: int = 12,
    count: int = 2,
    *,
    likelihood: str = "exact-discrete",
    seed: int = 0,
    rebuilds: bool = True,
) -> Subject:
    """A model of levels as they are."""
    x = levels(dim, count)
    splits = Splits(x[:500], x[500:600], x[600:])
    kind = "binary" if count == 2 else "discrete"
    space = native((dim,))
    subject = _subject(build, splits, space, kind, count, likelihood, None, seed)
    if rebuilds:
        subject.rebuild = lambda spec: _adapted(build, spec, seed)
    return subject


def _subject(
    build: Build,
    splits: Splits,
    space: Space,
    kind: str,
    count: int | None,
    likelihood: str,
    truth: Density | None,
    seed: int,
) -> Subject:
    shape = tuple(splits.train.shape[1:])

    def view(x: Tensor, purpose: int) -> Tensor:
        return space.forward(x, torch.Generator().manual_seed(purpose))[0]

    spec = DataSpec(
        name="data",
        kind=kind,
        shape=shape,
        levels=count,
        n_train=len(splits.train),
        make_train=lambda: view(splits.train, 17),
        make_valid=lambda: view(splits.valid, 18),
    )
    return Subject(
        model=_adapted(build, spec, seed),
        entry=ModelEntry("model", Path("model.py"), "build", likelihood=likelihood),
        dataset=DatasetEntry("data", Path("data.py"), "data", kind, shape, count),
        spec=spec,
        space=space,
        splits=splits,
        evaluation=Evaluation(),
        truth=truth,
        seed=seed,
    )


def _adapted(build: Build, spec: DataSpec, seed: int) -> Adapted:
    torch.manual_seed(seed)
    model = adapt(build(spec))
    if model.fit is not None:
        model.fit(spec, None)
    if model.module is not None:
        model.module.eval()
    return model


# ---------------------------------------------------------------------------------- honest models


def gaussian(data: DataSpec) -> Any:
    x = data.train
    return MultivariateNormal(x.mean(0), torch.cov(x.T).reshape(data.dim, data.dim))


def misfit(data: DataSpec) -> Any:
    """Off centre and twice too wide."""
    return Independent(Normal(torch.full((data.dim,), 0.7), torch.full((data.dim,), 2.0)), 1)


def student(data: DataSpec) -> Any:
    """Three degrees of freedom."""
    return Independent(StudentT(3.0, torch.zeros(data.dim), torch.full((data.dim,), 0.8)), 1)


def cauchy(data: DataSpec) -> Any:
    return Independent(StudentT(1.0, torch.zeros(data.dim), torch.ones(data.dim)), 1)


def mixture(data: DataSpec) -> Any:
    from sklearn.mixture import GaussianMixture as Mixture

    return Mixture(5, random_state=0, covariance_type="diag")


class Twisted(nn.Module):
    """A random flow behind a diagonal scale, with everything that a flow offers."""

    scale = 0.6

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.flow = realnvp(data.dim, hidden=16, layers=4, blocks=1) if data.dim > 1 else maf(1, 16)
        for parameter in self.flow.parameters():
            nn.init.normal_(parameter, std=0.15)
        self.register_buffer("log_scale", torch.full((data.dim,), math.log(self.scale)))

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, logabsdet = self.flow.transform(x * torch.exp(-self.log_scale))
        return z, logabsdet - self.log_scale.sum()

    def inverse(self, z: Tensor) -> Tensor:
        return self.flow.inverse(z) * torch.exp(self.log_scale)

    def log_prob(self, x: Tensor) -> Tensor:
        z, logabsdet = self.transform(x)
        return self.flow.base.log_prob(z) + logabsdet

    def sample(self, n: int) -> Tensor:
        return self.inverse(torch.randn(n, self.flow.dim))


CONTINUOUS: dict[str, Build] = {
    "gaussian": gaussian,
    "misfit": misfit,
    "student t3": student,
    "histogram": histogram.build,
    "kde": kde.build,
    "sklearn mixture": mixture,
    "flow": Twisted,
}


def table(data: DataSpec) -> Any:
    return categorical.build(data)


class Mixture(nn.Module):
    """Equal mixture of smoothed point masses at 40 training rows: correlated and multimodal."""

    keep = 0.9

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        k = data.levels or 2
        one_hot = nn.functional.one_hot(data.train[:40].long(), k).double()
        self.register_buffer("log_mass", (one_hot * self.keep + (1 - self.keep) / k).log())

    def log_prob(self, x: Tensor) -> Tensor:
        i = torch.arange(x.shape[1])
        terms = self.log_mass[:, i, x.long()].sum(-1)
        return torch.logsumexp(terms, 0) - math.log(len(self.log_mass))

    def sample(self, n: int) -> Tensor:
        return draw(self.log_mass[torch.randint(len(self.log_mass), (n,))])


def auto_encoder(data: DataSpec) -> nn.Module:
    """Untrained, but with a decoder that listens to its latent."""
    model = vae.build(data, latent=2, hidden=16, dropout=0.0)
    with torch.no_grad():
        model.decoder[-1].weight.mul_(20)
    return model


DISCRETE: dict[str, Build] = {"categorical": table, "mixture": Mixture}

# ----------------------------------------------------------------------------------------- cheats


class MissingLogDet(Twisted):
    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, logabsdet = super().transform(x)
        return z, torch.zeros_like(logabsdet)


class MissingLastLogDet(Twisted):
    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.transform(x * torch.exp(-self.log_scale))


class Bits(Twisted):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) / math.log(2)


class OwnUnits(Twisted):
    """Standardises once more inside and forgets that Jacobian."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob((x - 0.1) / 1.7)

    def sample(self, n: int) -> Tensor:
        return super().sample(n) * 1.7 + 0.1


class FivePercent(Twisted):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) + math.log(1.05)


class BatchNormLeftOn(Twisted):
    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.norm = nn.BatchNorm1d(data.dim, affine=False)

    def log_prob(self, x: Tensor) -> Tensor:
        self.norm.train(len(x) > 1)
        scale = (self.norm.running_var + self.norm.eps).log().sum() / 2
        return super().log_prob(self.norm(x)) - scale


class BatchStatistics(Twisted):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x - x.mean(0))


class Cold(Twisted):
    """Draws at temperature .9."""

    def sample(self, n: int) -> Tensor:
        return self.inverse(0.9 * torch.randn(n, self.flow.dim))


class WrongInverse(Twisted):
    def inverse(self, z: Tensor) -> Tensor:
        return super().inverse(z) * 1.01


class HiddenNoise(Twisted):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) + 0.1 * torch.randn(len(x))


class Parrot(Twisted):
    """Hands out training rows."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.data = data

    def sample(self, n: int) -> Tensor:
        return self.data.train[torch.randint(len(self.data.train), (n,))]


class Boaster:
    """Claims .25 nats more per point than a kernel estimate that all but knows the truth."""

    def __init__(self, data: DataSpec) -> None:
        self.honest = kde.build(data)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.honest.log_prob(x) + 0.25


class HeavyTable(Mixture):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) + math.log(1.05)


class DiscreteParrot(Mixture):
    def __init__(self, data: DataSpec) -> None:
        super().__init__(data)
        self.data = data

    def sample(self, n: int) -> Tensor:
        return self.data.train[torch.randint(len(self.data.train), (n,))]


class ColdMixture(Mixture):
    """Sharpens its tables by the power 1 / .81, as temperature .9 does to a normal."""

    def sample(self, n: int) -> Tensor:
        return draw(self.log_mass[torch.randint(len(self.log_mass), (n,))] / 0.81)


class Overstating(nn.Module):
    """A VAE whose bound goes through `wrong`."""

    def __init__(self, data: DataSpec, wrong: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.honest, self.wrong = auto_encoder(data), wrong

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return self.wrong(self.honest.log_prob(x, samples), samples)

    def sample(self, n: int) -> Tensor:
        return self.honest.sample(n)


def sum_of_weights(data: DataSpec) -> nn.Module:
    """Forgets to divide by the number of samples."""
    return Overstating(data, lambda bound, k: bound + math.log(k))


def a_tenth_more(data: DataSpec) -> nn.Module:
    return Overstating(data, lambda bound, k: bound + math.log(1.1))


def falling(data: DataSpec) -> nn.Module:
    """Divides twice."""
    return Overstating(data, lambda bound, k: bound - math.log(k))
