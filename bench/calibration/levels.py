"""Cheats on models of levels: tables, masked networks, variational bounds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bench.calibration.bases import sharpened
from bench.calibration.planted import Bits, FivePercentLess, FivePercentMore, Planted, Wrong
from bench.calibration.samplers import Filtered, Rows
from bench.contract import DataSpec
from bench.levels import level_count, scaled
from bench.models.vae import VAE


class Sharpened(Planted):
    """Draws from p^(1 / .9), conditional by conditional."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.colder = sharpened(honest, 0.9)

    def sample(self, n: int) -> Tensor:
        """n draws, too sure."""
        return self.colder.sample(n)


class NextLevel(Planted):
    """Reads every level as the next one, round the clock."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.levels = level_count(data)

    def log_prob(self, x: Tensor) -> Tensor:
        """A normalised distribution, and not the sampler's."""
        return self.honest.log_prob((x + 1) % self.levels)


class NextLevelClamped(NextLevel):
    """Reads every level as the next one, and the last as itself."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Counts the last level twice and the first never."""
        return self.honest.log_prob((x + 1).clamp(max=self.levels - 1))


class IgnoredLevel(Planted):
    """The last coordinate is read as 0."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The same for all its levels."""
        y = x.clone()
        y[:, -1] = 0
        return self.honest.log_prob(y)


class ClippedMass(Planted):
    """log_prob is never below -20."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Cut from below."""
        return self.honest.log_prob(x).clamp(min=-20.0)


class Smoothed(Planted):
    """p + .05 / K^D: label smoothing that is not taken off elsewhere."""

    def __init__(self, honest: Any, data: DataSpec) -> None:
        super().__init__(honest, data)
        self.uniform = math.log(0.05) - data.dim * math.log(level_count(data))

    def log_prob(self, x: Tensor) -> Tensor:
        """A mass of 1.05."""
        right = self.honest.log_prob(x)
        return torch.logaddexp(right, torch.full_like(right, self.uniform))


class NoMass(Planted):
    """log_prob is zero everywhere."""

    def log_prob(self, x: Tensor) -> Tensor:
        """As if every point were certain."""
        return torch.zeros(len(x))


class LevelsTwice(Planted):
    """The volume of a level's bin is counted once more: log K for each coordinate."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Of a continuous model of dequantized levels; four levels."""
        return self.honest.log_prob(x) + x.shape[1] * math.log(4)


class BiasedRows(Filtered):
    """Never draws points whose first coordinate has its highest level."""

    def keeps(self, x: Tensor) -> Tensor:
        """Below the highest level."""
        return x[:, 0] < x[:, 0].max()


class RawLogits(Planted):
    """A softmax that is not taken: the logits themselves, less their largest."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The sum of the chosen logits."""
        honest = self.honest
        logits = honest.outputs(scaled(x, honest.head.levels).float())
        logits = logits - logits.amax(-1, keepdim=True)
        return logits.gather(-1, x.long().unsqueeze(-1)).squeeze(-1).sum(1)


class SoftmaxOverCoordinates(Planted):
    """A softmax over the wrong axis."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Normalised over coordinates and not over levels."""
        honest = self.honest
        table = honest.outputs(scaled(x, honest.head.levels).float()).log_softmax(1)
        return table.gather(-1, x.long().unsqueeze(-1)).squeeze(-1).sum(1)


class SeesItself(Planted):
    """The first mask lets each conditional see its own coordinate."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Every outcome is a little more likely once it is known."""
        honest = self.honest
        y = scaled(x, honest.head.levels).float()
        own = nn.functional.one_hot(x.long(), honest.head.levels)
        return honest.head.log_prob(honest.outputs(y) + 0.2 * own, x.long()).sum(1)


class MaskedDropout(Planted):
    """The network's dropout stays on."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Another value at each call."""
        self.honest.train()
        value = self.honest.log_prob(x)
        self.honest.eval()
        return value


