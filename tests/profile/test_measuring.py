"""Accuracy before time: what is wrong is named and gets none; what is right is timed in pairs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.profile import Case, Maps, Size
from bench.profile import group as group_module
from bench.profile.accuracy import Truth, in_double, refusal
from bench.profile.calls import Call
from bench.profile.candidates import Candidate, Modes
from bench.profile.clock import measure
from bench.profile.group import Bench
from bench.profile.plan import Group, Options, plan
from bench.profile.rows import BRUTE, Row
from bench.registry import KernelEntry, Registry, discover

ENTRY = KernelEntry("stretch", Path(__file__), "stretched", logdet="sum a_i")


def stretched(size: Size) -> Case:
    """z = exp(a) x."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters={"a": size.normal(size.dim, scale=0.1)},
        reference=right,
        numbers=2 * size.batch * size.dim,
        flops=size.batch * size.dim,
    )


def right(a: Tensor) -> Maps:
    """The definition."""
    return Maps(
        lambda x: (a.exp() * x, a.sum().expand(len(x))),
        lambda z: (z * (-a).exp(), -a.sum().expand(len(z))),
        map=lambda x: a.exp() * x,
    )


def _changed(
    value: Callable[[Tensor], Tensor] = lambda t: t,
    logdet: Callable[[Tensor], Tensor] = lambda t: t,
) -> Callable[[Tensor], Maps]:
    def build(a: Tensor) -> Maps:
        def forward(x: Tensor) -> tuple[Tensor, Tensor]:
            z, log = right(a).forward(x)
            return value(z), logdet(log)

        def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
            inverted = right(a).inverse
            assert inverted is not None
            x, log = inverted(z)
            return value(x), logdet(log)

        return Maps(forward, inverse)

    return build


#: a fault -> the implementation, and what the refusal says is off
WRONG: dict[str, tuple[Callable[[Tensor], Maps], str]] = {
    "value": (_changed(value=lambda z: z + 1e-6), "the value"),
    "sign of the log-determinant": (_changed(logdet=lambda t: -t), "the log-determinant"),
    "a log-determinant of one point too few": (_changed(logdet=lambda t: t[1:]), "log-det"),
    "NaN at one point": (
        _changed(value=lambda z: z.masked_fill(z == z.max(), float("nan"))),
        "the value",
    ),
    "half precision": (_changed(value=lambda z: z.bfloat16().to(z.dtype)), "the value"),
    "right in float64 alone": (
        _changed(value=lambda z: z if z.dtype == torch.float64 else z.bfloat16().float()),
        "the definition in this dtype",
    ),
}


