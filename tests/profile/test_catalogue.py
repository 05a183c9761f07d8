"""Every kernel of the catalogue is what its Jacobian says, and so is every implementation of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bench import kernels, registry
from bench.jacobian import brute_force_logdet
from bench.profile import Case, Maps, Size

FOLDER = registry.PACKAGE / "profile" / "catalogue"
FOUND = registry.discover()
KERNELS = {n: e for n, e in FOUND.kernels.items() if e.file.is_relative_to(FOLDER)}
#: kernel:implementation:mode, of those that a CPU runs
ROWS = {
    f"{key}:{mode}": entry
    for key, entry in FOUND.implementations.items()
    if entry.file.is_relative_to(FOLDER)
    for mode in entry.modes
    if mode in ("eager", "fused")
}
TOLERANCE = 1e-9  #: in float64
FACTOR = 3  #: times the float32 reference's own error
FLOOR = 32 * torch.finfo(torch.float32).eps
BATCH = 5
#: defects of the libraries: the profiler must give these inverses no time
WRONG_INVERSES = ("linear-spline:nflows:eager",)

Outputs = dict[str, Tensor]


def cases(kernel: str) -> list[Case]:
    """The kernel at its least dimension and at an odd one, the latter where it exists."""
    entry = KERNELS[kernel]
    make = registry.load_function(entry)
    return [make(Size(dim, BATCH, seed=dim)) for dim in sorted({min(entry.dims), 7})]


@pytest.fixture
def build(row: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Case], Maps]:
    """Builds the implementation of the row, in its mode."""
    entry = ROWS[row]
    if row.endswith(":fused"):
        monkeypatch.delenv("BENCH_FUSED", raising=False)
        if not kernels.available():
            pytest.skip(kernels.reason())
    else:
        monkeypatch.setenv("BENCH_FUSED", "0")
    for package in entry.requires:
        pytest.importorskip(package)
    function = registry.load_function(entry)
    return lambda case: function(**case.parameters)


def error(found: Tensor, truth: Tensor) -> float:
    """Largest difference, relative to 1 + |truth|."""
    assert found.shape == truth.shape
    return float(((found.to(truth) - truth).abs() / (1 + truth.abs())).max())


def outputs(maps: Maps, x: Tensor) -> Outputs:
    """Value and log-determinant, not recorded."""
    given = x.clone()
    with torch.no_grad():
        value, logabsdet = maps.forward(x)
    assert x.equal(given)
    assert value.dtype == logabsdet.dtype == x.dtype
    assert logabsdet.shape == x.shape[:1]
    return {"value": value, "log-det": logabsdet}


def gradients(case: Case, maps: Maps) -> Outputs:
    """Of a random function of value and log-determinant, twice from one build."""
    leaves = {"x": case.x, **case.leaves(maps)}
    for _ in range(2):
        value, logabsdet = maps.forward(case.x)
        noise = torch.Generator().manual_seed(1)
        weights = [torch.randn(t.shape, generator=noise).to(t) for t in (value, logabsdet)]
        total = (value * weights[0]).sum() + (logabsdet * weights[1]).sum()
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    pairs = zip(leaves.items(), found, strict=True)
    return {name: torch.zeros_like(t) if g is None else g for (name, t), g in pairs}


def test_the_catalogue_is_read_without_a_problem():
    assert not [p for p in FOUND.problems if p.file.is_relative_to(FOLDER)]
    for name, entry in KERNELS.items():
        named = {e.name for e in FOUND.implementations.values() if e.kernel == name}
        assert entry.baseline in named | {"textbook"}
    assert all(e.kernel in KERNELS for e in ROWS.values())


@pytest.mark.parametrize("kernel", KERNELS)
def test_definition(kernel):
    for case in cases(kernel):
        assert case.numbers > case.x.numel()
        assert case.flops > 0
        maps = case.reference(**case.parameters)
        if not case.estimate:
            reported, expected = brute_force_logdet(maps.forward, case.x)
            assert error(reported, expected) < TOLERANCE
        _assert_inverse(maps, case.x)


@pytest.mark.parametrize("row", ROWS)
def test_implementation_in_float64(row, build):
    for case in cases(ROWS[row].kernel):
        maps, truth = build(case), outputs(case.reference(**case.parameters), case.x)
        given = outputs(maps, case.x)
        assert kernels.path() == "fused" or not row.endswith(":fused")
        for name, found in given.items():
            assert error(found, truth[name]) < TOLERANCE, name
        if maps.map is not None:
            with torch.no_grad():
                assert error(maps.map(case.x), truth["value"]) < TOLERANCE
        if row not in WRONG_INVERSES:
            _assert_inverse(maps, case.x)


@pytest.mark.parametrize("row", WRONG_INVERSES)
def test_wrong_inverses_are_still_wrong(row, build):
    entry = KERNELS[ROWS[row].kernel]
    case = registry.load_function(entry)(Size(max(entry.dims), entry.batch))
    with pytest.raises(AssertionError):
        _assert_inverse(build(case), case.x)


@pytest.mark.parametrize("row", ROWS)
def test_gradients_of_the_implementation(row, build):
    for case in cases(ROWS[row].kernel):
        recorded = case.to(torch.float64, grad=True)
        truth = gradients(recorded, recorded.reference(**recorded.parameters))
        found = gradients(recorded, build(recorded))
        # a peer may hold a parameter in another form, which has another gradient
        assert found.keys() <= truth.keys()
        assert found.keys() == truth.keys() or ROWS[row].name != "in-house"
        for name in found:
            assert error(found[name], truth[name]) < TOLERANCE, name


@pytest.mark.parametrize("row", ROWS)
def test_implementation_in_float32(row, build):
    for case in cases(ROWS[row].kernel):
        single = case.to(torch.float32)
        exact = single.to(torch.float64)  # of the rounded inputs
        truth = outputs(exact.reference(**exact.parameters), exact.x)
        plain = outputs(single.reference(**single.parameters), single.x)
        for name, found in outputs(build(single), single.x).items():
            allowed = max(FACTOR * error(plain[name], truth[name]), FLOOR)
            assert error(found, truth[name]) <= allowed, name


def _assert_inverse(maps: Maps, x: Tensor) -> None:
    if maps.inverse is None:
        return
    with torch.no_grad():
        z, forward = maps.forward(x)
        back, inverse = maps.inverse(z)
    assert error(back, x) < TOLERANCE
    assert error(inverse, -forward) < TOLERANCE
