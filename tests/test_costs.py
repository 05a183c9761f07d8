"""Costs of toy models: values against closed forms, absent and failing abilities, no wall clock."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.adapters import adapt
from bench.contract import DataSpec, Splits
from bench.costs import converted, ladder, measure_costs, parameters, peak_bytes
from bench.costs.calls import Calls, evaluating
from bench.costs.throughput import MEMORY, RUNGS
from bench.flows import from_nflows, maf
from bench.registry import DatasetEntry, ModelEntry
from bench.settings import Evaluation
from bench.spaces import native, standard
from bench.subject import Subject
from bench.timing import summarise

QUICK = Evaluation(time_batch=32, time_seconds=0.004, bound_samples=7)


def make_subject(
    obj: Any, dim: int = 2, likelihood: str = "exact", levels: int | None = None
) -> Subject:
    """A trained model `obj` on 100 standard normal points (or levels) in `dim` dimensions."""
    generator = torch.Generator().manual_seed(0)
    if levels is None:
        x = torch.randn(100, dim, generator=generator, dtype=torch.float64)
    else:
        x = torch.randint(levels, (100, dim), generator=generator)
    kind = "continuous" if levels is None else "discrete"
    space = standard(x, (dim,)) if levels is None else native((dim,))
    return Subject(
        model=adapt(obj),
        entry=ModelEntry("toy", Path("toy.py"), "build", likelihood=likelihood),
        dataset=DatasetEntry("toy", Path("toy.py"), "make", kind, (dim,), levels),
        spec=DataSpec("toy", kind, (dim,), levels),
        space=space,
        splits=Splits(x, x, x),
        evaluation=QUICK,
    )


class AffineFlow(nn.Module):
    """z = A x + b with a planted error of the reported log-determinant."""

    def __init__(self, dim: int = 2, planted: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.weight = nn.Parameter(torch.eye(dim) + 0.3 * torch.randn(dim, dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.planted = planted

    def map_only(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logdet = torch.linalg.slogdet(self.weight).logabsdet + self.planted
        return self.map_only(x), logdet.expand(len(x))

    def log_prob(self, x: Tensor) -> Tensor:
        z, logdet = self.transform(x)
        return logdet - 0.5 * (z**2).sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)

    def sample(self, n: int) -> Tensor:
        z = torch.randn(n, len(self.bias))
        return torch.linalg.solve(self.weight, (z - self.bias).T).T


class OnlyLogProb:
    def log_prob(self, x: Tensor) -> Tensor:
        return -x.float().square().sum(1)


class OnlySample:
    def sample(self, n: int) -> Tensor:
        return torch.randn(n, 2)


class NumpyBacked(OnlyLogProb):
    n_parameters = 5

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.from_numpy(-np.square(x.numpy()).sum(1))

    def sample(self, n: int) -> Tensor:
        return torch.from_numpy(np.zeros((n, 2)))


class Levels(OnlyLogProb):
    def sample(self, n: int) -> Tensor:
        return torch.randint(4, (n, 2))


class Broken(OnlyLogProb):
    """Every ability is there, and every one raises."""

    def _fault(self, *_: Any) -> Any:
        raise RuntimeError("planted")

    log_prob = sample = transform = map_only = _fault


class Dynamic(AffineFlow):
    """A transform that works but cannot be cast to float64 or copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("planted")


def test_an_affine_flow_has_all_figures() -> None:
    cost = measure_costs(make_subject(AffineFlow()), train_seconds=1.5, train_steps=10)
    assert (cost.parameters, cost.train_seconds, cost.train_steps) == (6, 1.5, 10)
    assert (cost.batch, cost.path) == (32, "eager")
    absent = {k for k, v in cost.model_dump().items() if v is None}
    assert absent == {"converted"}
    assert cost.logdet_error is not None
    assert cost.logdet_error < 1e-5
    assert cost.logdet_us is not None
    assert cost.logdet_us >= 0
    assert cost.logdet_share is not None
    assert 0 <= cost.logdet_share <= 1
    assert [t.batch for t in cost.density][:2] == [1, 32]
    assert cost.samples_per_second == max(t.samples_per_second for t in cost.sampling)


@pytest.mark.parametrize("planted", [0.5, -2.0])
def test_a_wrong_log_det_shows(planted: float) -> None:
    cost = measure_costs(make_subject(AffineFlow(planted=planted)))
    assert cost.logdet_error == pytest.approx(abs(planted), abs=1e-5)


