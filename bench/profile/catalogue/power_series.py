"""The log-determinant of a residual block as a random power series (arXiv 1906.02735)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench import implementation, kernel
from bench.flows.residual.fixed_point import fixed_point
from bench.profile import Case, Maps, Size
from bench.profile.catalogue._network import (
    HIDDEN,
    NAMES,
    Network,
    forward_flops,
    network_parameters,
    traced,
    weights_count,
)

NORM = 0.9  #: all singular values of each of the three matrices
TERMS, ALWAYS, KEEP = 10, 4, 0.7


@kernel(
    "power-series",
    logdet="sum_k (-1)^(k+1) e'J^k e / (k P(n >= k)), an estimate",
    structured=False,
    paper="1906.02735",
)
def case(size: Size) -> Case:
    """x + g(x), g a network of Lipschitz constant .9^3, with given signs e [B, D] and n terms."""
    parameters = network_parameters(size, gain=1.0)
    for name in ("weight1", "weight2", "weight3"):
        left, _, right = torch.linalg.svd(parameters[name], full_matrices=False)
        parameters[name] = NORM * left @ right
    product = min(forward_flops(size), 4 * size.batch * HIDDEN**2)  # the second: W1 W3 first
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={
            **parameters,
            "noise": size.uniform(-1, 1, size.batch, size.dim).sign(),
            "terms": TERMS,
        },
        reference=textbook,
        numbers=size.batch * (3 * size.dim + 1) + weights_count(size),
        flops=forward_flops(size) + TERMS * product,
        differentiate=NAMES,
        estimate=True,
    )


def coefficients(terms: int) -> list[float]:
    """(-1)^(k+1) / (k P(n >= k)), k = 1 to n: ALWAYS terms, each further one with chance KEEP."""
    return [(-1) ** (k + 1) / (k * KEEP ** max(k - ALWAYS, 0)) for k in range(1, terms + 1)]


def textbook(noise: Tensor, terms: int, **parameters: Tensor) -> Maps:
    """Repeated products of e' with the Jacobian by reverse mode."""
    network = Network(**parameters)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        recording = torch.is_grad_enabled()
        with torch.enable_grad():
            at = traced(x)
            value = network(at)
            pulled, total = noise, x.new_zeros(len(x))
            for coefficient in coefficients(terms):
                (pulled,) = torch.autograd.grad(
                    value, at, pulled, create_graph=recording, retain_graph=True
                )
                total = total + coefficient * (pulled * noise).sum(1)
        return x + (value if recording else value.detach()), total

    return Maps(forward)


@implementation("in-house", kernel="power-series")
def in_house(noise: Tensor, terms: int, **parameters: Tensor) -> Maps:
    """Plain products among the hidden units: with J = W3 S2 W2 S1 W1, W1 W3 is formed once."""
    network = Network(**parameters)

    def series(slope1: Tensor, slope2: Tensor) -> Tensor:
        around = network.w1 @ network.w3
        pulled = noise @ network.w3
        total: Tensor | None = None
        weights = coefficients(terms)
        for k, weight in enumerate(weights, 1):
            pulled = (pulled * slope2) @ network.w2 * slope1
            total = weight * pulled if total is None else torch.add(total, pulled, alpha=weight)
            if k < len(weights):
                pulled = pulled @ around
        assert total is not None
        return (total * (noise @ network.w1.T)).sum(1)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        value, *slopes = network.linearised(x)
        return x + value, series(*slopes)

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        x = fixed_point(lambda x, rows: z[rows] - network(x), z)
        return x, -series(*network.linearised(x)[1:])

    return Maps(forward, inverse, lambda x: x + network(x))


@implementation("normflows", kernel="power-series", requires=["normflows"])
def normflows(noise: Tensor, terms: int, **parameters: Tensor) -> Maps:
    """The estimator of `normflows.flows.residual.iResBlock` with the noise given."""
    from normflows.flows.residual import basic_logdet_estimator

    network = Network(**parameters)

    def chance(k: int) -> float:
        return 1 / KEEP ** max(k - ALWAYS, 0)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        recording = torch.is_grad_enabled()
        with torch.enable_grad():
            at = traced(x)
            value = network(at)
            total = basic_logdet_estimator(value, at, terms, noise, chance, recording)
        return x + (value if recording else value.detach()), total

    return Maps(forward)
