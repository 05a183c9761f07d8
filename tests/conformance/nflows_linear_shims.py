"""nflows' permutations, linear and orthogonal maps, normalisation and images' maps, run by ours.

nflows starts its linear maps at the identity, of which the tests could not tell a wrong sign: the
shims start elsewhere.
"""

from __future__ import annotations

import math

import torch
from nflows.transforms.base import InverseNotAvailable
from torch import Tensor, nn

from bench import flows
from bench.flows import images


class Permutation(flows.Permutation):
    def __init__(self, permutation, dim=1):
        assert dim == 1, "ours permute the coordinates"
        super().__init__(permutation)


class RandomPermutation(Permutation):
    def __init__(self, features, dim=1):
        super().__init__(torch.randperm(features), dim)


class ReversePermutation(Permutation):
    def __init__(self, features, dim=1):
        super().__init__(torch.arange(features - 1, -1, -1), dim)


class Matrix:
    """What nflows' linear maps tell about themselves, found by running ours on the unit vectors."""

    def forward_no_cache(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self(inputs)

    def inverse_no_cache(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.inverse(inputs)

    def weight(self) -> Tensor:
        return (self.map_only(torch.eye(self.dim)) - self.bias).T

    def weight_inverse(self) -> Tensor:
        return self.inverse(torch.eye(self.dim) + self.bias)[0].T

    def logabsdet(self) -> Tensor:
        return self(torch.zeros(1, self.dim))[1][0]


class HouseholderSequence(flows.Householder):
    def __init__(self, features, num_transforms):
        super().__init__(features, num_transforms)
        nn.init.normal_(self.q_vectors)

    def matrix(self) -> Tensor:
        return self.inverse(torch.eye(self.dim))[0]


class LULinear(Matrix, flows.LULinear):
    def __init__(self, features, using_cache=False, identity_init=True, eps=1e-3):
        super().__init__(features, eps)
        shake(self.lower_entries, self.upper_entries, self.unconstrained_upper_diag, self.bias)

    def _create_lower_upper(self) -> tuple[Tensor, Tensor]:
        return self._factors()


class QRLinear(Matrix, flows.QRLinear):
    def __init__(self, features, num_householder, using_cache=False):
        super().__init__(features, num_householder)
        self.orthogonal = HouseholderSequence(features, num_householder)

    def _create_upper(self) -> Tensor:
        return self._upper()


class SVDLinear(Matrix, flows.SVDLinear):
    def __init__(self, features, num_householder, using_cache=False, identity_init=True, eps=1e-3):
        super().__init__(features, num_householder, eps)
        self.orthogonal_1 = HouseholderSequence(features, num_householder)
        self.orthogonal_2 = HouseholderSequence(features, num_householder)
        shake(self.unconstrained_diagonal)

    @property
    def log_diagonal(self) -> Tensor:
        return self._diagonal().log()


class NaiveLinear(Matrix, flows.QRLinear):
    """Any matrix is reflections times a triangle of positive diagonal: the weight is factorised."""

    def __init__(self, features, orthogonal_initialization=True, using_cache=False):
        weight = torch.randn(features, features)
        if orthogonal_initialization:
            weight = torch.linalg.qr(weight).Q
        packed, tau = torch.geqrf(weight)
        diagonal = packed.diagonal()
        flips = torch.eye(features)[diagonal < 0]
        vectors = (packed.tril(-1) + torch.eye(features)).T[tau != 0]
        reflections = torch.cat((flips, vectors.flip(0)))
        super().__init__(features, len(reflections))
        self._weight = weight
        upper = diagonal.sign()[:, None] * packed
        with torch.no_grad():
            self.orthogonal.q_vectors.copy_(reflections)
            self.upper_entries.copy_(upper[tuple(torch.triu_indices(features, features, 1))])
            self.log_upper_diag.copy_(diagonal.abs().log())


class OneByOneConvolution(images.Conv1x1):
    """At the identity, times a permutation: its test asks for 1e-6 in float32."""

    def __init__(self, num_channels, using_cache=False, identity_init=True):
        super().__init__(num_channels)


class SqueezeTransform(images.Squeeze):
    def __init__(self, factor=2):
        super().__init__(factor)


class BatchNorm(flows.BatchNorm):
    def __init__(self, features, eps=1e-5, momentum=0.1, affine=True):
        super().__init__(features, eps, momentum)

    @property
    def weight(self) -> Tensor:
        return self._weight()

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        try:
            return super().inverse(z, context)
        except ValueError as e:
            raise InverseNotAvailable(str(e)) from e


class ActNorm(images.ImageActNorm):
    """One class for vectors and images, as in nflows; ours are two with the same parameters."""

    def __init__(self, features):
        super().__init__(features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kind = images.ImageActNorm if x.dim() == 4 else flows.ActNorm
        return kind.forward(self, x, context)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        kind = images.ImageActNorm if x.dim() == 4 else flows.ActNorm
        return kind.map_only(self, x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kind = images.ImageActNorm if z.dim() == 4 else flows.ActNorm
        return kind.inverse(self, z, context)


def shake(*parameters: nn.Parameter) -> None:
    """Start as nflows does away from the identity."""
    for p in parameters:
        nn.init.uniform_(p, -1 / math.sqrt(len(p)), 1 / math.sqrt(len(p)))
