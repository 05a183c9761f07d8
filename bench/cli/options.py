"""Options that several commands share, with their completion."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

import typer


def model_names() -> list[str]:
    """For completion: every model's name."""
    from bench import registry

    return sorted(registry.discover().models)


def dataset_names() -> list[str]:
    """For completion: every data set's name."""
    from bench import registry

    return sorted(registry.discover().datasets)


def suite_names() -> list[str]:
    """For completion: every suite's name."""
    from bench import paths, settings

    return list(settings.read_params(paths.root() / "params.yaml").suites)


def joined(globs: list[str] | None) -> str | None:
    """Repeated options as one comma-separated glob, as planning takes it."""
    return ",".join(globs) if globs else None


def matches(name: str, globs: list[str] | None) -> bool:
    """Whether a name meets any of the globs; no globs meet every name."""
    return not globs or any(fnmatchcase(name, g) for part in globs for g in part.split(","))


ModelGlobs = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        metavar="GLOB",
        help="Only these models; repeatable.",
        autocompletion=model_names,
    ),
]
DatasetGlobs = Annotated[
    list[str] | None,
    typer.Option(
        "-d",
        "--dataset",
        metavar="GLOB",
        help="Only these data sets; repeatable.",
        autocompletion=dataset_names,
    ),
]
SuiteName = Annotated[
    str | None,
    typer.Option(
        "--suite",
        metavar="SUITE",
        help="Default: `suite` of params.yaml.",
        autocompletion=suite_names,
    ),
]
