"""The spline as an operator of torch: its parts, its gradients, and when it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from spline_cases import BOUND, POINTS, parameters
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench import kernels
from bench.kernels import eager, rq_spline_packed
from bench.kernels.eager import Shape
from bench.kernels.operators.spline import rq_spline, rq_spline_grad

SHAPE = Shape(BOUND, 1e-2, 1e-2, 1.7)
DTYPES = {"float32": torch.float32, "float64": torch.float64}
needs_compiler = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "available")

#: torch's own use of it
DEPRECATED = pytest.mark.filterwarnings("ignore:.torch.jit.script")

#: name -> parameters [N, 3K - 1] in another layout
LAYOUTS = {
    "elements first": lambda raw: raw,
    "bins first": lambda raw: raw.T.contiguous().T,
    "every other row": lambda raw: raw.repeat_interleave(2, 0)[::2],
}


class Names(TorchDispatchMode):
    """What is dispatched, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.seen.append(func._schema.name)
        return func(*args, **(kwargs or {}))


def given(rows: int, dtype: torch.dtype = torch.float64, bins: int = 4) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    raw = parameters(rows, bins, dtype)
    return POINTS["inside and outside"](raw, bins), raw


def gradients(x: Tensor, raw: Tensor, *weights: Tensor, **options: bool) -> list[Tensor]:
    leaves = [x.clone().requires_grad_(), raw.clone().requires_grad_()]
    found = rq_spline_packed(*leaves, SHAPE, **options)
    return [t.detach() for t in (*found, *torch.autograd.grad(found, leaves, weights))]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_values_of_every_layout(path, dtype, inverse):
    tolerance = 1e-9 if dtype == torch.float64 else 1e-3
    for rows in (0, 1, 9):
        x, raw = given(rows, dtype)
        wanted = eager.spline(x.double(), raw.double(), SHAPE, inverse)
        for layout in LAYOUTS.values():
            found = rq_spline(x, layout(raw), *SHAPE, inverse)
            assert kernels.path() == path
            found = tuple(t.double() for t in found)
            torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_its_parts_fit_together(path, layout, inverse):
    x, raw = given(9)
    raw, weights = LAYOUTS[layout](raw), torch.randn(2, 9).double().unbind()
    value, _ = rq_spline(x, raw, *SHAPE, inverse)
    torch.library.opcheck(rq_spline_grad, (x, raw, value, *weights, *SHAPE, inverse))
    torch.library.opcheck(rq_spline, (x.requires_grad_(), raw.requires_grad_(), *SHAPE, inverse))


