"""The honest models on which cheats are planted, and what a cheat needs to know of them."""

from __future__ import annotations

import copy
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn

from bench.contract import DataSpec
from bench.flows import maf
from bench.flows.flow import Flow
from bench.models import chow_liu, gaussian, kde, made, vae
from bench.models._normal import LOG_2PI, Normal
from bench.models.kde import KDE
from bench.models.made import DiscreteMADE
from bench.models.vae import VAE
from bench.settings import Budget
from bench.trees import ChowLiu

BUDGET = Budget(steps=200, validations=2)  #: of `bench check` for a model outside the audit
KERNELS = 1000  #: of the kernel estimate: enough for a fit, few enough for a short battery


class Mixture(nn.Module):
    """K normals with full covariances.

    Args:
        weights: [K], sum one.
        means: [K, D].
        factors: upper-triangular U_k with precision U_k U_k^T, [K, D, D] (scikit-learn's).
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, weights: Tensor, means: Tensor, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_weights", weights.double().log())
        self.register_buffer("means", means.double())
        self.register_buffer("factors", factors.double())

    def components(self, x: Tensor) -> Tensor:
        """log N(x; mean_k, cov_k) without the log-determinant of U_k, [B, K]."""
        x = x.to(self.means.dtype)
        z = torch.stack([(x - m) @ u for m, u in zip(self.means, self.factors, strict=True)], 1)
        return -0.5 * (z.square().sum(-1) + x.shape[1] * LOG_2PI)

    def log_volumes(self) -> Tensor:
        """log |det U_k|, [K]."""
        return self.factors.diagonal(dim1=1, dim2=2).log().sum(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [B, D] in nats, float64 [B]."""
        return torch.logsumexp(self.components(x) + self.log_volumes() + self.log_weights, 1)

    def sample(self, n: int) -> Tensor:
        """n draws, float32 [n, D]."""
        k = torch.multinomial(self.log_weights.exp(), n, replacement=True)
        z = torch.randn(n, self.means.shape[1], 1, dtype=self.means.dtype)
        turned = self.factors.transpose(1, 2)[k]
        return (
            self.means[k] + torch.linalg.solve_triangular(turned, z, upper=False)[..., 0]
        ).float()


def mixture_model(data: DataSpec) -> Mixture:
    """Eight components in the plane, two beyond, by scikit-learn's expectation maximisation."""
    from sklearn.mixture import GaussianMixture

    count = 8 if data.dim <= 2 else 2
    seed = int(torch.randint(2**31 - 1, ()))
    fit = GaussianMixture(count, random_state=seed, tol=1e-2, reg_covar=1e-5)
    fit.fit(data.train.double().numpy())
    parts = (fit.weights_, fit.means_, fit.precisions_cholesky_)
    return Mixture(*(torch.as_tensor(part) for part in parts))


def kernel_model(data: DataSpec) -> KDE:
    """Kernels at the first training points."""
    train, valid = data.train[:KERNELS], data.valid[: KERNELS // 4]
    few = DataSpec(
        name=data.name,
        kind=data.kind,
        shape=data.shape,
        levels=data.levels,
        n_train=len(train),
        make_train=lambda: train,
        make_valid=lambda: valid,
    )
    return kde.build(few)


def flow_model(data: DataSpec) -> Flow:
    return maf(data.dim)


def tree_model(data: DataSpec) -> ChowLiu:
    return chow_liu.build(data)


def network_model(data: DataSpec) -> DiscreteMADE:
    """Tables of logits, so that a temperature has its usual meaning."""
    return made.build(data, hidden=128, blocks=1, dropout=0.1, components=0)


def auto_encoder_model(data: DataSpec) -> VAE:
    return vae.build(data, latent=4, hidden=64, components=0)


gaussian_model = gaussian.build


@singledispatch
def unscaled(model: Any, x: Tensor) -> Tensor:
    """log_prob [B] of x [B, D] with the logarithm of the scales left out."""
    raise TypeError(f"no scales are known of {type(model).__name__}")


@unscaled.register
def _(model: Normal, x: Tensor) -> Tensor:
    z = model.map_only(x)
    return -0.5 * (z.square().sum(1) + z.shape[1] * LOG_2PI)


@unscaled.register
def _(model: KDE, x: Tensor) -> Tensor:
    return model.log_prob(x) + torch.as_tensor(model.bandwidth).log().sum()


@unscaled.register
def _(model: Mixture, x: Tensor) -> Tensor:
    """One component's log-determinant serves for all."""
    return torch.logsumexp(model.components(x) + model.log_weights, 1)


@unscaled.register
def _(model: Flow, x: Tensor) -> Tensor:
    return model.base.log_prob(model.map_only(x))


@singledispatch
def sharpened(model: Any, temperature: float) -> Any:
    """A copy whose conditional tables are p^(1/temperature), normalised."""
    raise TypeError(f"no tables are known of {type(model).__name__}")


@sharpened.register
def _(model: ChowLiu, temperature: float) -> ChowLiu:
    colder = copy.deepcopy(model)
    colder.log_table = (torch.as_tensor(model.log_table) / temperature).log_softmax(-1)
    return colder


@sharpened.register(DiscreteMADE)
@sharpened.register(VAE)
def _(model: DiscreteMADE | VAE, temperature: float) -> DiscreteMADE | VAE:
    colder = copy.deepcopy(model)
    network: Any = colder
    last = network.net.final_layer if isinstance(model, DiscreteMADE) else network.decoder[-1]
    with torch.no_grad():
        last.weight.div_(temperature)
        last.bias.div_(temperature)
    return colder
