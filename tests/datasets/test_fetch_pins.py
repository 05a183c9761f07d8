"""What pins a file whose sha256 nobody publishes: other digests, an archive, its first use."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fetch_cases import BODY, FLIPPED, NAME, Server, listing, whole
from typer.testing import CliRunner

from bench.cli import data
from bench.datasets.fetch import Archive, File, cache, local, members_of, obtain, state
from bench.errors import BenchError, MissingError

SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
BLOB = hashlib.sha1(b"blob 100000\0" + BODY, usedforsecurity=False).hexdigest()
KEPT = [NAME, f"{NAME}.sha256"]


def pinned(size: int | None = None, sha256: str | None = None, **more: Any) -> File:
    return File("toy", NAME, size, sha256, "CC0", **more)


PINNED: dict[str, tuple[File, str]] = {
    "md5": (pinned(md5=MD5), "md5, sha256 noted"),
    "md5 and size": (pinned(100_000, md5=MD5), "md5, sha256 noted"),
    "git blob": (pinned(git_blob=BLOB), "git blob, sha256 noted"),
    "two digests": (pinned(md5=MD5, git_blob=BLOB), "md5, git blob, sha256 noted"),
    "first use": (pinned(first_use=True), "first use"),
    "first use and size": (pinned(100_000, first_use=True), "first use"),
}


def put(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_bytes(content)


def said(command: str) -> dict[str, Any]:
    done = CliRunner().invoke(data.app, [command, "toy", "--json"])
    (row,) = json.loads(done.stdout)["rows"]
    return dict(row)


@pytest.mark.parametrize("case", PINNED)
def test_the_sha256_is_noted_and_later_damage_seen(
    case: str, toy: Callable[..., File], cache: Path
) -> None:
    made, words = PINNED[case]
    toy(made=made)
    put(cache, BODY)
    assert local("toy")[0].read_bytes() == BODY
    assert listing(cache) == KEPT
    assert said("verify") | {"pinned_by": words, "status": "ok"} == said("verify")
    assert said("where") | {"pinned_by": words, "sha256": None} == said("where")
    put(cache, FLIPPED)
    assert "is " in state(made)
    assert said("verify")["status"] == "damaged"
    with (
        pytest.warns(UserWarning, match="is damaged: its (sha256|md5|git blob) is"),
        pytest.raises(MissingError, match=f"now {NAME}.damaged") as caught,
    ):
        local("toy")
    assert all(value in str(caught.value) for value in made.digests.values())
    put(cache, BODY)
    assert local("toy")[0].read_bytes() == BODY


@pytest.mark.parametrize("case", PINNED)
def test_a_download_is_compared_with_what_is_published_and_with_the_note(
    case: str, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    made = PINNED[case][0]
    toy(made=File(**made.__dict__ | {"urls": (server.put("/x", whole(FLIPPED)),)}))
    if made.digests:
        with pytest.raises(MissingError, match="is another file: its (md5|git blob) is"):
            obtain("toy", official=True)
        assert listing(cache) == []
    server.put("/x", whole(BODY))
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    (cache / NAME).unlink()
    server.put("/x", whole(FLIPPED))
    with pytest.raises(MissingError, match="is another file"):
        obtain("toy", official=True)
    assert listing(cache) == [f"{NAME}.sha256"]


HEADS = {
    "page": (b"<!DOCTYPE html><html>", "an HTML page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a git-LFS pointer"),
    "annex": (b"/annex/objects/SHA256E-s100000--0.bin\n", "a git-annex pointer"),
}


@pytest.mark.parametrize("case", HEADS)
def test_what_is_no_data_is_not_noted_as_the_first(
    case: str, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    head, words = HEADS[case]
    toy(made=pinned(first_use=True, urls=(server.put("/x", whole(head)),)))
    with pytest.raises(MissingError, match=words):
        obtain("toy", official=True)
    assert listing(cache) == []
    put(cache, head)
    with pytest.warns(UserWarning, match=words), pytest.raises(MissingError):
        local("toy")
    assert listing(cache) == [f"{NAME}.damaged"]


def test_a_note_that_is_none_is_said_and_can_be_removed(
    toy: Callable[..., File], cache: Path
) -> None:
    toy(made=pinned(md5=MD5))
    put(cache, BODY)
    (cache / f"{NAME}.sha256").write_bytes(b"\xff")
    with pytest.raises(BenchError, match="is not the note of one file's sha256. Remove it"):
        local("toy")
    (cache / f"{NAME}.sha256").unlink()
    assert local("toy")[0].read_bytes() == BODY


def test_a_note_is_stronger_than_an_md5(toy: Callable[..., File], cache: Path) -> None:
    """As where somebody makes another file of the same md5."""
    made = toy(made=pinned(md5=MD5))
    put(cache, BODY)
    local("toy")
    note = cache / f"{NAME}.sha256"
    note.write_text(note.read_text().replace(SHA256, "0" * 64))
    assert f"its sha256 is {SHA256}, not {'0' * 64} as noted in {NAME}.sha256" in state(made)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_reads_a_note(toy: Callable[..., File], cache: Path) -> None:
    toy(made=pinned(first_use=True))
    put(cache, BODY)
    local("toy")
    command = ["sha256sum", "--check", "--strict", f"{NAME}.sha256"]
    done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=True)
    assert done.stdout == f"{NAME}: OK\n"


def test_all_digests_come_of_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, BODY)
    expected = {"sha256": SHA256, "md5": MD5, "git_blob": BLOB}
    for chunk in (1 << 20, 999):
        monkeypatch.setattr(cache, "CHUNK", chunk)
        assert cache.digests(tmp_path / NAME, expected) == expected


UNPINNED = File("toy", "x.zip", None, None, "CC0", first_use=True)


def test_a_file_that_nothing_pins() -> None:
    for make in (pinned, lambda: pinned(archive=Archive(UNPINNED))):
        with pytest.raises(ValueError, match=f"toy/{NAME} is pinned by nothing: give sha256, md5"):
            make()
    (member,) = members_of(Archive(UNPINNED), {"a": "b/a"})
    assert member.first_use
    assert pinned(archive=Archive(File("toy", "x.zip", None, None, "CC0", md5=MD5))).pins


@pytest.mark.parametrize(
    "digests", [{"md5": MD5[1:]}, {"sha256": SHA256.upper()}, {"git_blob": "x"}]
)
def test_a_digest_that_is_none(digests: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"is no {next(iter(digests))} in lower-case hex digits"):
        pinned(**digests)  # type: ignore[arg-type]