@pytest.mark.parametrize("inverse", [False, True])
def test_gradients_of_every_order(path, inverse):
    leaves = [t.requires_grad_() for t in given(5)]

    def run(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return rq_spline(x, raw, *SHAPE, inverse)

    assert torch.autograd.gradcheck(run, leaves, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(run, leaves)


@needs_compiler
@pytest.mark.parametrize("inverse", [False, True])
def test_a_dispatch_mode_sees_one_node_with_the_bits_of_the_plain_path(inverse):
    x, raw = given(300, torch.float32)
    weights = torch.randn(2, 300).unbind()
    wanted = gradients(x, raw, *weights, inverse=inverse)
    with Names() as names:
        found = gradients(x, raw, *weights, inverse=inverse)
    assert all(a.equal(b) for a, b in zip(found, wanted, strict=True))
    assert [n for n in names.seen if "bench" in n] == ["bench::rq_spline", "bench::rq_spline_grad"]
    assert not {"aten::gather", "aten::where", "aten::log"} & set(names.seen)


@needs_compiler
def test_the_plain_path_of_a_cpu_stays_off_the_dispatcher(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the operator was called")

    monkeypatch.setattr("bench.kernels.operators.spline.rq_spline", refuse)
    x, raw = given(9, torch.float32)
    rq_spline_packed(x, raw, SHAPE)
    gradients(x, raw, x, x)
    assert kernels.path() == "fused"


@needs_compiler
def test_faithful_training_keeps_its_bits_under_a_mode():
    x, raw = given(400, torch.float32, 8)
    weights = torch.randn(2, 400).unbind()
    wanted = gradients(x, raw, *weights, faithful=True)
    with Names() as names:
        found = gradients(x, raw, *weights, faithful=True)
    assert "bench::rq_spline" not in names.seen
    assert all(a.equal(b) for a, b in zip(found, wanted, strict=True))


def test_without_a_kernel_a_mode_sees_pytorch(monkeypatch):
    monkeypatch.setenv("BENCH_FUSED", "0")
    with Names() as names:
        rq_spline_packed(*given(9), SHAPE)
    assert "aten::gather" in names.seen
    assert "bench::rq_spline" not in names.seen


class Graphs:
    """A backend of torch.compile that keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        nodes = [n for n in graph.graph.nodes if n.op.startswith("call")]
        self.calls.append([str(n.target) for n in nodes])
        return graph


@needs_compiler
@DEPRECATED
def test_compiled_it_is_one_node_and_inside_transforms_none():
    def value(x: Tensor, raw: Tensor) -> Tensor:
        return rq_spline_packed(x, raw, SHAPE)[0]

    calls = {
        "plain": (value, 1),
        "vmap": (torch.func.vmap(value), 0),
        "grad": (torch.func.grad(lambda x, raw: value(x, raw).sum()), 0),
        "jvp": (lambda x, raw: torch.func.jvp(value, (x, raw), (x, raw))[1], 0),
    }
    for name, (call, nodes) in calls.items():
        torch._dynamo.reset()
        graphs = Graphs()
        found = torch.compile(call, backend=graphs, fullgraph=True)(*given(9))
        assert sum("rq_spline" in n for g in graphs.calls for n in g) == nodes, name
        torch.testing.assert_close(found, call(*given(9)), atol=1e-9, rtol=1e-9)


@needs_compiler
@DEPRECATED
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_it_has_the_bits_of_the_plain_path(backend):
    x, raw = given(200, torch.float32)
    weights = torch.randn(2, 200).unbind()
    for inverse in (False, True):
        torch._dynamo.reset()

        def run(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
            return rq_spline_packed(x, raw, SHAPE, inverse=inverse)  # noqa: B023

        leaves = [t.clone().requires_grad_() for t in (x, raw)]
        out = torch.compile(run, backend=backend, fullgraph=True)(*leaves)
        found = [*out, *torch.autograd.grad(out, leaves, weights)]
        wanted = gradients(x, raw, *weights, inverse=inverse)
        assert all(a.equal(b) for a, b in zip(found, wanted, strict=True))


def test_tensors_without_memory(monkeypatch):
    with torch._subclasses.FakeTensorMode():
        x, raw = torch.empty(6, 2), torch.empty(6, 2, 11)
        assert rq_spline_packed(x, raw, SHAPE)[0].shape == (6, 2)
    monkeypatch.setenv("BENCH_FUSED", "0")
    x, raw = torch.empty(6, 2, device="meta"), torch.empty(6, 2, 11, device="meta")
    for inverse in (False, True):
        found = gradients(x, raw, x, x, inverse=inverse)
        assert [t.shape for t in found] == [x.shape, x.shape, x.shape, raw.shape]


INTERPRETED = """
import torch
from bench import kernels
from bench.kernels import eager
torch.manual_seed(0)
shape = eager.Shape(3.0)
for layout in (lambda t: t, lambda t: t.T.contiguous().T):
    for inverse in (False, True):
        x = torch.randn(65, dtype=torch.float64).mul(2).requires_grad_()
        raw = layout(torch.randn(65, 11, dtype=torch.float64)).requires_grad_()
        weights = torch.randn(2, 65, dtype=torch.float64).unbind()
        out = kernels.rq_spline_packed(x, raw, shape, inverse=inverse, faithful=True)
        assert kernels.path() == "triton", kernels.path()
        found = [*out, *torch.autograd.grad(out, (x, raw), weights)]
        out = eager.spline(x, raw, shape, inverse)
        wanted = [*out, *torch.autograd.grad(out, (x, raw), weights)]
        torch.testing.assert_close(found, wanted, atol=1e-9, rtol=1e-9)
        op = torch.ops.bench.rq_spline.default
        torch.library.opcheck(op, (x, raw, *shape, inverse), test_utils="test_faketensor")
print("agrees")
"""


@pytest.mark.skipif(not kernels.triton.available(), reason="triton is not installed")
def test_triton_behind_the_operator_in_its_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1", "BENCH_FUSED": "triton"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "agrees"
