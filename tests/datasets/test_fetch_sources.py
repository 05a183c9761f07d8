"""Where files come from: the cache, a mirror; and what neither can do."""

from __future__ import annotations

import errno
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from fetch_cases import BODY, FLIPPED, NAME, Handler, Server, listing, whole

from bench.datasets.fetch import File, download, local, obtain
from bench.errors import BenchError, MissingError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_a_folder_is_a_mirror(
    suffix: str, mirror: Path, toy: Callable[..., File], cache: Path
) -> None:
    toy("http://127.0.0.1:9/toy.bin")
    (mirror / (NAME + suffix)).write_bytes(lzma.compress(BODY) if suffix else BODY)
    (mirror / "unrelated").write_bytes(b"x")
    (held,) = local("toy")
    assert (held, held.read_bytes()) == (cache / NAME, BODY)
    assert listing(cache) == [NAME]


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_an_address_is_a_mirror(
    suffix: str,
    server: Server,
    toy: Callable[..., File],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BENCH_DATA_MIRROR", f"{server.url}/data/")
    official = server.put("/official", whole(BODY))
    toy(official)
    server.put(f"/data/toy/{NAME}{suffix}", whole(lzma.compress(BODY) if suffix else BODY))
    assert local("toy")[0].read_bytes() == BODY
    assert "/official" not in [path for path, _ in server.requests]
    assert listing(cache) == [NAME]


MIRRORED: dict[str, tuple[str, bytes, str]] = {
    "flipped byte": (NAME, FLIPPED, "its sha256 is"),
    "pointer": (NAME, b"version https://git-lfs.github.com/spec/v1\n", "a git-LFS pointer"),
    "annex": (NAME, b"/annex/objects/SHA256E-s100000--0.bin\n", "a git-annex pointer"),
    "longer": (NAME, BODY + b"x", "has more than 100000 bytes"),
    "flipped, xz": (f"{NAME}.xz", lzma.compress(FLIPPED), "its sha256 is"),
    "bomb, xz": (f"{NAME}.xz", lzma.compress(bytes(10**7)), "expands to more than 100000 bytes"),
    "cut, xz": (f"{NAME}.xz", lzma.compress(BODY)[:-3000], "is an xz file that breaks off"),
    "empty, xz": (f"{NAME}.xz", b"", "is an xz file that breaks off"),
    "no xz": (f"{NAME}.xz", BODY, "is no xz file that can be read"),
}


@pytest.mark.parametrize("case", MIRRORED)
def test_a_bad_mirror_is_named_left_alone_and_passed_over(
    case: str, mirror: Path, server: Server, toy: Callable[..., File], cache: Path
) -> None:
    name, content, words = MIRRORED[case]
    (mirror / name).write_bytes(content)
    toy(server.put("/good", whole(BODY)))
    with pytest.raises(MissingError) as caught:
        local("toy")
    assert f"mirror, toy/{name} " in str(caught.value)
    assert words in str(caught.value)
    assert "fetch it: bench data get toy" in str(caught.value)
    assert listing(cache) == []
    assert obtain("toy", official=True)[0].read_bytes() == BODY
    assert (mirror / name).read_bytes() == content


def test_a_dead_mirror_is_asked_once(
    server: Server, toy: Callable[..., File], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA_MIRROR", "http://127.0.0.1:9")
    toy(server.put("/x", whole(BODY)))
    with pytest.raises(MissingError) as caught:
        local("toy")
    assert str(caught.value).count("cannot be reached, 4 times") == 1
    assert obtain("toy", official=True)[0].read_bytes() == BODY


def test_a_mirror_that_is_none(
    toy: Callable[..., File], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy()
    for wrong in ("/no/such/folder", "ftp://host/data"):
        monkeypatch.setenv("BENCH_DATA_MIRROR", wrong)
        with pytest.raises(MissingError, match=f"BENCH_DATA_MIRROR names '{wrong}'"):
            local("toy")


def test_a_damaged_file_is_kept_aside_and_replaced(
    mirror: Path, toy: Callable[..., File], cache: Path
) -> None:
    toy()
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(FLIPPED)
    with (
        pytest.warns(UserWarning, match=f"{NAME} is damaged: its sha256 .* kept as"),
        pytest.raises(MissingError, match=f"the copy on this machine was damaged, now {NAME}.dam"),
    ):
        local("toy")
    assert (cache / f"{NAME}.damaged").read_bytes() == FLIPPED
    (mirror / NAME).write_bytes(BODY)
    assert local("toy")[0].read_bytes() == BODY
    assert (cache / f"{NAME}.damaged").read_bytes() == FLIPPED


def test_a_link_to_nowhere_counts_as_missing(
    mirror: Path, toy: Callable[..., File], cache: Path
) -> None:
    toy()
    cache.mkdir(parents=True)
    (cache / NAME).symlink_to(cache / "nowhere")
    (mirror / NAME).write_bytes(BODY)
    assert local("toy")[0].read_bytes() == BODY


def test_a_full_disk_while_a_download_is_flushed(
    server: Server, toy: Callable[..., File], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    toy(server.put("/x", whole(BODY, etag='"one"')))
    with monkeypatch.context() as patch:
        patch.setattr(download.os, "fsync", full)
        with pytest.raises(BenchError, match="No space left on device. Free space") as caught:
            obtain("toy", official=True)
    assert not isinstance(caught.value, MissingError)
    assert len(server.requests) == 1
    assert not (cache / NAME).exists()
    assert obtain("toy", official=True)[0].read_bytes() == BODY


def in_another_process(code: str, made: File) -> subprocess.Popen[str]:
    """Python with `toy` as a data set of this one file."""
    head = (
        "import json, sys\nfrom bench.datasets.fetch import SETS, File, obtain\n"
        "given = json.loads(sys.argv[1])\n"
        "SETS['toy'] = (File(**{**given, 'urls': tuple(given['urls'])}),)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + code, json.dumps(asdict(made))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="has no quota of this sort")
@pytest.mark.parametrize("source", ["download", "mirror"])
def test_a_quota_stops_a_write_and_what_came_before_is_kept(
    source: str, server: Server, toy: Callable[..., File], mirror: Path, cache: Path
) -> None:
    cache.mkdir(parents=True)
    (cache / "kept").write_bytes(b"kept")
    made = toy(server.put("/x", whole(BODY, etag='"one"')))
    if source == "mirror":
        (mirror / NAME).write_bytes(BODY)
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "try:\n    obtain('toy', official=True)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    out, err = in_another_process(code, made).communicate(timeout=30)
    assert out.startswith("BenchError"), err
    assert f"{NAME}.part could not be written: File too large. Free space" in out
    assert "name another folder in BENCH_DATA" in out
    assert (cache / "kept").read_bytes() == b"kept"
    assert NAME not in listing(cache)
    assert obtain("toy", official=True)[0].read_bytes() == BODY


def test_two_processes_fetch_once(server: Server, toy: Callable[..., File], cache: Path) -> None:
    def slowly(handler: Handler) -> None:
        time.sleep(0.5)
        handler.answer(200, BODY)

    made = toy(server.put("/x", slowly))
    code = "print(obtain('toy', official=True)[0].stat().st_size)"
    for process in [in_another_process(code, made) for _ in range(2)]:
        out, err = process.communicate(timeout=30)
        assert out == f"{len(BODY)}\n", err
    assert len(server.requests) == 1


def test_a_process_that_is_killed_leaves_no_lock(
    server: Server, toy: Callable[..., File], cache: Path
) -> None:
    def never(handler: Handler) -> None:
        time.sleep(1)

    made = toy(server.put("/x", never))
    victim = in_another_process("obtain('toy', official=True)", made)
    while not server.requests:
        time.sleep(0.02)
    victim.kill()
    victim.communicate()
    server.put("/x", whole(BODY))
    assert obtain("toy", official=True)[0].read_bytes() == BODY


def test_a_folder_that_cannot_be_made(toy: Callable[..., File], cache: Path) -> None:
    toy()
    cache.parent.write_bytes(b"a file, where the folder should be")
    with pytest.raises(BenchError, match="could not be written: Not a directory. Free space"):
        local("toy")


def test_files_that_are_there_need_no_permission_to_write(
    toy: Callable[..., File], cache: Path
) -> None:
    toy()
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(BODY)
    local("toy")
    assert not (cache / ".lock").exists()
