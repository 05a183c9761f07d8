"""nflows 0.14's own test suite, run against our bijections.

    git clone --branch v0.14 https://github.com/bayesiains/nflows
    BENCH_NFLOWS_CHECKOUT=nflows pytest -m slow tests/conformance

pytest runs the checkout's tests in a subprocess, with shims (nflows_shims.py) in place of nflows'
classes. nflows.tsv lists for each test which of our classes ran, and what of nflows' own code was
tested because it is no module of ours.

The suite draws its data unseeded and compares in float32, so that some of its tests fail by seed.
nflows itself fails two of them always (NaiveLinear has no inverse under current torch) and, over
seeds 0 to 22, one to three times each those of the linear, quadratic and cubic splines. Ours have
such failures in the rational-quadratic functions, with logits of unit scale in ten bins (9.9% and
1.4% of 2000 seeds; nflows 7.5% and 1.4%), and in one of 150 seeds in SVDLinear, which here starts
away from the identity. Hence a fixed seed.
"""

from __future__ import annotations

import inspect
import types
from pathlib import Path

import pytest
from suites import HERE, Reasons, Run, checkout, junit_id, run, same_table, unexplained

from bench import flows

nflows_shims = pytest.importorskip("nflows_shims", exc_type=ImportError)

SEED = 1

BASE_CLASS = "nflows' base class of distributions, which calls ours"
CHECKS = "checks of arguments"
TESTS_OWN = "what the test itself computes with"
BUILDER = "nflows' builder of levels, which refuses bad shapes before ours is made"
TENSORS = "functions on tensors, not transforms"
LINEAR = "an abstract class with a cache, tested by mocks: ours have neither"
REASONS = Reasons(
    own={
        "ConditionalIndependentBernoulli": "a discrete distribution",
        "ConditionalDiagonalNormal": "a distribution of parameters that its context encodes",
        "StandardNormal._mean": "our base has no mean",
        "Linear": LINEAR,
        "LogTanh": "no counterpart",
        "LeakyReLU": "no counterpart",
    },
    around={
        "Distribution": BASE_CLASS,
        "StandardNormal": BASE_CLASS,
        "LinearCache": LINEAR,
        "MultiscaleCompositeTransform": BUILDER,
        **dict.fromkeys(("is_int", "is_positive_int", "is_nonnegative_int", "is_bool"), CHECKS),
        **dict.fromkeys(("logabsdet", "create_mid_split_binary_mask"), TESTS_OWN),
        **dict.fromkeys(("merge_leading_dims", "split_leading_dim", "repeat_rows"), TENSORS),
        **dict.fromkeys(("sum_except_batch", "searchsorted", "random_orthogonal"), TENSORS),
    },
)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The suite with ours in place, run once."""
    folder = checkout("BENCH_NFLOWS_CHECKOUT", "nflows 0.14", ["torchtestcase"])
    output = tmp_path_factory.mktemp("nflows")
    return run(folder, "nflows", "nflows_shims", output, seed=SEED), output


@pytest.mark.slow
def test_every_test_passes(suite):
    found, _ = suite
    assert len(found.outcomes) == 145
    assert not found.failed
    assert found.outcomes.keys() == {junit_id(test) for test in found.calls}


@pytest.mark.slow
def test_the_table_says_whose_code_was_tested(suite):
    found, output = suite
    assert not unexplained(found, REASONS)
    same_table(found.table(REASONS), HERE / "nflows.tsv", output)


@pytest.mark.slow
def test_every_shim_ran_and_called_ours(suite):
    found, _ = suite
    ran = {kind: found.total(kind) for kind in ("shims", "ours")}
    missing = [call for kind, call in _wanted() if not any(ran[kind][way] for way in call)]
    assert not missing


def _wanted() -> list[tuple[str, tuple[str, ...]]]:
    """What must have been called, shims or ours; any one of several methods."""
    wanted: list[tuple[str, tuple[str, ...]]] = []
    held = "AffineCoupling AdditiveCoupling UnivariateCoupling ChannelCoupling Multiscale Reshape"
    used = set(held.split())
    for name, shim in nflows_shims.shims().items():
        if isinstance(shim, types.FunctionType):
            wanted.append(("shims", (name,)))
        elif issubclass(shim, flows.Bijection):
            wanted += _both_ways("shims", name)
            used |= {c.__name__ for c in shim.__mro__ if c.__module__.startswith("bench.flows")}
        else:
            wanted += [("shims", (f"{name}.{method}",)) for method in _others(name)]
    for name in used - {"Bijection"}:
        wanted += _both_ways("ours", name)
    return wanted


def _both_ways(kind: str, name: str) -> list[tuple[str, tuple[str, ...]]]:
    """A composition calls `map_only` of what preserves volumes."""
    return [(kind, (f"{name}.forward", f"{name}.map_only")), (kind, (f"{name}.inverse",))]


def _others(name: str) -> list[str]:
    """Methods that must run of a shim that is no bijection."""
    if name == "StandardNormal":
        return ["_log_prob", "_sample"]
    if name in ("ResidualNet", "ConvResidualNet", "MADE"):
        return ["forward"]
    return ["log_prob", "sample"]


@pytest.mark.parametrize("name", nflows_shims.shims())
def test_shims_have_nflows_signatures(name):
    """In this process nothing is installed, so that both are there to compare."""
    ours, theirs = nflows_shims.shims()[name], nflows_shims.originals()[name]
    assert ours is not theirs
    assert _parameters(ours) == _parameters(theirs)


def _parameters(of: object) -> list[tuple[str, object]]:
    given = inspect.signature(of).parameters.values()
    return [(p.name, p.default) for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