def test_no_brute_force_beyond_64_dimensions() -> None:
    cost = measure_costs(make_subject(AffineFlow(65), 65))
    assert cost.transform_us is not None
    assert (cost.logdet_error, cost.logdet_speedup) == (None, None)


#: name -> (model, arguments of make_subject, fields that are present, fields that are None)
ABILITIES: dict[str, tuple[Any, dict[str, Any], set[str], set[str]]] = {
    "only log_prob": (
        OnlyLogProb(), {}, {"log_prob_us", "peak_bytes"}, {"sample_us", "transform_us"}
    ),
    "only sample": (
        OnlySample(), {}, {"sample_us", "samples_per_second"}, {"log_prob_us", "transform_us"}
    ),
    "numpy": (
        NumpyBacked(), {}, {"log_prob_us", "sample_us", "parameters", "peak_bytes"}, {"map_us"}
    ),
    "levels": (
        Levels(), {"levels": 4, "likelihood": "exact-discrete"},
        {"log_prob_us", "sample_us"}, {"transform_us", "logdet_error"},
    ),
    "distribution": (
        torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)), {},
        {"log_prob_us", "sample_us"}, {"transform_us", "parameters"},
    ),
    "broken": (
        Broken(), {}, {"batch", "path"},
        {"log_prob_us", "sample_us", "transform_us", "logdet_error", "peak_bytes"},
    ),
    "no float64 copy": (
        Dynamic(), {}, {"transform_us", "map_us", "logdet_us"}, {"logdet_error", "logdet_speedup"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ABILITIES.values(), ids=ABILITIES.keys())
def test_absent_or_failing_abilities_are_none(
    case: tuple[Any, dict[str, Any], set[str], set[str]],
) -> None:
    obj, arguments, present, absent = case
    cost = measure_costs(make_subject(obj, **arguments)).model_dump()
    assert {k for k in present if cost[k] is None} == set()
    assert {k for k in absent if cost[k] is not None} == set()


def test_a_failure_in_the_middle_of_timing_is_none() -> None:
    class Tires(OnlyLogProb):
        calls = 0

        def log_prob(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls > 3:
                raise RuntimeError("planted")
            return super().log_prob(x)

    assert measure_costs(make_subject(Tires())).log_prob_us is None


def test_bounds_are_timed_with_the_suites_samples() -> None:
    class Bound:
        seen: set[int | None] = set()

        def log_prob(self, x: Tensor, samples: int | None = None) -> Tensor:
            self.seen.add(samples)
            return x.sum(1)

    for likelihood, samples in {"lower-bound": 7, "exact": None}.items():
        Bound.seen = set()
        measure_costs(make_subject(Bound(), likelihood=likelihood))
        assert Bound.seen == {samples}


def test_modes_and_random_state_are_as_before() -> None:
    class Watched(AffineFlow):
        seen: set[tuple[bool, bool]] = set()

        def log_prob(self, x: Tensor) -> Tensor:
            self.seen.add((self.training, torch.is_grad_enabled()))
            return super().log_prob(x)

    model = Watched().train()
    before = torch.get_rng_state()
    measure_costs(make_subject(model))
    assert Watched.seen == {(False, False)}
    assert model.training
    assert torch.equal(before, torch.get_rng_state())


def with_buffers(said: Any = None) -> nn.Module:
    module = nn.Module()
    module.log_prob = OnlyLogProb().log_prob  # type: ignore[assignment]
    module.register_buffer("counts", torch.zeros(3, 4))
    module.register_buffer("index", torch.zeros(5, dtype=torch.int64))
    if said is not None:
        module.n_parameters = said
    return module


#: name -> (model, its number of parameters)
SIZES = {
    "parameters": (AffineFlow(), 6),
    "fitted buffers": (with_buffers(), 12),
    "says so": (with_buffers(4), 4),
    "says nonsense": (with_buffers("many"), 12),
    "no module, says so": (NumpyBacked(), 5),
    "no module": (OnlyLogProb(), None),
}


@pytest.mark.parametrize(("obj", "count"), SIZES.values(), ids=SIZES.keys())
def test_parameters(obj: Any, count: int | None) -> None:
    assert parameters(make_subject(obj)) == count


PATHS = {"fused": "fused", "nonsense": "eager", 3: "eager"}


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=map(str, PATHS))
def test_path_is_an_attribute_of_the_model(path: Any, expected: str) -> None:
    model = OnlyLogProb()
    model.path = path  # type: ignore[attr-defined]
    assert measure_costs(make_subject(model)).path == expected


def test_peak_bytes_of_known_allocations(capfd: pytest.CaptureFixture[str]) -> None:
    kib = 1024

    def two_of_256_kib() -> Tensor:
        x = torch.ones(256, 256)  # 256 KiB
        return (x * 2).sum()  # another, then released with the first

    peak = peak_bytes(two_of_256_kib, "cpu")
    assert peak is not None
    assert 512 * kib <= peak <= 513 * kib
    array = peak_bytes(lambda: np.ones((256, 256)), "cpu", torch_only=False)
    assert array is not None
    assert 512 * kib <= array <= 530 * kib
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"  # the profiler's lines are kept off stderr


#: (seconds per sample, bytes at the suite's batch) -> rung
FITS = {
    "fast and small": (1e-9, 0, RUNGS[-1]),
    "too slow for the largest": (QUICK.time_seconds / 3 / 5000, 0, 4096),
    "too large for the largest": (1e-9, MEMORY * 32 // 5000, 4096),
    "too slow for all": (1.0, 0, None),
}


@pytest.mark.parametrize(("seconds", "memory", "rung"), FITS.values(), ids=FITS.keys())
def test_the_ladder_takes_the_largest_rung_that_fits(
    seconds: float, memory: int, rung: int | None
) -> None:
    calls = Calls(make_subject(OnlyLogProb()))
    found = ladder(calls.log_prob, summarise([seconds] * 9), calls, memory)
    assert [t.batch for t in found] == [1, 32] + ([rung] if rung else [])


def test_a_rung_that_fails_gives_way_to_the_next() -> None:
    class Narrow(OnlyLogProb):
        def log_prob(self, x: Tensor) -> Tensor:
            if len(x) > 1024:
                raise MemoryError
            return super().log_prob(x)

    calls = Calls(make_subject(Narrow()))
    found = ladder(calls.log_prob, summarise([1e-9] * 9), calls, 0)
    assert [t.batch for t in found] == [1, 32, 1024]


def test_points_repeat_a_short_split() -> None:
    calls = Calls(make_subject(OnlyLogProb()))
    x = calls.points(250)
    assert torch.equal(x[:100], x[100:200])
    assert torch.equal(x[:100], calls.subject.test)


def test_converted_compares_the_same_function_only() -> None:
    reference = AffineFlow()
    same = converted(make_subject(reference), AffineFlow())
    for value, interval in (
        (same.log_prob_ratio, same.log_prob_interval),
        (same.sample_ratio, same.sample_interval),
    ):
        assert value is not None
        assert value > 0
        if interval is not None:  # absent where a busy machine allowed few pairs
            assert 0 < interval[0] <= value <= interval[1]
    other = converted(make_subject(reference), AffineFlow(planted=0.1))
    assert set(other.model_dump().values()) == {None}


def test_converted_survives_what_fails() -> None:
    class Half(AffineFlow):
        def sample(self, n: int) -> Tensor:
            raise RuntimeError("planted")

    found = converted(make_subject(AffineFlow()), Half())
    assert found.log_prob_ratio is not None
    assert found.sample_ratio is None
    for nonsense in (object(), None, Broken()):
        empty = converted(make_subject(AffineFlow()), nonsense)
        assert set(empty.model_dump().values()) == {None}


def test_a_flow_and_its_nflows_reference() -> None:
    from nflows.flows import MaskedAutoregressiveFlow

    torch.manual_seed(0)
    subject = make_subject(MaskedAutoregressiveFlow(3, 8, 2, num_blocks_per_layer=1), 3)
    cost = measure_costs(subject)
    ours = measure_costs(make_subject(maf(dim=3, hidden=8, layers=2), 3))
    for found in (cost, ours):
        assert found.logdet_error is not None
        assert found.logdet_error < 1e-4
        assert found.logdet_speedup is not None
    with evaluating(subject):
        ratios = converted(subject, from_nflows(subject.model.obj))
    assert ratios.log_prob_ratio is not None
    assert ratios.sample_ratio is not None
