"""Files of archives, a mirror's and official ones: only what is asked for, within known bounds."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fetch_cases import BODY, FLIPPED, Server, file, listing, whole

from bench.datasets.fetch import SETS, Archive, File, local, members_of, obtain, state
from bench.errors import MissingError

OTHER = b"other" * 999
LIMIT, COUNT = 300_000, 5

#: bytes are a file, a text a symbolic link, a number a directory
Member = tuple[str, bytes | str | int]
A, B = ("sets/a/a.data", BODY), ("sets/b/b.data", OTHER)


def tar(members: list[Member], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.SYMTYPE if isinstance(content, str) else tarfile.DIRTYPE
                info.linkname = str(content)
                packed.addfile(info)
    return out.getvalue()


def zipped(members: list[Member]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            kind = {bytes: stat.S_IFREG, str: stat.S_IFLNK, int: stat.S_IFDIR}[type(content)]
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, content if isinstance(content, bytes) else str(content))
    return out.getvalue()


FORMS: dict[str, Callable[[list[Member]], bytes]] = {
    ".tar": lambda members: tar(members, "w"),
    ".tar.gz": lambda members: tar(members, "w:gz"),
    ".tgz": lambda members: tar(members, "w:gz"),
    ".tar.xz": lambda members: tar(members, "w:xz"),
    ".zip": zipped,
}
HOSTILE: dict[str, tuple[list[Member], str]] = {
    "path traversal": ([("../../evil", b"x"), A, B], "has a member outside itself, '../../evil'"),
    "absolute path": ([("/tmp/evil", b"x"), A, B], "has a member outside itself, '/tmp/evil'"),
    "link": ([("sets/a/a.data", "/etc/passwd"), B], "as something else than a regular file"),
    "directory": ([("sets/a/a.data", 0), B], "as something else than a regular file"),
    "bomb": ([("zeros", bytes(10**7)), A, B], "expands to more than 300000 bytes"),
    "many members": ([*((f"m{i}", b"") for i in range(9)), A, B], "has more than 5 members"),
    "twice": ([B, B, A], "has sets/b/b.data twice"),
    "another size": ([("sets/a/a.data", BODY[1:]), B], "with 99999 bytes, not 100000"),
    "another file": ([("sets/a/a.data", FLIPPED), B], "is another file: its sha256 is"),
    "lacking": ([B], "lacks sets/a/a.data"),
}


@pytest.fixture(params=FORMS)
def archived(
    request: pytest.FixtureRequest, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[Member]], bytes]:
    """Make `toy` a data set of two pinned files that a mirror has in one archive of some form."""

    def make(members: list[Member]) -> bytes:
        name, content = f"both{request.param}", FORMS[request.param](members)
        (mirror / name).write_bytes(content)
        archive = Archive(file(body=content, name=name), "sets/{stem}/{name}", LIMIT, COUNT)
        both = file(body=BODY, name="a.data"), file(body=OTHER, name="b.data")
        monkeypatch.setitem(SETS, "toy", tuple(replace(f, archive=archive) for f in both))
        return content

    return make


def test_files_out_of_an_archive(
    archived: Callable[[list[Member]], bytes], cache: Path, mirror: Path
) -> None:
    archived([("README", b"more"), B, A])
    assert [f.read_bytes() for f in local("toy")] == [BODY, OTHER]
    assert listing(cache) == sorted(["a.data", "b.data", *listing(mirror)])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE)
def test_an_archive_writes_nothing_but_what_is_asked_for(
    case: str, archived: Callable[[list[Member]], bytes], mirror: Path, cache: Path, tmp_path: Path
) -> None:
    members, words = HOSTILE[case]
    archived(members)
    with pytest.raises(MissingError, match="toy needs the file a.data") as caught:
        local("toy")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(listing(cache)) <= {*listing(mirror), "b.data", "a.data"}
    assert not list(tmp_path.rglob("evil"))


def official(form: str, content: bytes, *urls: str, **changes: object) -> tuple[File, File]:
    """Two files of an official archive, pinned by its md5 alone."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    whole = File("toy", f"both{form}", None, None, "CC0", urls, md5=md5)
    archive = replace(Archive(whole, expanded=LIMIT, count=COUNT), **changes)  # type: ignore[arg-type]
    a, b = members_of(archive, {"a.npy": A[0], "b.npy": (B[0], len(OTHER))})
    return a, b


