"""Honest models that try a check's patience: tails, spikes, edges, noise, depth, no sampler."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, StudentT

from bench.calibration.bases import Mixture, gaussian_model
from bench.contract import DataSpec
from bench.flows import Flow, nsf_coupling, realnvp
from bench.models import histogram, vae
from bench.models.histogram import Histogram
from bench.models.vae import VAE

NOISE = 0.3  #: standard deviation of the stochastic log-density, nats


def multivariate(data: DataSpec) -> Any:
    """torch's normal with the training points' moments."""
    x = data.train
    return MultivariateNormal(x.mean(0), torch.cov(x.T).reshape(data.dim, data.dim))


def misfit(data: DataSpec) -> Any:
    """Off centre and twice too wide."""
    return Independent(Normal(torch.full((data.dim,), 0.7), torch.full((data.dim,), 2.0)), 1)


def student(data: DataSpec) -> Any:
    """Three degrees of freedom."""
    return Independent(StudentT(3.0, torch.zeros(data.dim), torch.full((data.dim,), 0.8)), 1)


def cauchy(data: DataSpec) -> Any:
    """No mean and no variance."""
    return Independent(StudentT(1.0, torch.zeros(data.dim), torch.ones(data.dim)), 1)


def narrow_mixture(data: DataSpec) -> Mixture:
    """Eight normals of standard deviation .01 at training points."""
    factors = (100 * torch.eye(data.dim)).expand(8, -1, -1).clone()
    return Mixture(torch.full((8,), 1 / 8), data.train[:8], factors)


class BoundedHistogram(nn.Module):
    """A histogram that ends at its last edges: no density beyond."""

    differentiable = False
    histogram: Histogram

    def __init__(self, histogram: Histogram) -> None:
        super().__init__()
        self.histogram = histogram
        bins, block = torch.as_tensor(histogram.bins), torch.as_tensor(histogram.log_mass)
        axes = len(bins) if histogram.joint else 1
        table = block.reshape(len(block), *[int(bins.max()) + 2] * axes)
        for axis in range(1, table.dim()):
            table.index_fill_(axis, torch.tensor([0]), -torch.inf)
            for row, last in zip(table, bins, strict=False):
                row.index_fill_(axis - 1, last.reshape(1) + 1, -torch.inf)
        histogram.log_mass = block.log_softmax(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, minus infinity outside, float64 [B]."""
        return self.histogram.log_prob(x)

    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]."""
        return self.histogram.sample(n)


def bounded_histogram(data: DataSpec) -> BoundedHistogram:
    """The in-house histogram without its tails."""
    return BoundedHistogram(histogram.build(data))


class Stochastic(nn.Module):
    """A normal whose log-density comes with noise of mean zero, as an estimated trace makes it."""

    honest: Any

    def __init__(self, honest: nn.Module) -> None:
        super().__init__()
        self.honest = honest

    def log_prob(self, x: Tensor) -> Tensor:
        """E log_prob is the log-density, [B]."""
        return self.honest.log_prob(x) + NOISE * torch.randn(len(x), device=x.device)

    def sample(self, n: int) -> Tensor:
        """n draws [n, D]."""
        return self.honest.sample(n)


def stochastic(data: DataSpec) -> Stochastic:
    return Stochastic(gaussian_model(data))


def deep_flow(data: DataSpec) -> Flow:
    """Twenty couplings in float32."""
    return realnvp(data.dim, hidden=16, layers=20, blocks=1)


def spline_flow(data: DataSpec) -> Flow:
    return nsf_coupling(data.dim, hidden=16, layers=2, blocks=1)


def logistic_network(data: DataSpec) -> nn.Module:
    """A masked network with mixtures of logistics."""
    from bench.models import made

    return made.build(data, hidden=64, blocks=1, dropout=0.0)


class TableMixture(nn.Module):
    """Equal mixture of smoothed point masses at 40 training rows."""

    keep = 0.9
    log_mass: Tensor

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        k = data.levels or 2
        one_hot = nn.functional.one_hot(data.train[:40].long(), k).double()
        self.register_buffer("log_mass", (one_hot * self.keep + (1 - self.keep) / k).log())

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass of integer points x [B, D] in nats, float64 [B]."""
        i = torch.arange(x.shape[1])
        terms = self.log_mass[:, i, x.long()].sum(-1)
        return torch.logsumexp(terms, 0) - torch.tensor(float(len(self.log_mass))).log()

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        from bench.levels import draw

        return draw(self.log_mass[torch.randint(len(self.log_mass), (n,))])


class EvidenceBound(nn.Module):
    """The mean of the log-weights: a bound as honest as the usual one, and lower."""

    def __init__(self, honest: VAE) -> None:
        super().__init__()
        self.honest = honest

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        """The evidence lower bound by `samples` draws, [B]."""
        noise = torch.randn(samples, len(x), self.honest.latent)
        return self.honest.log_weight(x.long(), noise).mean(0)

    def loss(self, x: Tensor) -> Tensor:
        """The auto-encoder's own."""
        return self.honest.loss(x)

    def sample(self, n: int) -> Tensor:
        """n draws, int64 [n, D]."""
        return self.honest.sample(n)


def evidence_bound(data: DataSpec) -> EvidenceBound:
    return EvidenceBound(vae.build(data, latent=4, hidden=32, components=0))
