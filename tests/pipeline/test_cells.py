"""Which model meets which data set, with which settings; what is refused, in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.pipeline import cells
from bench.registry import DatasetEntry, ModelEntry, Problem, Registry
from bench.settings import Params

FILE = Path(cells.__file__)


def a_model(name: str, **changes: Any) -> ModelEntry:
    return ModelEntry(name=name, file=FILE, function="build", **changes)


def a_dataset(name: str, kind: str = "continuous", dim: int = 2, **changes: Any) -> DatasetEntry:
    changes = {"shape": (dim,), **changes}
    return DatasetEntry(name=name, file=FILE, function="f", kind=kind, **changes)


REGISTRY = Registry(
    models={
        m.name: m
        for m in (
            a_model("flow", min_dim=2, twin="flow-nflows", settings={"layers": 3, "lr": 0.1}),
            a_model("flow-nflows", min_dim=2, settings={"layers": 3, "blocks": (1, 2)}),
            a_model("tree", accepts=("discrete", "binary")),
            a_model("given", conditional=True),
            a_model("chain", accepts=("sequence",), min_dim=9),
            a_model("classes", accepts=("discrete",), labelled=True),
            a_model("picture", accepts=("discrete", "sequence"), images=True),
        )
    },
    datasets={
        d.name: d
        for d in (
            a_dataset("claw", dim=1),
            a_dataset("rings"),
            a_dataset("digits", "discrete", 64, levels=17),
            a_dataset("bits", "binary", 64),
            a_dataset("labelled", context_dim=3),
        )
    },
    problems=[],
)


TEXT = a_dataset("text", "sequence", 12, levels=5)
SOUND = a_dataset("sound", "sequence", 12)


def params(suite: dict[str, Any] | None = None, **changes: Any) -> Params:
    held = {"datasets": {d: {} for d in REGISTRY.datasets}, **(suite or {})}
    return Params.model_validate({"suite": "s", "suites": {"s": held}, **changes})


def plan(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {c.name: c for c in cells.plan(params(*args, **kwargs), REGISTRY)}


def test_a_model_meets_what_it_accepts_in_its_dimensions() -> None:
    assert {k: c.space for k, c in plan().items()} == {
        "rings/flow": "standard",
        "rings/flow-nflows": "standard",
        "digits/flow": "marginals",
        "digits/flow-nflows": "marginals",
        "digits/tree": "levels",
        "bits/tree": "levels",
        "labelled/given": "standard",
    }


def test_a_continuous_model_meets_discrete_data_as_continuous() -> None:
    cell = plan()["digits/flow"]
    assert (cell.kind, cell.dequantized) == ("continuous", True)
    assert plan()["digits/tree"].kind == "discrete"


def test_a_sequence_is_also_met_by_models_that_know_of_no_time() -> None:
    extra = {d.name: d for d in (TEXT, SOUND)}
    registry = Registry(REGISTRY.models, REGISTRY.datasets | extra, [])
    suite = {"datasets": {"text": {}, "sound": {}}}
    planned = {c.name: (c.kind, c.space) for c in cells.plan(params(suite), registry)}
    assert planned == {
        "text/flow": ("continuous", "marginals"),
        "text/flow-nflows": ("continuous", "marginals"),
        "text/tree": ("discrete", "levels"),
        "text/chain": ("sequence", "levels"),
        "sound/flow": ("continuous", "standard"),
        "sound/flow-nflows": ("continuous", "standard"),
        "sound/chain": ("sequence", "standard"),
    }
    native = cells.plan(params({**suite, "native": True}), registry)
    assert {c.name for c in native if c.dataset is TEXT} == {"text/tree", "text/chain"}


def test_labels_and_images_narrow_the_plan() -> None:
    image = a_dataset("image", "discrete", levels=4, shape=(1, 2, 2), classes=3)
    registry = Registry(
        REGISTRY.models, {"image": image, "digits": REGISTRY.datasets["digits"]}, []
    )
    found = cells.plan(params({"datasets": {"image": {}, "digits": {}}}), registry)
    names = {c.name for c in found}
    assert {"image/classes", "image/picture"} <= names
    assert not {"digits/classes", "digits/picture"} & names


def test_a_data_sets_own_space_is_its_default() -> None:
    mnist = a_dataset("mnist", "discrete", 64, levels=256, space="logit:1e-6")
    registry = Registry(REGISTRY.models, {"mnist": mnist}, [])
    for asked, expected in ((None, "logit:1e-6"), ("uniform", "uniform")):
        suite = params({"datasets": {"mnist": {"space": asked}}, "models": ["flow"]})
        assert [c.space for c in cells.plan(suite, registry)] == [expected]


def test_variational_dequantization_makes_a_bound_on_levels() -> None:
    cell = plan({"datasets": {"digits": {"space": "variational"}}, "models": ["flow"]})[
        "digits/flow"
    ]
    assert (cell.space, cell.kind, cell.model.likelihood) == (
        "variational",
        "discrete",
        "lower-bound",
    )
    assert not cell.dequantized


def test_recipes_override_the_budget_by_model_in_their_order() -> None:
    recipes = {"flow*": {"steps": 7, "lr": 0.1}, "flow-nflows": {"steps": 8}}
    suite = {"datasets": {"rings": {"train": {"steps": 5, "batch": 3}}}, "recipes": recipes}
    planned = plan(suite)
    found = {k: (c.budget.steps, c.budget.lr, c.budget.batch) for k, c in planned.items()}
    assert found == {"rings/flow": (7, 0.1, 3), "rings/flow-nflows": (8, 0.1, 3)}
    (warning,) = cells.unfair(list(planned.values()))
    assert "differ in budget" in warning


def test_the_nearer_space_wins() -> None:
    suite = {"datasets": {"digits": {"space": "logit"}}}
    assert plan(suite)["digits/flow"].space == "logit"
    chosen = plan(suite, models={"flow": {"space": "uniform"}})
    assert chosen["digits/flow"].space == "uniform"
    assert "space" not in chosen["digits/flow"].settings


def test_settings_default_then_data_set_then_model() -> None:
    suite = {"datasets": {"rings": {"settings": {"layers": 5, "lr": 0.2}}}}
    planned = plan(suite, models={"flow": {"layers": 7}})
    assert planned["rings/flow"].settings == {"layers": 7, "lr": 0.2}
    assert planned["rings/flow-nflows"].settings == {"layers": 5, "blocks": (1, 2)}


def test_the_data_sets_budget_overrides_the_suites() -> None:
    suite = {"train": {"steps": 9}, "datasets": {"rings": {"train": {"steps": 5}}, "digits": {}}}
    planned = plan(suite)
    assert planned["rings/flow"].budget.steps == 5
    assert planned["digits/flow"].budget.steps == 9


def test_globs_choose() -> None:
    chosen = cells.plan(params(), REGISTRY, models_glob="flow*", datasets_glob="rings,digits")
    assert [c.name for c in chosen] == [
        "rings/flow",
        "rings/flow-nflows",
        "digits/flow",
        "digits/flow-nflows",
    ]


def test_twins_of_unlike_settings_or_space_are_named() -> None:
    assert cells.unfair(list(plan().values())) == []
    uneven = plan(models={"flow": {"layers": 4, "space": "logit"}})
    warnings = cells.unfair(list(uneven.values()))
    assert len(warnings) == 3  # layers on two data sets, the space on digits
    assert "layers (4 and 3)" in warnings[0]
    assert any("space ('logit' and 'marginals')" in w for w in warnings)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "model": (lambda: plan(models={"flwo": {}}), "models: no model 'flwo'. Did you mean 'flow'"),
    "data set": (
        lambda: plan({"datasets": {"ring": {}}}),
        "suites.s.datasets: no data set 'ring'. Did you mean 'rings'",
    ),
    "listed model": (lambda: plan({"models": ["tre"]}), "Did you mean 'tree'"),
    "setting": (
        lambda: plan(models={"flow": {"layer": 3}}),
        "no setting 'layer'. Did you mean 'layers'? All: layers, lr, space",
    ),
    "type": (lambda: plan(models={"flow": {"layers": "3"}}), "layers is '3'; expected int"),
    "space": (
        lambda: plan(models={"flow": {"space": "logits"}}),
        "no space 'logits'. Did you mean 'logit'",
    ),
    "budget": (
        lambda: plan({"datasets": {"rings": {"train": {"stepz": 3}}}}),
        "datasets.rings.train is invalid: stepz",
    ),
    "suite": (
        lambda: cells.plan(params(), REGISTRY, "z"),
        "no suite 'z'. All: bench list suites",
    ),
    "glob": (
        lambda: cells.plan(params(), REGISTRY, models_glob="flov"),
        "no model 'flov'. Did you mean 'flow'",
    ),
    "suite's name": (
        lambda: cells.plan(
            Params.model_validate({"suite": "a.b", "suites": {"a.b": {"datasets": {"rings": {}}}}}),
            REGISTRY,
        ),
        "'a.b' must be lower-case",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_params_are_refused_in_one_sentence(name: str) -> None:
    attempt, words = WRONG[name]
    with pytest.raises(UsageError) as caught:
        attempt()
    assert words in str(caught.value)


def test_an_unreadable_plugin_hides_no_other_cell() -> None:
    broken = Registry(REGISTRY.models, REGISTRY.datasets, [Problem(FILE, "does not parse")])
    held = params({"datasets": {"rings": {}, "unknown-now": {}}}, models={"unknown-too": {}})
    assert {c.dataset.name for c in cells.plan(held, broken)} == {"rings"}
