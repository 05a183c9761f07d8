"""The transforms of nflows 0.14 that have no network: constants, squashing maps, plain matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from bench.flows.bijection import Bijection
from bench.flows.compose import Composite, Inverse
from bench.flows.linear.orthogonal import QRLinear
from bench.flows.monotone.fixed import LeakyReLU, PointwiseAffine
from bench.flows.monotone.squash import Sigmoid, Tanh


def _identity(part: Any) -> Composite:
    return Composite([])


def _affine(part: Any) -> PointwiseAffine:
    return PointwiseAffine(part._shift.clone(), part._scale.clone())


def _leaky_relu(part: Any) -> LeakyReLU:
    return LeakyReLU(float(part.negative_slope))


def _tanh(part: Any) -> Tanh:
    return Tanh()


def _sigmoid(part: Any) -> Bijection:
    """A temperature, learned or not, becomes a constant."""
    temperature = part.temperature.detach().clone()
    if bool((temperature == 1).all()):
        return Sigmoid()
    return Composite([PointwiseAffine(0.0, temperature), Sigmoid()])


def _logit(part: Any) -> Inverse:
    return Inverse(_sigmoid(part._transform))


def _matrix(part: Any) -> QRLinear:
    """Any matrix W is reflections times an upper triangle of positive diagonal (Householder)."""
    weight = part._weight.detach()
    packed, tau = torch.geqrf(weight)
    diagonal, one = packed.diagonal(), torch.eye(len(weight), dtype=weight.dtype)
    one = one.to(weight.device)
    flips = one[diagonal < 0]  # reflections of single axes turn the diagonal positive
    vectors = (packed.tril(-1) + one).T[tau != 0]
    reflections = torch.cat((flips, vectors.flip(0)))
    if len(reflections) == 0:
        reflections = one[:1].repeat(2, 1)  # twice the same is none
    ours = QRLinear(len(weight), len(reflections)).to(weight.device, weight.dtype)
    upper = diagonal.sign()[:, None] * packed
    rows, columns = torch.triu_indices(len(weight), len(weight), 1)
    ours.load_state_dict(
        {
            "orthogonal.q_vectors": reflections,
            "upper_entries": upper[rows, columns],
            "log_upper_diag": diagonal.abs().log(),
            "bias": part.bias.detach(),
        }
    )
    return ours


FIXED: dict[str, Callable[[Any], Bijection]] = {
    "IdentityTransform": _identity,
    "PointwiseAffineTransform": _affine,
    "AffineTransform": _affine,
    "LeakyReLU": _leaky_relu,
    "Tanh": _tanh,
    "Sigmoid": _sigmoid,
    "Logit": _logit,
}
"""Of points of any shape."""

MATRICES: dict[str, Callable[[Any], Bijection]] = {"NaiveLinear": _matrix}
