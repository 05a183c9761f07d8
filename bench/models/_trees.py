"""Messages on a Chow-Liu tree: the mass of some coordinates, and exact draws of the others."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.errors import UsageError
from bench.levels import draw
from bench.trees import LARGEST, ChowLiu

VALUES = 2**23  #: masses in memory at once


def refuse_large(name: str, dim: int, levels: int, alpha: float) -> None:
    """Raise UsageError, in the model's name, for tables too large to count or without mass."""
    if alpha <= 0:
        raise UsageError(f"{name}: alpha must be positive, not {alpha}: unseen pairs need mass")
    if dim * levels > LARGEST:
        raise UsageError(
            f"{name} needs a table of ({dim} x {levels})^2 pair counts, more than ({LARGEST})^2. "
            "Use data with fewer coordinates or levels"
        )


class Tree(ChowLiu):
    """A tree of tables that can be conditioned on any of its coordinates."""

    def log_marginal(self, x: Tensor, known: Tensor) -> Tensor:
        """log p(known coordinates of x [B, D]), nats [B], for known bool [B, D]."""
        evidence = self.evidence(x, known)
        return torch.logsumexp(self.log_table[self.root, 0] + evidence[:, self.root], 1)

    def impute(self, x: Tensor, known: Tensor) -> Tensor:
        """x [n, D] with exact conditional draws in place of what is not known, int64 [n, D].

        `known`: bool [n, D] or [D]. What x holds elsewhere does not matter.
        """
        x, known = x.long(), known.expand(x.shape)
        rows = max(VALUES // self.log_table[0].numel(), 1)
        pairs = zip(x.split(rows), known.split(rows), strict=True)
        return torch.cat([self._drawn(self.evidence(*pair)) for pair in pairs])

    @property
    def root(self) -> int:
        """The coordinate without a parent."""
        return int(self.depth.argmin())

    def evidence(self, x: Tensor, known: Tensor) -> Tensor:
        """log p(known coordinates in the branch of i | x_i = k), nats [B, D, K].

        From the leaves up. Where i is known itself that is minus infinity but for its own level.
        """
        levels = self.log_table.shape[-1]
        other = torch.arange(levels, device=x.device) != x.long().unsqueeze(-1)
        found = torch.zeros(other.shape, dtype=self.log_table.dtype, device=x.device)
        found.masked_fill_(other & known.unsqueeze(-1), -torch.inf)
        for i in self.depth.argsort(descending=True)[:-1].tolist():
            message = torch.logsumexp(self.log_table[i] + found[:, i, None], 2)
            found[:, int(self.parent[i])] += message
        return found

    def _drawn(self, evidence: Tensor) -> Tensor:
        """From the root down, each coordinate given its parent and the evidence [B, D, K]."""
        x = torch.empty(evidence.shape[:2], dtype=torch.int64, device=evidence.device)
        for i in self.depth.argsort().tolist():
            above = 0 if i == self.root else x[:, int(self.parent[i])]
            mass = self.log_table[i, above] + evidence[:, i]
            x[:, i] = draw(mass.log_softmax(-1))
        return x