@pytest.mark.parametrize("form", FORMS)
def test_files_of_an_official_archive_are_pinned_by_it(
    form: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FORMS[form]([B, ("more", b"x"), A])
    both = official(form, content, server.put("/both", whole(content)))
    monkeypatch.setitem(SETS, "toy", both)
    with pytest.raises(MissingError) as caught:
        local("toy")
    for words in (f"{A[0]} in both{form}", "fetch it: bench data get toy", f"toy/both{form}"):
        assert words in str(caught.value)
    assert both[0].archive is not None
    assert f"put both{form} (md5 {both[0].archive.file.md5}) beside" in str(caught.value)
    assert [f.read_bytes() for f in obtain("toy", official=True)] == [BODY, OTHER]
    notes = ["a.npy.sha256", "b.npy.sha256", f"both{form}.sha256"]
    assert listing(cache) == sorted(["a.npy", "b.npy", f"both{form}", *notes])
    assert hashlib.sha256(BODY).hexdigest() in (cache / "a.npy.sha256").read_text()
    assert len(server.requests) == 1

    (cache / "a.npy").write_bytes(FLIPPED)
    assert "as noted in a.npy.sha256" in state(both[0])
    with pytest.warns(UserWarning, match=r"a\.npy is damaged"):
        assert [f.read_bytes() for f in local("toy")] == [
            BODY,
            OTHER,
        ]
    assert len(server.requests) == 1


def test_an_official_archive_put_there_by_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zipped([A, B])
    monkeypatch.setitem(SETS, "toy", official(".zip", content))
    cache.mkdir(parents=True)
    (cache / "both.zip").write_bytes(content)
    assert [f.read_bytes() for f in local("toy")] == [BODY, OTHER]


def test_single_files_of_an_official_archive_in_a_mirror(
    mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells what they should be but the archive, whose bytes win over theirs."""
    content = zipped([A, B])
    monkeypatch.setitem(SETS, "toy", official(".zip", content))
    (mirror / "a.npy").write_bytes(FLIPPED)
    (mirror / "b.npy.xz").write_bytes(lzma.compress(OTHER))
    assert [f.read_bytes() for f in local("toy")] == [FLIPPED, OTHER]
    assert "pinned by: first use" in (cache / "a.npy.sha256").read_text()
    (mirror / "a.npy").unlink()
    (cache / "a.npy").unlink()
    (mirror / "both.zip").write_bytes(content)
    assert [f.read_bytes() for f in local("toy")] == [BODY, OTHER]
    assert "pinned by: archive both.zip" in (cache / "a.npy.sha256").read_text()


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "no tar": (".tar.xz", lzma.compress(b"no tar" * 1000), "is no tar archive that can be read"),
    "no gzip": (".tar.gz", b"no gzip" * 1000, "is no gzip file that can be read"),
    "no zip": (".zip", b"no zip" * 1000, "is no zip archive that can be read"),
    "cut, tar": (".tar", tar([A, B], "w")[:60_000], "is no archive that can be read"),
    "cut, gz": (".tar.gz", tar([A, B], "w:gz")[:-3000], "is a gzip file that breaks off"),
    "cut, zip": (".zip", zipped([A, B])[:-30], "is no zip archive that can be read"),
    "gzip bomb": (".tar.gz", gzip.compress(bytes(10**7)), "expands to more than 300000 bytes"),
    "empty": (".tar.gz", b"", "is no tar archive that can be read"),
    "another sort": (".rar", b"Rar!", "is no archive of a known sort"),
    "flipped, zip": (".zip", zipped([A, B]).replace(b"\xed", b"\xee", 1), "that can be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_archive_that_is_none(
    case: str, mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, content, words = BROKEN[case]
    (mirror / f"both{form}").write_bytes(content)
    monkeypatch.setitem(SETS, "toy", official(form, content))
    with pytest.raises(MissingError) as caught:
        local("toy")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (cache / "a.npy").exists()


def test_a_zip_that_understates_a_member(
    mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million zeros, of which its head and its directory admit a hundred."""
    size = (10**6).to_bytes(4, "little")
    content = zipped([("sets/a/a.data", bytes(10**6)), B])
    assert content.count(size) == 2
    content = content.replace(size, (100).to_bytes(4, "little"))
    (mirror / "both.zip").write_bytes(content)
    monkeypatch.setitem(SETS, "toy", official(".zip", content))
    with pytest.raises(MissingError, match="Bad CRC-32"):
        local("toy")
    assert not (cache / "a.npy").exists()
