"""Compiles the fused kernels on first use, into a cache that every process of the user shares.

The library is keyed by its source, the flags and the compiler; it is built under a lock and moved
into place in one step, so that processes that start together build it once and never load half.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import torch

SOURCE = Path(__file__).parent / "source"
COMPILERS = ("c++", "g++", "clang++")
SECONDS = 300  #: a compiler that takes longer counts as missing
#: no -ffast-math: a library linked with it makes the whole process flush denormals to zero
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fno-exceptions",
    "-fno-rtti",
    "-fPIC",
    "-shared",
)
#: for the file that keeps torch's rounding
EXACT = ("-ffp-contract=off", "-c")
#: what torch found the CPU capable of -> flags, register bytes, registers of a tile's width
LEVELS = {
    "AVX512": (
        ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
        64,
        4,
    ),
    "AVX2": (("-mavx2", "-mfma"), 32, 2),
}


class Unavailable(Exception):
    """Why there is no library: one sentence."""


def library() -> Path:
    """The shared library for this machine, built if it is not in the cache.

    Raises Unavailable without a compiler, or where it fails or the cache cannot be written.
    """
    command, flags = compiler(), level_flags()
    try:
        folder = cache()
        file = folder / f"fused-{key(command, flags)}.so"
        if not file.exists():
            from filelock import FileLock

            with FileLock(folder / "lock", timeout=SECONDS):
                if not file.exists():
                    compile_to(file, command, flags)
    except (OSError, TimeoutError, ImportError) as error:
        raise Unavailable(f"the kernel cache cannot be used: {error}") from error
    return file


def compiler() -> list[str]:
    """The C++ compiler as a command: $CXX, or the first of COMPILERS. Raises Unavailable."""
    if sys.platform == "win32":
        raise Unavailable("the fused kernels are not built on Windows")
    chosen = shlex.split(os.environ.get("CXX", ""))
    names = [chosen] if chosen else [[name] for name in COMPILERS]
    for command in names:
        if shutil.which(command[0]):
            return command
    looked = " ".join(chosen) if chosen else ", ".join(COMPILERS)
    raise Unavailable(f"no C++ compiler found ({looked}); install g++ or clang, or set CXX")


def level_flags() -> tuple[str, ...]:
    """Flags for the instructions that torch uses here (ATEN_CPU_CAPABILITY lowers them)."""
    narrow = 4 if platform.machine() in ("arm64", "aarch64") else 2
    level = torch.backends.cpu.get_cpu_capability()
    flags, register, wide = LEVELS.get(level, ((), 16, narrow))
    return (*FLAGS, *flags, f"-DREGISTER_BYTES={register}", f"-DWIDE={wide}")


def cache() -> Path:
    """The folder of built libraries, the user's own."""
    from platformdirs import user_cache_path

    folder = user_cache_path("density-bench", appauthor=False) / "kernels"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def key(command: list[str], flags: tuple[str, ...]) -> str:
    """Hash of everything that the library depends on."""
    digest = hashlib.sha256()
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    digest.update(" ".join((*command, *flags, *EXACT, run([*command, "--version"]))).encode())
    return digest.hexdigest()[:20]


def compile_to(file: Path, command: list[str], flags: tuple[str, ...]) -> None:
    """Build the library beside its place and move it there."""
    temporary = file.with_suffix(f".{os.getpid()}")
    exact = temporary.with_suffix(f".{os.getpid()}.o")
    try:
        run([*command, *flags, *EXACT, str(SOURCE / "exact.cpp"), "-o", str(exact)])
        run([*command, *flags, str(SOURCE / "fused.cpp"), str(exact), "-o", str(temporary)])
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
        exact.unlink(missing_ok=True)


def run(command: list[str]) -> str:
    """What a command prints. Raises Unavailable with its last words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} could not be run: {error}") from error
    if done.returncode:
        words = " ".join(done.stderr.split()[-40:])
        raise Unavailable(f"{command[0]} could not build the fused kernels: {words}")
    return done.stdout
