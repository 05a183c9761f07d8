"""Building, loading and stepping aside."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench import kernels
from bench.flows import MADE, MaskedAffine
from bench.kernels import build, rq_spline_packed
from bench.kernels.eager import Shape

needs_compiler = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "available")
SHAPE = Shape(3.0)
RAW, X = torch.linspace(-1, 1, 110).view(10, 11), torch.linspace(-2, 2, 10)


def child(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_compiler
def test_loading_leaves_denormals_alone():
    code = (
        "import torch; from bench import kernels; assert kernels.available();"
        "kernels.rq_spline_packed(torch.zeros(20), torch.zeros(20, 5));"
        "a = torch.full((64,), 1e-40); print(((a * 1) > 0).all().item(), 1e-310 * 1 > 0)"
    )
    assert child(code) == "True True"


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_exp_log_and_softplus_are_as_exact_as_documented(dtype):
    library, real = kernels.library.loaded()[0], np.longdouble
    wide = torch.logspace(-37, 37, 200_000, dtype=torch.float64)
    a = torch.cat((torch.linspace(1e-3, 80, 100_000), torch.linspace(0.2, 4, 100_000), wide)).to(
        dtype
    )
    found = [torch.empty_like(a) for _ in range(3)]
    run = getattr(library, f"functions_{kernels.library.SUFFIX[dtype]}")
    run(*map(kernels.library.pointer, (a, *found)), ctypes.c_int64(len(a)))
    given, eps = a.numpy().astype(real), np.finfo(a.numpy().dtype).eps
    with np.errstate(under="ignore", over="ignore"):
        near, soft = given <= 80, np.where(given > 20, given, np.log1p(np.exp(given)))
        exp = np.abs(found[0].numpy()[near] / np.exp(-given[near]) - 1).max() / eps
        unit = np.spacing(np.abs(found[1].numpy()))
        log = (np.abs(found[1].numpy() - np.log(given)) / unit).max()
        softplus = np.abs(found[2].numpy() / soft - 1).max() / eps
    assert exp < 1
    assert log < 1
    assert softplus < 2


@needs_compiler
def test_processes_that_start_together_build_once(tmp_path: Path):
    code = "from bench import kernels; print(kernels.available(), kernels.reason())"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(2)
    ]
    assert [p.communicate()[0].strip() for p in started] == ["True", "True"]
    files = sorted(f.suffix for f in tmp_path.rglob("*") if f.is_file())
    assert files.count(".so") == 1
    assert set(files) <= {".so", ""}, "no half-built file is left"


FAULTS = {
    "no compiler": ({"PATH": "/nowhere", "CXX": ""}, "install g++ or clang"),
    "a compiler that fails": ({"CXX": "false"}, "false could not build"),
    "a missing compiler": ({"CXX": "no-such-compiler"}, "no-such-compiler"),
    "switched off": ({"BENCH_FUSED": "0"}, "BENCH_FUSED=0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_without_a_library_pytorch_serves_and_the_reason_is_told(name, tmp_path):
    environment, words = FAULTS[name]
    code = (
        "import torch; from bench import kernels; x = torch.zeros(3);"
        "y, _ = kernels.rq_spline_packed(x, torch.zeros(3, 5)); assert y.abs().max() < 1e-6;"
        "print(kernels.available(), kernels.path(), kernels.reason())"
    )
    out = child(code, XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path), **environment)
    assert out.startswith("False eager ")
    assert words in out


def test_a_cache_that_cannot_be_written_is_a_reason(tmp_path, monkeypatch):
    (tmp_path / "density-bench").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("platformdirs.unix.Unix.user_cache_dir", str(tmp_path / "density-bench"))
    with pytest.raises(build.Unavailable, match="cache cannot be used|no C\\+\\+ compiler"):
        build.library()


@needs_compiler
@pytest.mark.parametrize("level", ["default", "avx2"])
def test_narrower_instructions_give_the_same_values(level):
    code = (
        "import torch; from bench import kernels; torch.manual_seed(0);"
        "r = torch.randn(99, 11, dtype=torch.float64); x = torch.randn(99, dtype=torch.float64);"
        "y, l = kernels.rq_spline_packed(x, r, kernels.eager.Shape(3.0));"
        "print(kernels.path(), float(y.sum()), float(l.sum()))"
    )
    wide = child(code).split()
    narrow = child(code, ATEN_CPU_CAPABILITY=level).split()
    assert wide[0] == narrow[0] == "fused"
    assert [float(v) for v in wide[1:]] == pytest.approx([float(v) for v in narrow[1:]], rel=1e-11)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own use of it
def test_steps_aside_inside_transforms():
    made = MADE(3, 8).double()
    layer = MaskedAffine(made).requires_grad_(False)
    z = torch.randn(5, 3, dtype=torch.float64)
    wanted = layer.inverse(z)[0]
    mapped = torch.func.vmap(lambda row: layer.inverse(row[None])[0][0])(z)
    torch.testing.assert_close(mapped, wanted)

    def value(x: torch.Tensor) -> torch.Tensor:
        return rq_spline_packed(x, RAW, SHAPE)[0]

    plain = value(X)
    slope = rq_spline_packed(X, RAW, SHAPE)[1].exp()
    torch.testing.assert_close(torch.func.jacrev(value)(X).diagonal(), slope)
    torch.testing.assert_close(torch.func.jvp(value, (X,), (torch.ones(10),))[1], slope)
    rows = torch.func.vmap(lambda x, r: rq_spline_packed(x, r, SHAPE)[0])(X, RAW)
    torch.testing.assert_close(rows, plain)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(X, torch.ones(10))
        tangent = torch.autograd.forward_ad.unpack_dual(value(dual)).tangent
    torch.testing.assert_close(tangent, slope)


def test_compiles_as_one_graph():
    def both(x: torch.Tensor, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return rq_spline_packed(x, raw, SHAPE)

    compiled = torch.compile(both, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(X, RAW), both(X, RAW), atol=1e-5, rtol=1e-5)


class Seen(TorchDispatchMode):
    """The names of the operations that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.add(func.__name__.split(".")[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("inverse", [False, True])
def test_without_a_kernel_dispatch_modes_see_pytorch_and_no_synchronisation(inverse, monkeypatch):
    monkeypatch.setenv("BENCH_FUSED", "0")
    with Seen() as seen:
        rq_spline_packed(X, RAW, SHAPE, inverse=inverse)
    assert "gather" in seen.names
    assert not seen.names & {"nonzero", "_local_scalar_dense", "item", "index", "masked_select"}


def test_other_dtypes_and_integers():
    y, logs = rq_spline_packed(X.bfloat16(), RAW.bfloat16(), SHAPE)
    assert y.dtype == logs.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="real dtype"):
        rq_spline_packed(X.long(), RAW.long(), SHAPE)


def test_the_package_needs_nothing_of_the_harness():
    code = (
        "import sys, bench.kernels;"
        "print([m for m in sys.modules if m == 'nflows' or m.startswith('bench.')"
        " and not m.startswith(('bench.kernels', 'bench.contract'))])"
    )
    assert child(code) == "[]"
