"""params.yaml: what it may say, and what is answered where it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import MissingError, UsageError
from bench.settings import Budget, Evaluation, Suite, budget_for, read_params


def suite(text: str) -> str:
    """A params.yaml of one suite."""
    return f"suite: s\nsuites:\n  s: {{{text}}}\n"


WRONG: dict[str, tuple[str, list[str]]] = {
    "no YAML": ("suites: [", ["params.yaml is no valid YAML", "line"]),
    "not text": ("suite: \udcff", ["no valid YAML"]),
    "empty": ("", ["top level", "not None"]),
    "a list": ("- a\n", ["top level"]),
    "no suites": ("suite: s\n", ["suites: missing"]),
    "unknown default": ("suite: t\nsuites: {tiny: {datasets: {a: }}}", ["no suite 't'", "tiny"]),
    "misspelt default": (
        "suite: defualt\nsuites: {default: {datasets: {a: }}}",
        ["Did you mean 'default'?"],
    ),
    "no data set": (suite("datasets: {}"), ["suites.s.datasets", "at least 1"]),
    "misspelt key": (
        suite("datasets: {a: }, trian: {steps: 3}"),
        ["suites.s.trian: unknown key", "Did you mean 'train'?"],
    ),
    "misspelt budget": (
        suite("datasets: {a: }, train: {step: 3}"),
        ["suites.s.train.step: unknown key", "Did you mean 'steps'"],
    ),
    "misspelt override": (
        suite("datasets: {a: {train: {stepz: 3}}}"),
        ["suites.s.datasets.a.train", "stepz: unknown key", "Did you mean 'steps'"],
    ),
    "wrong override": (suite("datasets: {a: {train: {lr: -1}}}"), ["lr", "greater than 0", "-1"]),
    "no steps": (suite("datasets: {a: }, train: {steps: 0}"), ["train.steps", "greater than", "0"]),
    "word for a number": (suite("datasets: {a: }, seeds: many"), ["seeds", "integer", "'many'"]),
    "unknown device": (suite("datasets: {a: }, device: tpu"), ["'cpu' or 'cuda'", "'tpu'"]),
    "settings of a word": ("suite: s\nsuites: {}\nmodels: {maf: 3}", ["models.maf", "not 3"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_sentence_with_the_place(case: str, tmp_path: Path) -> None:
    text, words = WRONG[case]
    file = tmp_path / "params.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        read_params(file)
    message = str(caught.value)
    assert "\n" not in message
    for word in ["params.yaml", *words]:
        assert word in message


def test_an_absent_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"git checkout -- params\.yaml"):
        read_params(tmp_path / "params.yaml")


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(suite("datasets: {a: }, seeds: 0, time_limit: -1, sizes: {train: 1}"))
    with pytest.raises(UsageError) as caught:
        read_params(file)
    assert all(k in str(caught.value) for k in ("s.seeds", "s.time_limit", "s.sizes.train"))


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        suite("datasets: {a: }, train: {lr: 5e-3}") + "models: {m: {rate: 1e-3, mode: on}, n: }\n"
    )
    params = read_params(file)
    assert params.suites["s"].train.lr == 5e-3
    assert params.models == {"m": {"rate": 1e-3, "mode": "on"}, "n": {}}


def test_an_override_changes_its_data_set_alone() -> None:
    chosen = Suite.model_validate(
        {"datasets": {"a": {"train": {"steps": 7}}, "b": {}}, "train": {"steps": 5, "lr": 0.1}}
    )
    assert budget_for(chosen, "a").model_dump(include={"steps", "lr"}) == {"steps": 7, "lr": 0.1}
    assert budget_for(chosen, "b").steps == 5


@pytest.mark.parametrize("kind", [Suite, Budget, Evaluation])
def test_the_documentation_names_every_key(kind: type[Suite]) -> None:
    page = (Path(__file__).parent.parent / "docs" / "suites.md").read_text(encoding="utf-8")
    assert [
        key for key in kind.model_fields if f"`{key}`" not in page and f"{key}:" not in page
    ] == []
