"""Networks whose Lipschitz constant is bounded, with their Jacobian in closed form.

Spectral normalisation as in i-ResNets (arXiv 1811.00995, section 2.1). The slopes of the
activations are kept, so that products with the Jacobian are plain matrix products: no second pass
of autograd, and gradients through them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEEPNESS = 2.0  #: median at the start, times sqrt(units / inputs)


class SpectralLinear(nn.Module):
    """A linear layer whose matrix has spectral norm at most `norm`.

    In training the norm is estimated by power iteration from the vector of the last call, a buffer,
    and may be missed by a little; in evaluation it is the largest singular value, so that the bound
    holds, and nothing changes.

    Args:
        inputs, outputs: widths.
        norm: bound of the spectral norm.
        iterations: of the power method, per call in training.
    """

    def __init__(self, inputs: int, outputs: int, norm: float, iterations: int = 3) -> None:
        super().__init__()
        self.norm, self.iterations = norm, iterations
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        scale = 1 / math.sqrt(inputs)
        for entries in (self.weight, self.bias):
            nn.init.uniform_(entries, -scale, scale)
        self.register_buffer("left", F.normalize(torch.randn(outputs), dim=0))

    def matrix(self) -> Tensor:
        """The weight [outputs, inputs], scaled down where its norm is above the bound."""
        norm = self._estimate() if self.training else torch.linalg.matrix_norm(self.weight, 2)
        return self.weight * (self.norm / norm.clamp(min=self.norm))

    def _estimate(self) -> Tensor:
        with torch.no_grad():
            left = self.left
            for _ in range(self.iterations):
                right = F.normalize(left @ self.weight, dim=0)
                left = F.normalize(self.weight @ right, dim=0)
            self.left.copy_(left)
        return left @ self.weight @ right


class Sine(nn.Module):
    """sin(b h) / b with a learned b > 0 per unit: 1-Lipschitz, smooth.

    Under a bound of the norm a unit's weights are about 1 / sqrt(units) in size, and an activation
    that bends on the scale of one is nearly linear there. b starts as `steepness` times a
    log-normal draw.

    Args:
        units: H.
        steepness: median of b at the start.
    """

    def __init__(self, units: int, steepness: float) -> None:
        super().__init__()
        self.log_steepness = nn.Parameter(torch.randn(units) + math.log(steepness))

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope, [B, H] each."""
        steepness = self.log_steepness.exp()
        angle = steepness * h
        return angle.sin() / steepness, angle.cos()


@dataclass
class Linearised:
    """A network's value [B, D] at some points, and its derivative there."""

    value: Tensor
    matrices: list[Tensor]
    slopes: list[Tensor]  #: of the activations behind all matrices but the last, [B, H]

    def jacobian_transposed(self) -> Tensor:
        """J^T, [B, inputs, outputs]."""
        first, *rest = self.matrices
        rows = first.T.expand(len(self.value), -1, -1)
        for slope, matrix in zip(self.slopes, rest, strict=True):
            rows = F.linear(rows * slope[:, None], matrix)
        return rows

    def pulled(self, v: Tensor) -> Tensor:
        """v^T J, [B, inputs], of v [B, outputs]."""
        for slope, matrix in zip(reversed(self.slopes), reversed(self.matrices), strict=False):
            v = (v @ matrix) * slope
        return v @ self.matrices[0]


class LipschitzNet(nn.Module):
    """Linear layers with sines between: [B, D] to [B, D].

    Args:
        dim: D.
        hidden: units of a layer.
        layers: hidden layers.
        bound: of the Lipschitz constant; each matrix gets its root.
    """

    def __init__(self, dim: int, hidden: int, layers: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        widths = [dim, *[hidden] * layers, dim]
        norm = bound ** (1 / (layers + 1))
        self.linears = nn.ModuleList(
            [SpectralLinear(a, b, norm) for a, b in zip(widths, widths[1:], strict=False)]
        )
        steepness = STEEPNESS * math.sqrt(hidden / dim)
        self.activations = nn.ModuleList([Sine(hidden, steepness) for _ in range(layers)])

    def matrices(self) -> list[Tensor]:
        """The normalised weights; in training one call moves the power iteration on."""
        return [linear.matrix() for linear in self.linears]

    def linearise(self, x: Tensor, matrices: list[Tensor]) -> Linearised:
        """Value and derivative at x [B, D]."""
        slopes = []
        h = F.linear(x, matrices[0], self.linears[0].bias)
        for i, activation in enumerate(self.activations, 1):
            h, slope = activation(h)
            slopes.append(slope)
            h = F.linear(h, matrices[i], self.linears[i].bias)
        return Linearised(h, matrices, slopes)
