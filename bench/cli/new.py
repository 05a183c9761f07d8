"""`bench new`: a plugin file that works as it is."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench import paths, registry
from bench.cli import output
from bench.errors import MissingError, UsageError

SCAFFOLD = Path(__file__).parent.parent / "scaffold"
NEXT = {
    "model": "check it: bench check {name}; run its cells: bench run -m {name}",
    "dataset": (
        "name it under `datasets:` of a suite in params.yaml, as `{name}: {{}}`; "
        "then: bench run -d {name}"
    ),
}


class What(StrEnum):
    """What can be made."""

    model = "model"
    dataset = "dataset"


def command(
    what: Annotated[What, typer.Argument(metavar="model|dataset")],
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    into: Annotated[
        Path | None,
        typer.Option(
            help="Folder. Default: baselines/ or bench/datasets/ of the clone, else the "
            "first of BENCH_PLUGINS."
        ),
    ] = None,
) -> None:
    """Write a model or data set that works as it is."""
    _refuse_taken(what, name)
    folder = into or _folder(what)
    if not folder.is_dir():
        raise MissingError(f"{folder} is no folder. Make it first: mkdir -p {folder}")
    file = folder / f"{name.replace('-', '_')}.py"
    if file.exists():
        raise UsageError(f"{file} exists and is left as it is. Choose another name")
    text = (SCAFFOLD / f"{what.value}.py.txt").read_text(encoding="utf-8")
    from bench.atomic import write_text

    write_text(file, text.replace("NAME", name))
    print(registry.shown(file.resolve()))
    output.note(f"next: edit it; {NEXT[what.value].format(name=name)}")
    if file.resolve() not in set(registry.plugin_files()):
        output.note(f"it is found once its folder is named: export BENCH_PLUGINS={folder}")


def _refuse_taken(what: What, name: str) -> None:
    if not re.fullmatch(registry.NAME, name):
        raise UsageError(
            f"'{name}' is no plugin name: lower-case letters, digits and single hyphens, such as "
            "'my-flow'"
        )
    found = registry.discover()
    taken = found.models if what is What.model else found.datasets
    if name in taken:
        raise UsageError(
            f"{what.value} '{name}' exists: {registry.shown(taken[name].file)}. Choose another name"
        )


def _folder(what: What) -> Path:
    root = paths.find_root()
    if root is not None:
        own = what is What.dataset and registry.PACKAGE.is_relative_to(root)
        return registry.PACKAGE / "datasets" if own else root / "baselines"
    first = os.environ.get("BENCH_PLUGINS", "").split(os.pathsep)[0]
    if not first:
        raise MissingError(
            "there is no clone here and BENCH_PLUGINS is not set. Change into the clone, or name a "
            "folder: --into FOLDER"
        )
    return Path(first)
