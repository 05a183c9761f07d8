"""Continuous flows: an ordinary differential equation from data to noise (FFJORD, 1810.01367)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from bench.flows.bijection import Bijection, check_points
from bench.flows.continuous.velocity import Velocity
from bench.flows.flow import Flow

#: (t, x [B, D]) -> rates of change of the state: f [B, D], and of the log-determinant [B]
Rates = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


class Continuous(Bijection):
    """z = x(1) with dx/dt = f(t, x), x(0) = x; log |det| is the integral of tr df/dx (1810.01367).

    torchdiffeq's fourth-order Runge-Kutta method on a fixed grid, on which no point sees its batch
    mates, as it would through an adaptive step; gradients run through the solver's steps. The map
    and its log-determinant are those of the solver, true to its error, which falls with the fourth
    power of the steps.

    The trace is the field's own where it has `divergence(t, x) -> (f, trace)`. Else it is exact by
    automatic differentiation, D passes, in evaluation and up to `exact_dim` coordinates; beyond,
    training uses Hutchinson's estimate with one vector per point for the whole solve.

    Args:
        dim: D.
        field: f(t, x) of a time without dimensions and points [B, D]; no point may see another.
        steps: in training.
        fine_steps: in evaluation.
        exact_dim: largest D with an exact trace in training.

    Raises ValueError for less than one step, ModuleNotFoundError where torchdiffeq is missing.
    """

    def __init__(
        self,
        dim: int,
        field: nn.Module,
        steps: int = 8,
        fine_steps: int = 64,
        exact_dim: int = 16,
    ) -> None:
        super().__init__()
        if importlib.util.find_spec("torchdiffeq") is None:
            raise ModuleNotFoundError(
                "continuous flows need torchdiffeq. Install it: pip install torchdiffeq",
                name="torchdiffeq",
            )
        if min(steps, fine_steps) < 1:
            raise ValueError(f"a solver takes at least one step, not {min(steps, fine_steps)}")
        self.dim, self.field, self.exact_dim = dim, field, exact_dim
        self.steps, self.fine_steps = steps, fine_steps

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z [B, D] and log |det dz/dx| [B]."""
        check_points(x, self.dim)
        return self._solve(x, 0.0, 1.0)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, D] and log |det dx/dz| [B]: the same equation backwards in time."""
        check_points(z, self.dim)
        return self._solve(z, 1.0, 0.0)

    def map_only(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """z [B, D]."""
        check_points(x, self.dim)
        return self._integrate(lambda t, x: (self.field(t, x),), (x,), 0.0, 1.0)[0]

    def _solve(self, x: Tensor, start: float, end: float) -> tuple[Tensor, Tensor]:
        z, logabsdet = self._integrate(self._divergence(x), (x, x.new_zeros(len(x))), start, end)
        return z, logabsdet

    def _integrate(
        self, rates: Rates, state: tuple[Tensor, ...], start: float, end: float
    ) -> tuple[Tensor, ...]:
        """The state at time `end`, whose rates of change depend on time and points."""
        from torchdiffeq import odeint

        steps = self.steps if self.training else self.fine_steps
        grid = torch.linspace(0, 1, steps + 1, dtype=state[0].dtype, device=state[0].device)
        length = end - start

        def moving(s: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(length * rate for rate in rates(start + length * s, state[0]))

        options = {"grid_constructor": lambda function, state, t: grid}
        found = odeint(moving, state, grid[[0, -1]], method="rk4", options=options)
        return tuple(part[-1] for part in found)

    def _divergence(self, x: Tensor) -> Rates:
        """(t, x) -> f and its trace, by the cheapest means that this mode allows."""
        closed: Rates | None = getattr(self.field, "divergence", None)
        if closed is not None:
            return closed
        if self.training and self.dim > self.exact_dim:
            signs = 2 * torch.randint(0, 2, x.shape, device=x.device) - 1
            return partial(estimated_divergence, self.field, noise=signs.to(x.dtype))
        return partial(exact_divergence, self.field)


def exact_divergence(field: nn.Module, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """f(t, x) [B, D] and the trace of its Jacobian [B], one backward pass for each coordinate."""
    value, pulled = torch.func.vjp(lambda x: field(t, x), x)
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    rows = torch.func.vmap(lambda e: pulled(e.expand_as(x))[0] @ e)(eye)
    return value, rows.sum(0)


def estimated_divergence(
    field: nn.Module, t: Tensor, x: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """f(t, x) [B, D] and v^T (df/dx) v [B], whose mean is the trace, for noise v [B, D]."""
    value, pulled = torch.func.vjp(lambda x: field(t, x), x)
    return value, (pulled(noise)[0] * noise).sum(1)


def ffjord(dim: int, hidden: int = 64, steps: int = 8, fine_steps: int = 64) -> Flow:
    """One continuous flow through `Velocity`, whose trace is exact and cheap.

    Args:
        dim: D.
        hidden: units of each of the two hidden layers.
        steps, fine_steps: of the solver, in training and in evaluation.
    """
    return Flow(Continuous(dim, Velocity(dim, hidden), steps, fine_steps), dim)
