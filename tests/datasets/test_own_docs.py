"""docs/adding-a-data-set.md: every command of the page runs, and writes the entry that it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_cases import BYTES, COLOUR, COUNTS, TEXT, WIDE, add, idx, loaded, npz, parquet, pictures

from bench import registry
from bench.datasets.own.schema import READ, Split

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-data-set.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^bench data add .*$", PAGE, re.MULTILINE)
PEOPLE = "name,height,mass,sex\n" + "".join(
    f"n{i},{1.5 + i * 7 % 31 / 100:.2f},{'' if i == 3 else 50.5 + i},{'fm'[i % 2]}\n"
    for i in range(40)
)


def points(folder: Path) -> None:
    rows = [",".join(f"0.{(i * 7919 + j) % 9973:04d}" for j in (0, 31, 577)) for i in range(40)]
    (folder / "points.csv").write_text("\n".join(["a,b,c", *rows, ""]), newline="")


def images(folder: Path) -> None:
    idx("train-images-idx3-ubyte.gz", BYTES)(folder)
    idx("t10k-images-idx3-ubyte.gz", BYTES[::-1])(folder)


FILES: dict[str, Callable[[Path], object]] = {
    "points": points,
    "scans": lambda folder: pictures(WIDE)(folder).rename(folder / "scans"),
    "people": lambda folder: (folder / "people.csv").write_text(PEOPLE),
    "tiles": lambda folder: npz(x=COLOUR)(folder).rename(folder / "tiles.npz"),
    "digits-of-mine": images,
    "counts": lambda folder: parquet(n=COUNTS[:, 0])(folder).rename(folder / "counts.parquet"),
    "novel": lambda folder: (folder / "novel.txt").write_text(TEXT * 4, encoding="utf-8"),
}


@pytest.mark.parametrize("command", COMMANDS[:1] + COMMANDS[2:])
def test_the_commands_of_the_page_run(command: str, clone: Path) -> None:
    if ".parquet" in command:
        pytest.importorskip("pyarrow")
    name, path, *options = shlex.split(command)[3:]
    FILES[name](clone)
    assert add(name, path, options) == 0
    assert np.isfinite(loaded(name).train.double().numpy()).all()


def test_the_entry_of_the_page_is_what_its_command_writes(clone: Path) -> None:
    points(clone)
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert add("points", "points.csv") == 0
    assert (clone / "datasets" / "points.toml").read_text() == block
    assert registry.discover().dataset("points").shape == (3,)


def test_the_page_names_every_format_and_rule() -> None:
    named = {"csv": ".csv", "hdf5": ".h5", "images": "folder of images", "text": ".txt"}
    assert [f for f in READ if named.get(f, f".{f}") not in PAGE] == []
    rules = Split.model_fields["rule"].annotation.__args__
    assert [rule for rule in rules if f"| `{rule}" not in PAGE] == []
