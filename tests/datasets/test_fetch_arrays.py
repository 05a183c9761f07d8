"""Arrays that are kept beside the files that they are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fetch_cases import BODY, NAME, file, listing
from numpy.typing import NDArray

from bench.datasets.fetch import SETS, File, cache, kept
from bench.datasets.fetch import arrays as kept_arrays
from bench.errors import BenchError, MissingError

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (1000, 100)
EXPECTED = np.frombuffer(BODY, np.uint8).reshape(SHAPE)
calls: list[str] = []


def fill(files: list[Path], out: NDArray[np.uint8]) -> None:
    calls.append("")
    out.reshape(-1)[:] = np.fromfile(files[0], np.uint8)


def fails(files: list[Path], out: NDArray[np.uint8]) -> None:
    out[:5] = 1
    raise BenchError("it is no good")


@pytest.fixture
def source(toy: Callable[..., File], cache: Path) -> Path:
    """The data set's one file, where it belongs; the folder of its arrays."""
    toy()
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(BODY)
    calls.clear()
    return cache / "arrays"


def read() -> NDArray[np.uint8]:
    return kept("toy", "x", SHAPE, fill)


def test_it_is_made_once_and_read_again(source: Path) -> None:
    for _ in range(3):
        np.testing.assert_array_equal(read(), EXPECTED)
    assert len(calls) == 1
    array, note = listing(source)
    assert (array.startswith("toy-x-"), note) == (True, f"{array}.sha256")
    assert "pinned by: made of the fetched files" in (source / note).read_text()


def test_changes_stay_in_this_process(source: Path) -> None:
    read()[:] = 7
    np.testing.assert_array_equal(read(), EXPECTED)


def test_a_kept_array_needs_its_files_no_more(source: Path) -> None:
    read()
    (source.parent / NAME).unlink()
    np.testing.assert_array_equal(read(), EXPECTED)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": lambda held: held.write_bytes(held.read_bytes()[:-1] + b"\xff"),
    "cut": lambda held: held.write_bytes(held.read_bytes()[:-1]),
    "empty": lambda held: held.write_bytes(b""),
    "without its note": lambda held: held.with_name(f"{held.name}.sha256").unlink(),
    "gone": lambda held: held.unlink(),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_is_damaged_is_made_anew(case: str, source: Path) -> None:
    read()
    DAMAGE[case](source / listing(source)[0])
    np.testing.assert_array_equal(read(), EXPECTED)
    assert len(calls) == 2
    assert len(listing(source)) == 2


def test_other_bytes_shapes_or_code_make_another(
    source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read()
    first = listing(source)
    np.testing.assert_array_equal(kept("toy", "x", (100, 1000), fill).reshape(SHAPE), EXPECTED)
    assert not set(first) & set(listing(source))  # the earlier one is gone
    other = BODY[::-1]
    (source.parent / NAME).write_bytes(other)
    monkeypatch.setitem(SETS, "toy", (file(body=other),))
    np.testing.assert_array_equal(read().reshape(-1), np.frombuffer(other, np.uint8))
    second = listing(source)
    edited = tmp_path / "readers.py"
    edited.write_bytes(Path(str(kept_arrays.readers.__file__)).read_bytes() + b"# edited\n")
    monkeypatch.setattr(kept_arrays.readers, "__file__", str(edited))
    read()
    assert not set(second) & set(listing(source))
    assert len(calls) == 4


def test_sets_and_parts_of_one_folder_do_not_meet(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETS, "toy-x", SETS["toy"])
    for _ in range(2):
        for name, part in (("toy", "x"), ("toy", "x-labels"), ("toy-x", "x"), ("toy", "y")):
            kept(name, part, SHAPE, fill)
    assert len(calls) == 4
    assert len(listing(source)) == 8


def test_what_fails_leaves_nothing(source: Path) -> None:
    with pytest.raises(BenchError, match="it is no good"):
        kept("toy", "x", SHAPE, fails)
    assert listing(source) == []


def test_nothing_is_reserved_for_files_that_are_not_there(source: Path) -> None:
    (source.parent / NAME).unlink()
    with pytest.raises(MissingError):
        read()
    assert not source.exists()


def test_a_folder_that_cannot_be_written(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_arrays.os, "access", lambda *_: False)
    np.testing.assert_array_equal(read(), EXPECTED)
    assert not source.exists()


def test_a_file_of_a_first_use_makes_another_when_its_note_is_removed(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The array follows the bytes, not the name."""
    unpinned = replace(SETS["toy"][0], size=None, sha256=None, first_use=True)
    monkeypatch.setitem(SETS, "toy", (unpinned,))
    np.testing.assert_array_equal(read(), EXPECTED)
    assert cache.note_of(unpinned) is not None
    (source.parent / NAME).write_bytes(BODY[::-1])
    (source.parent / f"{NAME}.sha256").unlink()
    np.testing.assert_array_equal(read().reshape(-1), np.frombuffer(BODY[::-1], np.uint8))


@pytest.mark.skipif(sys.platform == "win32", reason="has no quota of this sort")
def test_a_quota_is_one_sentence_and_kills_nothing(source: Path) -> None:
    """Writing beyond it through the map would end the process by a signal."""
    code = (
        "import resource, sys\nimport numpy as np\n"
        "from bench.datasets.fetch import SETS, File, kept\n"
        f"SETS['toy'] = (File('toy', {NAME!r}, None, None, 'CC0', first_use=True),)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "def fill(files, out):\n    out[:] = 1\n"
        "try:\n    kept('toy', 'x', (1000, 100), fill)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    script = source.parent / "x.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.stdout.startswith("BenchError"), done.stderr
    assert "could not be written: File too large. Free space" in done.stdout
    assert [n for n in listing(source) if n.endswith(".npy.part")] == []
