"""Small subjects for the tests of the battery: data, honest models, cheats of bench.calibration.

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

from bench.adapters import Adapted, adapt
from bench.calibration import calls, densities, planted, samplers
from bench.calibration import levels as on_levels
from bench.calibration.honest import TableMixture, misfit, multivariate, student
from bench.calibration.honest import cauchy as cauchy
from bench.contract import DataSpec, Density, Splits
from bench.datasets._densities import GaussianMixture, Stretched
from bench.datasets.audit_truths import audit_continuous_64
from bench.flows import Bijection, Composite, Flow, maf, realnvp
from bench.models import categorical, chow_liu, histogram, kde, vae
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

gaussian = multivariate
table = categorical.build
Mixture = TableMixture


def mixture(data: DataSpec) -> Any:
    from sklearn.mixture import GaussianMixture as Mixture

    return Mixture(5, random_state=0, covariance_type="diag")


class Shrunk(Bijection):
    """A constant scale."""

    def __init__(self, dim: int, scale: float) -> None:
        super().__init__()
        self.register_buffer("log_scale", torch.full((dim,), math.log(scale)))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x * torch.exp(-self.log_scale), -self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * torch.exp(self.log_scale), self.log_scale.sum().expand(len(z))


class Twisted(Flow):
    """A random flow and a diagonal scale behind it."""

    def __init__(self, data: DataSpec) -> None:
        dim = data.dim
        flow = realnvp(dim, hidden=16, layers=4, blocks=1) if dim > 1 else maf(1, 16)
        for parameter in flow.parameters():
            nn.init.normal_(parameter, std=0.15)
        super().__init__(Composite([flow.bijection, Shrunk(dim, 0.6)]), dim)


CONTINUOUS: dict[str, Build] = {
    "gaussian": gaussian,
    "misfit": misfit,
    "student t3": student,
    "histogram": histogram.build,
    "kde": kde.build,
    "sklearn mixture": mixture,
    "flow": Twisted,
}


def auto_encoder(data: DataSpec) -> nn.Module:
    """Untrained, but with a decoder that listens to its latent."""
    model = vae.build(data, latent=2, hidden=16, dropout=0.0)
    with torch.no_grad():
        model.decoder[-1].weight.mul_(20)
    return model


DISCRETE: dict[str, Build] = {"categorical": table, "mixture": Mixture}

# ----------------------------------------------------------------------------------------- cheats


def planting(wrong: planted.Wrong, honest: Build) -> Build:
    """The cheat on an honest model that needs no training."""
    return lambda data: wrong(honest(data), data)


MissingLogDet = planting(planted.MissingLogDet, Twisted)
MissingLastLogDet = planting(densities.DroppedLayer, Twisted)
Bits = planting(planted.Bits, Twisted)
FivePercent = planting(planted.FivePercentMore, Twisted)
BatchNormLeftOn = planting(planted.BatchNormTraining, Twisted)
BatchStatistics = planting(planted.BatchStatistics, Twisted)
Cold = planting(planted.Tempered, Twisted)
HiddenNoise = planting(calls.Blurred, Twisted)
Parrot = planting(samplers.Rows, Twisted)
HeavyTable = planting(planted.FivePercentMore, Mixture)
DiscreteParrot = planting(samplers.Rows, Mixture)
ColdTree = planting(on_levels.Sharpened, chow_liu.build)
sum_of_weights = planting(on_levels.SumOfWeights, auto_encoder)
falling = planting(on_levels.TwiceDivided, auto_encoder)
five_percent_bound = planting(on_levels.FivePercentBound, auto_encoder)


class OwnUnits(Twisted):
    """Standardises once more inside and forgets that Jacobian, where the data have unit scale."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob((x - 0.1) / 1.7)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n) * 1.7 + 0.1


class WrongInverse(Twisted):
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, logabsdet = super().inverse(z)
        return x * 1.01, logabsdet


class Boaster:
    """Claims .25 nats more per point than a kernel estimate that all but knows the truth."""

    def __init__(self, data: DataSpec) -> None:
        self.honest = kde.build(data)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.honest.log_prob(x) + 0.25
