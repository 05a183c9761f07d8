"""Linear maps given by reflections and a triangle: W = Q R."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows.linear.orthogonal import QRLinear
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue import householder
from bench.profile.catalogue.lu import hush, triangle


@kernel("qr", logdet="sum log r_ii", baseline="nflows", paper="1611.09630")
def case(size: Size) -> Case:
    """(x R') H_1 ... H_K + b, R upper triangular with diagonal exp(d), K = min(D, 64)."""
    dim, reflections = size.dim, min(size.dim, householder.MOST)
    return Case(
        x=size.normal(size.batch, dim),
        parameters={
            "upper_entries": size.normal(dim * (dim - 1) // 2, scale=0.5 / dim**0.5),
            "log_upper_diag": size.normal(dim, scale=0.3),
            "bias": size.normal(dim),
            "q_vectors": size.normal(reflections, dim),
        },
        reference=textbook,
        numbers=2 * size.batch * dim + dim * (dim + 3) // 2 + reflections * dim,
        # the matrix formed once, or R and the reflections one after the other
        flops=min(
            2 * size.batch * dim**2 + 4 * reflections * dim**2,
            size.batch * dim**2 + householder.flops(size, reflections),
        ),
    )


def textbook(
    upper_entries: Tensor, log_upper_diag: Tensor, bias: Tensor, q_vectors: Tensor
) -> Maps:
    """A product with R, then one reflection after the other; back by a triangular solve."""

    def upper() -> Tensor:
        strict = triangle(upper_entries, len(bias), upper=True)
        return strict + log_upper_diag.exp().diag()

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        z = householder.reflect(x @ upper().T, q_vectors) + bias
        return z, log_upper_diag.sum().expand(len(x))

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        turned = householder.reflect(z - bias, q_vectors.flip(0))
        x = torch.linalg.solve_triangular(upper(), turned.T, upper=True).T
        return x, -log_upper_diag.sum().expand(len(z))

    return Maps(forward, inverse)


class Folded(QRLinear):
    """QRLinear with R and the reflections multiplied (or inverted) first."""

    orthogonal: householder.Folded
    places: Tensor
    sources: Tensor
    unit: Tensor

    def __init__(self, dim: int, reflections: int) -> None:
        super().__init__(dim, reflections)
        self.orthogonal = householder.Folded(dim, reflections)
        self.register_buffer("unit", torch.eye(dim), persistent=False)
        # where R's numbers are in [0, diagonal, entries above it]
        sources = torch.diag(torch.arange(dim) + 1).flatten()
        sources[self.places] = torch.arange(len(self.places)) + dim + 1
        self.register_buffer("sources", sources, persistent=False)

    def _upper(self) -> Tensor:
        zero = self.unit.new_zeros(1)
        numbers = torch.cat((zero, self.log_upper_diag.exp(), self.upper_entries))
        return numbers.index_select(0, self.sources).view(self.dim, self.dim)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        v, t = self.orthogonal.core()
        r = self._upper().T
        return torch.addmm(self.bias, x, torch.addmm(r, r @ v.T, t, alpha=-1))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]."""
        v, t = self.orthogonal.core(backwards=True)
        turn = torch.addmm(self.unit, v.T, t, alpha=-1)
        matrix = torch.linalg.solve_triangular(self._upper().T, turn, upper=False, left=False)
        return (z - self.bias) @ matrix, -self.log_upper_diag.sum().expand(len(z))


@implementation("in-house", kernel="qr")
def in_house(**parameters: Tensor) -> Maps:
    """The D x D matrix by the compact WY form, then one product over the batch."""
    reflections, dim = parameters["q_vectors"].shape
    return of_module(Folded(dim, reflections), parameters, q_vectors="orthogonal.q_vectors")


@implementation("nflows", kernel="qr", requires=["nflows"])
def nflows(**parameters: Tensor) -> Maps:
    """`nflows.transforms.QRLinear`."""
    from nflows.transforms import QRLinear as Theirs

    hush()
    reflections, dim = parameters["q_vectors"].shape
    return of_module(Theirs(dim, reflections), parameters, q_vectors="orthogonal.q_vectors")
