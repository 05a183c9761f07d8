"""A normal around a linear function of the context, by maximum likelihood."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench import model
from bench.contract import DataSpec
from bench.models._normal import Normal
from bench.models.gaussian import cholesky


@model("linear-regression", family="conditional", conditional=True)
def build(data: DataSpec) -> LinearRegression:
    """N(x; W c + b, S): least squares, S the residuals' covariance (divisor N), in closed form.

    Train and validation points are fitted. S gets the ridge of `gaussian` where it is singular.
    """
    assert data.train_valid_context is not None
    x, context = data.train_valid.double(), data.train_valid_context.double()
    regressors = torch.cat([context, torch.ones_like(context[:, :1])], 1)
    # lstsq by SVD: contexts may be collinear, as the columns of a one-hot code are
    solution = torch.linalg.lstsq(regressors, x, driver="gelsd").solution
    residual = x - regressors @ solution
    return LinearRegression(
        solution, Normal(torch.zeros(data.dim), cholesky(_covariance(residual)))
    )


def _covariance(residual: Tensor) -> Tensor:
    return residual.T @ residual / len(residual)


class LinearRegression(nn.Module):
    """Points [B, D] given contexts [B, C], float64.

    Args:
        solution: W and, in its last row, b: [C + 1, D].
        noise: the law of the residuals in D dimensions.
    """

    def __init__(self, solution: Tensor, noise: Normal) -> None:
        super().__init__()
        self.register_buffer("solution", solution)
        self.noise = noise

    def mean(self, context: Tensor) -> Tensor:
        """W c + b, [B, D]."""
        return context.to(self.solution.dtype) @ self.solution[:-1] + self.solution[-1]

    def transform(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """White noise [B, D] of points, and log |det dz/dx| [B]."""
        return self.noise.transform(x - self.mean(context))

    def map_only(self, x: Tensor, context: Tensor) -> Tensor:
        """White noise alone, [B, D]."""
        return self.noise.map_only(x - self.mean(context))

    def inverse(self, z: Tensor, context: Tensor) -> Tensor:
        """Points [B, D] of white noise."""
        return self.noise.inverse(z) + self.mean(context)

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log-density of x given its context in nats, float64 [B]."""
        return self.noise.log_prob(x - self.mean(context))

    def sample(self, n: int, context: Tensor) -> Tensor:
        """One draw for each of the n contexts, float32 [n, D]."""
        return (self.noise.sample(n) + self.mean(context)).float()
