"""Dilated causal convolutions, over all steps at once or step by step with a queue of inputs."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.models._dropout import Dropout
from bench.models._two_stacks import gate

Queue = deque[Tensor]  #: a layer's last inputs, [n, F] each, the oldest first


class CausalConv(nn.Module):
    """A convolution whose taps are now, `dilation` steps ago, and so on; zeros before the first."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.linear = nn.Linear(kernel * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [B, D, outputs] for x [B, D, inputs]."""
        reach, steps = self.dilation * (self.kernel - 1), x.shape[1]
        past = F.pad(x, (0, 0, reach, 0))
        taps = [past[:, i : i + steps] for i in range(0, reach + 1, self.dilation)]
        return self.linear(torch.cat(taps, -1))

    def queue(self, n: int) -> Queue:
        """The inputs before the first step: zeros."""
        weight = self.linear.weight
        length = self.dilation * (self.kernel - 1) + 1
        zero = weight.new_zeros(n, weight.shape[1] // self.kernel)
        return deque([zero] * length, maxlen=length)

    def step(self, x: Tensor, queue: Queue) -> Tensor:
        """Outputs [n, outputs] for the next input x [n, inputs], which joins the queue."""
        queue.append(x)
        taps = [queue[i] for i in range(0, len(queue), self.dilation)]
        return self.linear(torch.cat(taps, -1))


class GatedLayer(nn.Module):
    """tanh times sigmoid of a convolution, then one linear layer to the next layer's input and one
    to the outputs (arXiv 1609.03499, figure 4)."""

    def __init__(self, features: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv = CausalConv(features, 2 * features, kernel, dilation)
        self.both = nn.Linear(features, 2 * features)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The next layer's input and what skips it, for x [B, D, F], both [B, D, F]."""
        return self._finish(x, self.conv(x))

    def step(self, x: Tensor, queue: Queue) -> tuple[Tensor, Tensor]:
        """The same for the next step x [n, F]."""
        return self._finish(x, self.conv.step(x, queue))

    def _finish(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        more, skip = self.both(self.dropout(gate(y))).chunk(2, -1)
        return x + more, skip