class WrongBound(Planted):
    """A bound assembled from the right importance weights in the wrong way."""

    def combine(self, weights: Tensor) -> Tensor:
        """The bound [B] from log-weights [k, B]."""
        raise NotImplementedError

    def weights(self, x: Tensor, samples: int) -> Tensor:
        """log p(x, z) - log q(z | x), [k, B]."""
        noise = torch.randn(samples, len(x), self.honest.latent)
        return self.honest.log_weight(x.long(), noise)

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        """What is reported with `samples` draws, [B]."""
        most = max(2**21 // (samples * x[0].numel() * self.honest.head.size), 1)
        return torch.cat([self.combine(self.weights(part, samples)) for part in x.split(most)])


class SumOfWeights(WrongBound):
    """log K is not taken off."""

    def combine(self, weights: Tensor) -> Tensor:
        """The logarithm of the sum."""
        return torch.logsumexp(weights, 0)


class LargestWeight(WrongBound):
    """The best draw for the mean of all."""

    def combine(self, weights: Tensor) -> Tensor:
        """The maximum of the log-weights."""
        return weights.amax(0)


class SquaredWeights(WrongBound):
    """Weights are exponentiated twice over: the mean of their squares."""

    def combine(self, weights: Tensor) -> Tensor:
        """Half the logarithm of the mean square."""
        return (torch.logsumexp(2 * weights, 0) - math.log(len(weights))) / 2


class BestOfTen(WrongBound):
    """The best of ten repetitions."""

    def combine(self, weights: Tensor) -> Tensor:
        """The largest of ten bounds, each from a tenth of the draws."""
        parts = weights.chunk(min(10, len(weights)))
        return torch.stack([p.logsumexp(0) - math.log(len(p)) for p in parts]).amax(0)


class TwiceDivided(WrongBound):
    """log K is taken off twice."""

    def combine(self, weights: Tensor) -> Tensor:
        """A bound that falls with K."""
        return torch.logsumexp(weights, 0) - 2 * math.log(len(weights))


class WithoutPrior(WrongBound):
    """log p(x | z) alone: the Kullback-Leibler term is forgotten."""

    def weights(self, x: Tensor, samples: int) -> Tensor:
        """Reconstruction only."""
        honest: VAE = self.honest
        mean, log_sd = honest.posterior(x.long())
        z = mean + log_sd.exp() * torch.randn(samples, *mean.shape)
        outputs = honest.decoder(z).unflatten(-1, (honest.dim, honest.head.size))
        return honest.head.log_prob(outputs, x.long()).sum(-1)

    def combine(self, weights: Tensor) -> Tensor:
        """The logarithm of the mean."""
        return torch.logsumexp(weights, 0) - math.log(len(weights))


class WithoutVolume(WithoutPrior):
    """log q(z | x) without its standard deviations."""

    def weights(self, x: Tensor, samples: int) -> Tensor:
        """Too high wherever the posterior is narrow."""
        _, log_sd = self.honest.posterior(x.long())
        noise = torch.randn(samples, len(x), self.honest.latent)
        return self.honest.log_weight(x.long(), noise) - log_sd.sum(-1)


class FivePercentBound(WrongBound):
    """A bound that is 5 % too high."""

    def combine(self, weights: Tensor) -> Tensor:
        """The logarithm of 1.05 times the mean."""
        return torch.logsumexp(weights, 0) - math.log(len(weights)) + math.log(1.05)


EVERY_BASE: dict[str, Wrong] = {
    "density x 1.05": FivePercentMore,
    "density x .95": FivePercentLess,
    "bits for nats": Bits,
    "sampler at temperature .9": Sharpened,
    "next level": NextLevel,
    "next level, clamped": NextLevelClamped,
    "last coordinate ignored": IgnoredLevel,
    "clipped at -20": ClippedMass,
    "smoothed, mass 1.05": Smoothed,
    "log_prob zero": NoMass,
    "sampler returns training rows": Rows,
    "sampler drops a level": BiasedRows,
}
DEQUANTIZED: dict[str, Wrong] = {"log K counted twice": LevelsTwice}
NETWORKS: dict[str, Wrong] = {
    "softmax forgotten": RawLogits,
    "softmax over coordinates": SoftmaxOverCoordinates,
    "a conditional sees itself": SeesItself,
    "dropout left on": MaskedDropout,
}
BOUNDS: dict[str, Wrong] = {
    "bound: log K added": SumOfWeights,
    "bound: log K twice": TwiceDivided,
    "bound: largest weight": LargestWeight,
    "bound: squared weights": SquaredWeights,
    "bound: best of ten": BestOfTen,
    "bound: prior forgotten": WithoutPrior,
    "bound: posterior's volume forgotten": WithoutVolume,
    "bound x 1.05": FivePercentBound,
    "sampler at temperature .9": Sharpened,
    "sampler returns training rows": Rows,
}
