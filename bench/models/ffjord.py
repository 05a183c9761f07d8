"""FFJORD: a continuous flow with free-form dynamics (arXiv 1810.01367)."""

from __future__ import annotations

from bench import model
from bench.contract import DataSpec
from bench.flows import Flow
from bench.flows.continuous.flow import ffjord


@model("ffjord", family="flow", paper="1810.01367", requires=["torchdiffeq"])
def build(data: DataSpec, hidden: int = 64, steps: int = 8, fine_steps: int = 64) -> Flow:
    """One ordinary differential equation from data to noise, solved on a fixed grid.

    Args:
        data: points [N, D].
        hidden: units of each of the field's two hidden layers.
        steps, fine_steps: of the solver, in training and in evaluation.
    """
    return ffjord(data.dim, hidden, steps, fine_steps)
