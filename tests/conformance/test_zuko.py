"""zuko's own tests of transforms and flows, run against our bijections.

    git clone https://github.com/probabilists/zuko
    BENCH_ZUKO_CHECKOUT=zuko pytest -m slow tests/conformance

pytest runs the checkout's tests in a subprocess, with shims (zuko_shims.py) in place of zuko's
classes. zuko.tsv lists for each test which of our classes ran, and what of zuko's was tested
because it is no module of ours. A test that would run zuko's code alone is left out (LEFT_OUT), and
so are the files of tests of networks, mixtures, distributions and tools.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from suites import HERE, Reasons, Run, checkout, junit_id, run, same_table, unexplained

zuko_shims = pytest.importorskip("zuko_shims", exc_type=ImportError)

FILES = ("tests/test_transforms.py", "tests/test_flows.py")
FLOW = "tests/test_flows.py::test_flows"
GRAPH = "no masks for a given graph"
LEFT_OUT = {
    f"{FLOW}[SOSPF]": "no polynomials",
    f"{FLOW}[BPF]": "no polynomials",
    f"{FLOW}[UNAF]": "no maps that integrate a network",
    f"{FLOW}[CNF]": "our continuous flow takes no context",
    f"{FLOW}[GF]": "our maps of single coordinates take no context",
    "tests/test_flows.py::test_adjacency_matrix": GRAPH,
    "tests/test_flows.py::test_context_adjacency_matrix": GRAPH,
}
NUMERICAL = "an inverse by bisection, an integral by quadrature: ours have families of maps"
INSIDE = "zuko's own transforms and networks inside what is no module of ours"
REASONS = Reasons(
    own={
        "IdentityTransform": "trivial",
        **dict.fromkeys(("CosTransform", "SinTransform"), "no trigonometric maps"),
        **dict.fromkeys(("SoftclipTransform", "CircularShiftTransform"), "no maps of an interval"),
        "SignedPowerTransform": "no powers",
        **dict.fromkeys(("MonotonicTransform", "UnconstrainedMonotonicTransform"), NUMERICAL),
        **dict.fromkeys(
            ("BernsteinTransform", "BoundedBernsteinTransform", "SOSPolynomialTransform"),
            "no polynomials",
        ),
        "MaskedAutoregressiveTransform": GRAPH,
        "ElementWiseTransform": "our maps of single coordinates take no context",
    },
    around={
        "_call_and_ladj": "zuko's protocol",
        **dict.fromkeys(("bisection", "Bisection", "gauss_legendre", "GaussLegendre"), INSIDE),
        **dict.fromkeys(("broadcast", "unpack", "linear"), INSIDE),
        **dict.fromkeys(("Linear", "MLP", "MaskedLinear", "MaskedMLP"), INSIDE),
        **dict.fromkeys(("AutoregressiveTransform", "DependentTransform"), INSIDE),
        "MonotonicAffineTransform": INSIDE,
    },
)
#: shim -> our class that it runs, both ways
RUNS = {
    "AdditiveTransform": "Shift",
    "MonotonicAffineTransform": "Affine",
    "MonotonicRQSTransform": "RationalQuadratic",
    "GaussianizationTransform": "LogisticMixture",
    "PermutationTransform": "Permutation",
    "RotationTransform": "Householder",
    "LULinearTransform": "LULinear",
    "FreeFormJacobianTransform": "Continuous",
    "ElementWiseTransform": "Elementwise",
    "GeneralCouplingTransform": "UnivariateCoupling",
    "MaskedAutoregressiveTransform": "MaskedUnivariate",
    "NICE": "AffineCoupling",
    "MAF": "MaskedAffine",
    "NSF": "RationalQuadratic",
    "NAF": "DeepSigmoid",
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The suite with ours in place, run once."""
    folder = checkout("BENCH_ZUKO_CHECKOUT", "zuko 1.6", ["torchdiffeq"])
    output = tmp_path_factory.mktemp("zuko")
    return run(folder, "zuko", "zuko_shims", output, FILES, leave_out=list(LEFT_OUT)), output


@pytest.mark.slow
def test_every_test_passes(suite):
    found, _ = suite
    assert len(found.outcomes) == 8
    assert not found.failed
    assert found.outcomes.keys() == {junit_id(test) for test in found.calls}


@pytest.mark.slow
def test_the_table_says_whose_code_was_tested(suite):
    found, output = suite
    assert not unexplained(found, REASONS)
    left = [(test, "left out", "", "", why) for test, why in sorted(LEFT_OUT.items())]
    same_table(found.table(REASONS) + left, HERE / "zuko.tsv", output)


@pytest.mark.slow
def test_every_shim_ran_and_called_ours(suite):
    found, _ = suite
    shims, ours = found.total("shims"), found.total("ours")
    assert {shim.__name__ for group in zuko_shims.SHIMS.values() for shim in group} == set(RUNS)
    for shim, name in RUNS.items():
        # a shim that is a function is called, of one that is a class an object is made
        assert shims[shim] or shims[f"{shim}.__init__"], shim
        assert ours[f"{name}.forward"], name
        assert ours[f"{name}.inverse"], name
