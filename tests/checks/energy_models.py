"""Energy models with their log-partition functions, and bounds with the value they bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from bench.contract import DataSpec


class RBM(nn.Module):
    """A binary restricted Boltzmann machine, fitted by persistent contrastive divergence.

    log_unnormalized(v) = b.v + sum_j softplus(c_j + (v W)_j) (Smolensky 1986).
    """

    def __init__(self, data: DataSpec, hidden: int = 8, steps: int = 300) -> None:
        super().__init__()
        x = data.train.double()
        rates = x.mean(0).clamp(0.05, 0.95)
        self.base = torch.logit(rates)
        self.b, self.c = self.base.clone(), torch.zeros(hidden).double()
        self.W = 0.1 * torch.randn(data.dim, hidden).double()
        v = x[:100]
        for step in range(steps):
            rate = 0.1 * (1 - step / steps) / len(v)
            seen = x[torch.randint(len(x), (len(v),))]
            v = self.sweep(v, 1.0)
            up, down = torch.sigmoid(self.c + seen @ self.W), torch.sigmoid(self.c + v @ self.W)
            self.W += rate * (seen.T @ up - v.T @ down)
            self.b += rate * (seen - v).sum(0)
            self.c += rate * (up - down).sum(0)

    def energy(self, v: Tensor, beta: float) -> Tensor:
        """Log of the unnormalised mass at inverse temperature beta: beta = 0 is the base."""
        bias = (1 - beta) * self.base + beta * self.b
        return v @ bias + softplus(beta * (self.c + v @ self.W)).sum(1)

    def sweep(self, v: Tensor, beta: float) -> Tensor:
        """One Gibbs sweep over hidden and visible units."""
        h = torch.sigmoid(beta * (self.c + v @ self.W)).bernoulli()
        return torch.sigmoid((1 - beta) * self.base + beta * (self.b + h @ self.W.T)).bernoulli()

    def log_unnormalized(self, x: Tensor) -> Tensor:
        return self.energy(x.double(), 1.0)

    def log_partition(self) -> Tensor:
        """By all states of the hidden units."""
        h = torch.cartesian_prod(*[torch.arange(2.0).double()] * len(self.c))
        return torch.logsumexp(h @ self.c + softplus(self.b + h @ self.W.T).sum(1), 0)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_unnormalized(x) - self.log_partition()


class Annealed(RBM):
    """log Z by annealed importance sampling from the data's rates (Salakhutdinov & Murray 2008)."""

    def __init__(self, data: DataSpec, temperatures: int = 300, chains: int = 100) -> None:
        super().__init__(data)
        betas = torch.linspace(0, 1, temperatures + 1).tolist()
        v = torch.sigmoid(self.base).expand(chains, -1).bernoulli()
        weight = torch.zeros(chains).double()
        for cold, warm in zip(betas, betas[1:], strict=False):
            weight += self.energy(v, warm) - self.energy(v, cold)
            v = self.sweep(v, warm)
        self.log_base = len(self.c) * math.log(2) + softplus(self.base).sum()
        self.log_ratio = torch.logsumexp(weight, 0) - math.log(chains)
        share = (weight - weight.max()).exp()
        self.log_partition_error = float(share.std() / share.mean() / math.sqrt(chains))
        self.estimate = self.log_base + self.log_ratio

    def log_partition(self) -> Tensor:
        return self.estimate


class PCA(nn.Module):
    """Probabilistic PCA as an auto-encoder: x = mu + W z + s e (Tipping and Bishop 1999).

    Marginal and posterior are normals in closed form. `off` moves the encoder's mean: without it
    every weight is p(x), with it the bound is one.
    """

    def __init__(self, data: DataSpec, latent: int = 1, off: float = 0.0) -> None:
        super().__init__()
        x = data.train.double()
        values, vectors = torch.linalg.eigh(torch.cov(x.T))
        self.off, self.s2, self.mu = off, float(values[:-latent].mean()), x.mean(0)
        self.W = vectors[:, -latent:] * (values[-latent:] - self.s2).clamp(min=0).sqrt()
        precision = torch.eye(latent).double() + self.W.T @ self.W / self.s2
        self.covariance = torch.linalg.inv(precision)
        self.root = torch.linalg.cholesky(self.covariance)

    def noise(self, samples: int, points: int) -> Tensor:
        return torch.randn(samples, points, self.W.shape[1]).double()

    def weights(self, x: Tensor, samples: int, sign: float = 1.0) -> Tensor:
        """log p(x | z) + sign (log p(z) - log q(z | x)), [K, B], nats."""
        centred = x.double() - self.mu
        e = self.noise(samples, len(x))
        z = centred @ self.W @ self.covariance / self.s2 + self.off + e @ self.root.T
        kl = 0.5 * (e.square() - z.square()).sum(-1) + self.root.diagonal().log().sum()
        error = (centred - z @ self.W.T).square().sum(-1)
        likelihood = error / self.s2 + len(self.mu) * math.log(2 * math.pi * self.s2)
        return sign * kl - 0.5 * likelihood

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return torch.logsumexp(self.weights(x, samples), 0) - math.log(samples)

    def exact_log_prob(self, x: Tensor) -> Tensor:
        covariance = self.W @ self.W.T + self.s2 * torch.eye(len(self.mu)).double()
        return torch.distributions.MultivariateNormal(self.mu, covariance).log_prob(x.double())


class SumOfWeights(PCA):
    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return super().log_prob(x, samples) + math.log(samples)


class MeanOfLogs(PCA):
    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return self.weights(x, samples).mean(0)


class WrongKLSign(PCA):
    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return torch.logsumexp(self.weights(x, samples, sign=-1.0), 0) - math.log(samples)


class SamplesIgnored(PCA):
    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return super().log_prob(x, 1)


class DividedTwice(PCA):
    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        return super().log_prob(x, samples) - math.log(samples)


class SharedNoise(PCA):
    """The points of a call share their noise: an honest bound whose values are not independent."""

    def noise(self, samples: int, points: int) -> Tensor:
        return super().noise(samples, 1)
