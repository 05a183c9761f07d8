"""Causal self-attention, over all steps at once or step by step with the keys and values kept."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from bench.models._dropout import Dropout

Kept = tuple[Tensor, Tensor]  #: keys and values of the steps so far, [n, heads, D, F / heads] each


class Block(nn.Module):
    """Attention, then two linear layers, each around an identity and behind a normalisation.

    The normalisation in front leaves the identity free (arXiv 2002.04745, figure 1b).
    """

    def __init__(self, features: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(features)
        self.enter = nn.Linear(features, 3 * features)
        self.leave = nn.Linear(features, features)
        self.after = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, 4 * features),
            nn.GELU(),
            nn.Linear(4 * features, features),
            Dropout(dropout),
        )
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Features of steps x [B, D, F], each of which reads those up to itself."""
        query, key, value = self._heads(x)
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self._finish(x, found)

    def kept(self, n: int, steps: int) -> Kept:
        """Room for n sequences of so many steps."""
        shape = n, self.heads, steps, self.leave.in_features // self.heads
        return self.leave.weight.new_zeros(shape), self.leave.weight.new_zeros(shape)

    def step(self, x: Tensor, kept: Kept, t: int) -> Tensor:
        """Features of step t, x [n, 1, F], which reads those kept before and leaves its own."""
        query, key, value = self._heads(x)
        keys, values = kept
        keys[:, :, t : t + 1], values[:, :, t : t + 1] = key, value
        keys, values = keys[:, :, : t + 1], values[:, :, : t + 1]
        return self._finish(x, F.scaled_dot_product_attention(query, keys, values))

    def _heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, [B, heads, D, F / heads] each."""
        parts = self.enter(self.before(x)).unflatten(2, (3, self.heads, -1))
        return parts.permute(2, 0, 3, 1, 4).unbind()

    def _finish(self, x: Tensor, found: Tensor) -> Tensor:
        x = x + self.dropout(self.leave(found.transpose(1, 2).flatten(2)))
        return x + self.after(x)
