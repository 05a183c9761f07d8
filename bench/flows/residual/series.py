"""log det(I + J) without J: the power series of the logarithm, cut at random without bias."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def roulette_logdet(
    product: Callable[[Tensor], Tensor], noise: Tensor, terms: int = 4, keep: float = 0.7
) -> Tensor:
    """An unbiased estimate of log det(I + J) [B], nats, for J of spectral norm below one.

    sum_k (-1)^(k+1) tr(J^k) / k with Hutchinson's estimate v^T J^k v of each trace (arXiv
    1811.00995, eq. 4). The first `terms` are always summed; each further one is reached with
    probability `keep` and divided by the chance of having come so far: Russian roulette (arXiv
    1906.02735, eq. 6). How far is one draw for the batch, from torch's global generator. The
    variance is finite where the norm is below sqrt(keep).

    Args:
        product: v [B, D] -> v^T J [B, D].
        noise: v [B, D], of independent entries of mean zero and variance one.
        terms: that are always summed.
        keep: chance to go on for another term.

    Raises ValueError unless terms >= 1 and 0 <= keep < 1.
    """
    if terms < 1 or not 0 <= keep < 1:
        raise ValueError(
            f"the roulette takes terms >= 1 and 0 <= keep < 1, not terms={terms}, keep={keep}"
        )
    further = int(math.log(1 - float(torch.rand(()))) / math.log(keep)) if keep else 0
    total, w = noise.new_zeros(len(noise)), noise
    for k in range(1, terms + further + 1):
        w = product(w)
        weight = keep ** -max(k - terms, 0) * (-1) ** (k + 1) / k
        total = total + weight * (w * noise).sum(1)
    return total
