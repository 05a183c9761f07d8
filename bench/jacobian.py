"""The brute force: log |det J| as the slogdet of the Jacobian that autograd assembles."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Transform = Callable[[Tensor], tuple[Tensor, Tensor]]


def brute_force_logdet(transform: Transform, x: Tensor) -> tuple[Tensor, Tensor]:
    """What `transform` reports at x [B, ...], and slogdet of its D x D Jacobians; both [B], nats.

    One forward and D backward passes over the batch, vectorised where every operation has a
    batching rule, then B factorisations of D^3. Points must not interact (evaluation mode).

    Raises RuntimeError where z carries no gradient to x, ValueError where z has not D coordinates
    or another dtype than x: the Jacobian would then not be of the precision asked for.
    """
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        z, reported = transform(x)
        z = z.flatten(1)
        if z.shape[1] != x[0].numel() or z.dtype != x.dtype:
            raise ValueError(
                f"z has {z.shape[1]} coordinates of {z.dtype}, x has {x[0].numel()} of {x.dtype}"
            )
        return reported.detach(), torch.linalg.slogdet(_jacobians(z, x)).logabsdet


def _jacobians(z: Tensor, x: Tensor) -> Tensor:
    """dz_i/dx_j of each point, [B, D, D]."""
    batch, dim = z.shape
    eye = torch.eye(dim, dtype=z.dtype, device=z.device)
    try:
        directions = eye[:, None].expand(dim, batch, dim)
        with warnings.catch_warnings():  # of operations that are batched one by one
            warnings.simplefilter("ignore", UserWarning)
            (rows,) = torch.autograd.grad(z, x, directions, True, is_grads_batched=True)
    except RuntimeError:  # an operation without a batching rule
        one_by_one = [torch.autograd.grad(z, x, e.expand(batch, dim), True)[0] for e in eye]
        rows = torch.stack(one_by_one)
    return rows.flatten(2).transpose(0, 1).detach()
