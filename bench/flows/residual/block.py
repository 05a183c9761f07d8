"""Residual flows: x + g(x) with a contraction g (arXiv 1811.00995 and 1906.02735)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.flows.bijection import Bijection, check_points
from bench.flows.compose import Composite, differentiates
from bench.flows.flow import Flow
from bench.flows.normalisation import ActNorm
from bench.flows.residual.fixed_point import fixed_point
from bench.flows.residual.lipschitz import Linearised, LipschitzNet
from bench.flows.residual.series import roulette_logdet

EXACT_DIM = 16  #: largest dimension that is trained with the exact log-determinant


class InvertibleResidual(Bijection):
    """z = x + g(x), g a network of Lipschitz constant below one.

    log |det| is exact, by the D x D Jacobian: always in evaluation, and in training up to
    `exact_dim` coordinates. Beyond, training estimates it without bias (`roulette_logdet`). The
    inverse iterates x <- z - g(x) for each point until it stands still; where autograd records, it
    has the gradients of the implicit function theorem.

    Args:
        dim: D.
        hidden, layers: units and number of hidden layers of g.
        bound: of g's Lipschitz constant, in (0, 1). Met in evaluation; in training the power
            iteration may miss it by a little.
        exact_dim: largest D with an exact log-determinant in training.

    Raises ValueError for a bound outside (0, 1).
    """

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        layers: int = 2,
        bound: float = 0.97,
        exact_dim: int = EXACT_DIM,
    ) -> None:
        super().__init__()
        if not 0 < bound < 1:
            raise ValueError(f"the bound of a residual block lies in (0, 1), not {bound}")
        self.dim, self.exact_dim = dim, exact_dim
        self.net = LipschitzNet(dim, hidden, layers, bound)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        at = self.net.linearise(x, self.net.matrices())
        return x + at.value, self._logabsdet(at)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        return x + self.net.linearise(x, self.net.matrices()).value

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B].

        Raises RuntimeError for a point that does not settle (`fixed_point`).
        """
        check_points(z, self.dim)
        matrices = self.net.matrices()
        x = fixed_point(lambda x, rows: z[rows] - self.net.linearise(x, matrices).value, z)
        at = self.net.linearise(x, matrices)
        if differentiates(self, z):
            x = x - torch.linalg.solve(_derivative(at).detach().mT, x + at.value - z)
            at = self.net.linearise(x, matrices)
        return x, -self._logabsdet(at)

    def _logabsdet(self, at: Linearised) -> Tensor:
        if self.training and self.dim > self.exact_dim:
            signs = torch.randint(0, 2, at.value.shape, device=at.value.device)
            return roulette_logdet(at.pulled, (2 * signs - 1).to(at.value.dtype))
        return torch.linalg.slogdet(_derivative(at)).logabsdet


def _derivative(at: Linearised) -> Tensor:
    """(I + J)^T, [B, D, D]."""
    rows = at.jacobian_transposed()
    return rows + torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)


def residual_flow(
    dim: int,
    hidden: int = 64,
    blocks: int = 8,
    layers: int = 2,
    bound: float = 0.97,
    exact_dim: int = EXACT_DIM,
) -> Flow:
    """Residual blocks with an ActNorm before each and behind the last.

    Args:
        dim: D.
        hidden, layers, bound, exact_dim: of each block.
        blocks: number of them.
    """
    parts: list[Bijection] = [ActNorm(dim)]
    for _ in range(blocks):
        parts += [InvertibleResidual(dim, hidden, layers, bound, exact_dim), ActNorm(dim)]
    return Flow(Composite(parts), dim)
