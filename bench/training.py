"""Maximum likelihood under a budget: one recipe for every model, resumable to the same bits.

Adam with decoupled decay, linear warm-up, cosine to a small share of the rate, clipped gradients;
the weights of the best validation are kept. Everything random comes from generators whose state is
part of the partial checkpoint, so that a killed run continues as if nothing had happened.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.adapters import Adapted
from bench.checkpoints import load_state, save_state
from bench.errors import DivergedError, PluginError
from bench.randomness import seeded
from bench.settings import Budget
from bench.spaces import Space, chunks

Report = Callable[[int, int], None]  #: (step, steps)


@dataclass
class TrainingResult:
    """What a training leaves behind besides the weights, which stay in the model."""

    steps: int = 0
    kept_step: int | None = None
    valid_nats: float | None = None  #: at the kept step, data units
    seconds: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    """(step, train nats since the last row, validation nats), data units."""


@dataclass
class Source:
    """Training points in the model's space, with fresh dequantization noise at every step."""

    raw: Tensor
    space: Space
    device: str = "cpu"
    context: Tensor | None = None  #: [N, C], in the model's space and on its device
    labels: Tensor | None = None  #: classes, int64 [N], on the model's device
    fixed: Tensor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not (self.space.noise or self.space.discrete):  # levels stay as small as they came
            self.fixed = self.space.forward(self.raw, None)[0].to(self.device)

    def points(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """The rows `index`, [len(index), ...]."""
        if self.fixed is not None:
            return self.fixed[index]
        return self.space.forward(self.raw[index], generator)[0].to(self.device)

    def contexts(self, index: Tensor) -> Tensor | None:
        """Those of the rows `index`, [len(index), C]; None for data without any."""
        return None if self.context is None else self.context[index]

    def classes(self, index: Tensor) -> Tensor | None:
        """Those of the rows `index`, [len(index)]; None for data without labels."""
        return None if self.labels is None else self.labels[index]


class Batches:
    """Shuffled epochs of row indices; an incomplete last batch is dropped."""

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.batch = n, min(batch, n)
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)
        self.position = 0

    def next(self) -> Tensor:
        """Indices of the next batch, [batch]."""
        if self.position + self.batch > len(self.order):
            self.order, self.position = torch.randperm(self.n, generator=self.generator), 0
        index = self.order[self.position : self.position + self.batch]
        self.position += self.batch
        return index

    def state_dict(self) -> dict[str, Any]:
        """Everything the next index depends on."""
        return {
            "generator": self.generator.get_state(),
            "order": self.order,
            "position": self.position,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.generator.set_state(state["generator"])
        self.order, self.position = state["order"], state["position"]


def rate(step: int, budget: Budget) -> float:
    """Learning rate of step 0..steps-1: linear warm-up, then cosine to `final_lr` of the peak."""
    warm = max(1, round(budget.warmup * budget.steps))
    if step < warm:
        return budget.lr * (step + 1) / warm
    progress = (step - warm) / max(1, budget.steps - warm)
    floor = budget.final_lr
    return budget.lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


class Trainer:
    """One seed's training of one module."""

    def __init__(
        self,
        model: Adapted,
        source: Source,
        valid: Tensor,
        budget: Budget,
        seed: int,
        valid_context: Tensor | None = None,
    ) -> None:
        assert model.module is not None
        self.model, self.module = model, model.module
        self.source, self.valid, self.budget = source, valid, budget
        self.valid_context = valid_context
        self.parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=budget.lr,
            betas=(0.9, budget.beta2),
            weight_decay=budget.weight_decay,
            fused=True,
        )
        self.batches = Batches(len(source.raw), budget.batch, 2 * seed + 1)
        self.noise = torch.Generator().manual_seed(2 * seed + 2)
        self.average = copy.deepcopy(self.module) if budget.ema else None
        self.result = TrainingResult()
        self.best: dict[str, Tensor] | None = None
        self.stale = 0
        self.loss_sum, self.loss_count = torch.zeros((), dtype=torch.float64), 0

    def run(self, partial: Path | None, report: Report) -> TrainingResult:
        """Train to the end of the budget; `partial` is written at every validation.

        Raises DivergedError when loss or weights stop being finite.
        """
        if partial is not None and partial.is_file():
            self.load_state_dict(load_state(partial))
        due = self._validation_steps()
        started = time.monotonic() - self.result.seconds
        while self.result.steps < self.budget.steps:
            self._step()
            if self.result.steps in due:
                self._validate()
                self.result.seconds = time.monotonic() - started
                if partial is not None:
                    save_state(partial, self.state_dict())
                if self._exhausted():
                    break
            if self.result.steps % 20 == 0 or self.result.steps in due:
                report(self.result.steps, self.budget.steps)
        self._keep_best()
        if partial is not None:
            partial.unlink(missing_ok=True)
        return self.result

    def _validation_steps(self) -> set[int]:
        steps, times = self.budget.steps, self.budget.validations
        return {max(1, round(steps * (i + 1) / times)) for i in range(times)}

    def _step(self) -> None:
        step = self.result.steps
        for group in self.optimizer.param_groups:
            group["lr"] = rate(step, self.budget)
        self.module.train()
        index = self.batches.next()
        x = self.source.points(index, self.noise)
        loss = self._loss(x, self.source.contexts(index), self.source.classes(index))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.budget.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.budget.clip)
        self.optimizer.step()
        if self.average is not None:
            self._update_average()
        self.loss_sum += loss.detach().double().cpu()
        self.loss_count += 1
        self.result.steps = step + 1

    def _loss(self, x: Tensor, context: Tensor | None, labels: Tensor | None) -> Tensor:
        """Mean loss of a batch, nats. Raises PluginError for a wrong shape."""
        if self.model.loss is None:
            value = -self.model.log_prob(x, context=context)
        else:
            value = self.model.loss(x, context=context, labels=labels)
        if value.shape not in ((), (len(x),)):
            raise PluginError(
                f"the loss of a batch of {len(x)} points has shape {list(value.shape)}; expected "
                f"[{len(x)}], one value in nats per point"
            )
        return value.mean()

    @torch.no_grad()
    def _update_average(self) -> None:
        assert self.average is not None
        assert self.budget.ema is not None
        decay = min(self.budget.ema, (1 + self.result.steps) / (10 + self.result.steps))
        for kept, new in zip(self.average.parameters(), self.module.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
        for held, now in zip(self.average.buffers(), self.module.buffers(), strict=True):
            held.copy_(now)

    def _candidate(self) -> dict[str, Tensor]:
        return {k: v.clone() for k, v in (self.average or self.module).state_dict().items()}

    def _validate(self) -> None:
        train = -float(self.loss_sum) / max(1, self.loss_count)
        self.loss_sum.zero_()
        self.loss_count = 0
        if not math.isfinite(train):
            raise DivergedError(
                f"the loss is not finite at step {self.result.steps}. Lower train.lr, or look for "
                "an unbounded log-density in the model"
            )
        score = self._validation_score()
        self.result.curve.append((self.result.steps, train, score))
        if self.result.valid_nats is None or score > self.result.valid_nats:
            self.result.valid_nats, self.result.kept_step = score, self.result.steps
            self.best, self.stale = self._candidate(), 0
        else:
            self.stale += 1

    def _validation_score(self) -> float:
        """Mean validation log-density (or minus loss), nats; leaves the training's RNG alone."""
        kept = self._candidate() if self.average is not None else None
        backup = copy.deepcopy(self.module.state_dict()) if kept is not None else None
        if kept is not None:
            self.module.load_state_dict(kept)
        self.module.eval()
        total = 0.0
        with torch.no_grad(), seeded(99):
            for x, context in chunks(500, self.valid, self.valid_context):
                total += float(self.model.log_prob(x, context=context).double().sum())
        if backup is not None:
            self.module.load_state_dict(backup)
        score = total / len(self.valid)
        return score if math.isfinite(score) else -math.inf

    def _exhausted(self) -> bool:
        patience, seconds = self.budget.patience, self.budget.seconds
        out_of_patience = patience is not None and self.stale >= patience
        return out_of_patience or (seconds is not None and self.result.seconds >= seconds)

    def _keep_best(self) -> None:
        if self.best is None:
            raise DivergedError(
                f"no validation of {self.result.steps} steps gave a finite score. Lower train.lr"
            )
        self.module.load_state_dict(self.best)
        self.module.eval()

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "batches": self.batches.state_dict(),
            "noise": self.noise.get_state(),
            "rng": torch.get_rng_state(),
            "device_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
            "best": self.best,
            "stale": self.stale,
            "result": vars(self.result),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken (right after a validation)."""
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.batches.load_state_dict(state["batches"])
        self.noise.set_state(state["noise"])
        torch.set_rng_state(state["rng"])
        if state["device_rng"]:
            torch.cuda.set_rng_state_all(state["device_rng"])
        self.best, self.stale = state["best"], state["stale"]
        self.result = TrainingResult(**state["result"])