@pytest.mark.parametrize(("build", "words"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_a_wrong_implementation_is_refused_and_named(
    build: Callable[[Tensor], Maps], words: str, way: str
) -> None:
    assert words in _refused(build, way)


@pytest.mark.parametrize("way", ["forward", "inverse", "backward"])
def test_the_definition_is_not_refused(way: str) -> None:
    assert _refused(right, way) == ""


def test_a_wrong_gradient_is_refused_where_values_are_right() -> None:
    def build(a: Tensor) -> Maps:
        return Maps(lambda x: (a.exp().detach() * x, a.sum().expand(len(x))))

    assert _refused(build, "forward") == ""
    assert "a gradient" in _refused(build, "backward")


def _refused(build: Callable[[Tensor], Maps], way: str) -> str:
    case = stretched(Size(5, 32))
    truth = Truth(case, torch.float32, "cpu", way == "backward")
    parameters = truth.inputs.case.parameters
    own = truth.errors(right(**parameters), way)  # type: ignore[arg-type]
    found = truth.errors(build(**parameters), way)  # type: ignore[arg-type]
    double = in_double(case, build, "eager", way, "cpu")  # type: ignore[arg-type]
    return refusal(found, own, double, torch.float32)


def test_a_group_times_what_is_right_and_keeps_what_is_not() -> None:
    def broken(a: Tensor) -> Maps:
        raise RuntimeError("no such\nluck")

    who = [
        Candidate("textbook", "eager", right),
        Candidate("mine", "eager", _changed()),
        Candidate("lying", "eager", WRONG["sign of the log-determinant"][0]),
        Candidate("broken", "eager", broken),
        Candidate("absent", "eager", None, "needs a package"),
        Candidate("unfused", "fused", right),
    ]
    found = _rows(who)
    assert found["mine"].status == "ok"
    assert found["mine"].ratio is not None
    assert found["mine"].brute is not None
    assert found["textbook"].baseline
    assert found["textbook"].ratio is None
    assert found["textbook"].logdet_added is not None
    assert found["textbook"].operations == 3  # exp, times, sum; expand is a view
    for name, status, words in (
        ("lying", "wrong", "log-determinant"),
        ("broken", "error", "RuntimeError: no such luck"),
        ("absent", "missing", "needs a package"),
        ("unfused", "missing", "does not serve"),
    ):
        assert found[name].status == status
        assert words in (found[name].reason or "")
        assert found[name].device_us is None
    assert found[BRUTE].device_us is not None
    assert found[BRUTE].error is not None
    assert found[BRUTE].error.logdet < 1e-5


def _rows(who: list[Candidate]) -> dict[str, Row]:
    group = Group(ENTRY, 5, 16, "float32", "forward", brute=True, detailed=True)
    case = stretched(Size(5, 16))
    rows = Bench("cpu").rows(group, case, case, who, 0.02)
    (control,) = [r for r in rows if r.control]
    assert control.ratio is not None
    assert control.implementation == "textbook"
    return {r.implementation: r for r in rows if not r.control}


@pytest.mark.parametrize(
    ("made", "status"),
    [(lambda run: run, "ok"), (lambda run: lambda: [2 * t for t in run()], "wrong")],
    ids=["faithful", "another function"],
)
def test_what_a_compiler_makes_of_a_call_is_compared_with_it(
    made: Callable[[Callable[[], Any]], Callable[[], Any]],
    status: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_module, "prepared", lambda run, mode: (made(run), 1.5))
    found = _rows([Candidate("textbook", "eager", right), Candidate("mine", "compiled", right)])
    assert found["mine"].status == status
    assert found["mine"].compile_seconds == 1.5
    assert (found["mine"].device_us is None) is (status == "wrong")


def test_a_compiler_that_fails_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Callable[[], Any], mode: str) -> Any:
        raise RuntimeError("no\ncompiler")

    monkeypatch.setattr(group_module, "prepared", fail)
    found = _rows([Candidate("textbook", "eager", right), Candidate("mine", "compiled", right)])
    assert (found["mine"].status, found["mine"].reason) == ("error", "RuntimeError: no compiler")


def test_the_device_clock_of_a_cpu_leaves_out_waiting() -> None:
    (waited,) = measure([Call(lambda: time.sleep(0.01))], 0.05, "cpu")
    assert max(waited.device) < 0.5 * min(waited.wall)


def test_the_plan_measures_every_size_and_one_in_detail() -> None:
    registry = Registry({}, {}, [], kernels={"stretch": ENTRY})
    groups = plan(registry, Options())
    main = {g.dim for g in groups if g.way == "forward" and g.batch == ENTRY.batch}
    assert main == set(ENTRY.dims)
    assert len({g.batch for g in groups if g.dim == 64 and g.way == "forward"}) == 3
    assert {g.way for g in groups if g.detailed and g.dim == 64} == {
        "forward",
        "inverse",
        "backward",
    }
    assert all(g.dim <= 64 and g.batch == 16 for g in groups if g.brute)
    product = plan(registry, Options(dims=(3, 5), batches=(7, 9), ways=("forward",)))
    assert {(g.dim, g.batch) for g in product} == {(3, 7), (3, 9), (5, 7), (5, 9)}


#: device and options -> the modes of an implementation that has all three
MODES: dict[str, tuple[Modes, list[str]]] = {
    "a CPU": (Modes(), ["eager", "fused"]),
    "a GPU": (Modes("cuda"), ["eager", "triton"]),
    "compiled": (Modes(compile=True), ["eager", "fused", "compiled"]),
    "graphs need a GPU": (Modes(graph=True), ["eager", "fused"]),
    "graphs": (Modes("cuda:1", graph=True), ["eager", "triton", "graph"]),
    "one alone": (Modes(only=("fused",)), ["fused"]),
    "the interpreter, when asked for": (Modes(only=("triton",)), ["triton"]),
}


@pytest.mark.parametrize(("modes", "expected"), MODES.values(), ids=MODES)
def test_an_implementation_runs_in_the_modes_of_the_device(
    modes: Modes, expected: list[str]
) -> None:
    assert modes.of(("eager", "fused", "triton")) == expected
    of_baseline = modes.of(("eager", "fused", "triton"), baseline=True)
    assert of_baseline == (expected if "eager" in expected else ["eager", *expected])


def test_the_catalogue_is_large_and_has_no_stray_implementation() -> None:
    found = discover()
    assert len(found.kernels) >= 14
    assert {i.kernel for i in found.implementations.values()} <= set(found.kernels)
    for entry in found.kernels.values():
        names = {i.name for i in found.implementations.values() if i.kernel == entry.name}
        assert entry.baseline in names | {"textbook"}
        assert "in-house" in names
